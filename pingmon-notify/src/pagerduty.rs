//! The `pagerduty` channel: an alert event of the Events API v2
//! (<https://developer.pagerduty.com/docs/send-alert-event>). An incident is one alert, resolved when it ends.

use pingmon_core::{
    error::{Error, Result},
    incident::Event,
    notification::{Facts, Notification},
    outcome::Status,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::{Medium, caption, web},
    request::Request,
    secret::Secret,
    template,
    text::one_line,
    vendor::Vendor,
    wording::{Form, Text, Unit, Wording},
};

/// A summary may have 1,024 characters; an event as a whole 512 KB.
const FORM: Form =
    Form { title: (Medium::Plain, 1_024), body: (Medium::Plain, 10_000), unit: Unit::Utf16, sign: false };
/// Length of a routing key.
const ROUTING_KEY: usize = 32;

/// Triggers an alert in PagerDuty when an incident opens, and resolves it when it ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The integration key of a service's "Events API v2" integration: 32 characters.
    routing_key: Secret,
    /// Where events go: "https://events.pagerduty.com" when not given, "https://events.eu.pagerduty.com" in Europe.
    api_url: Option<String>,
    /// Words of one's own, as plain text: the title is the summary, the body one of the details.
    template: Option<template::Config>,
}

pub(crate) struct PagerDuty {
    endpoint: Endpoint,
    routing_key: Secret,
    wording: Wording,
}

impl Vendor for PagerDuty {
    const NAME: Name = Name::PagerDuty;
    type Config = Config;
    const ALERTS: bool = true;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let routing_key = config.routing_key;
        if routing_key.expose().chars().count() != ROUTING_KEY {
            return Err(Error::config(
                "routing_key",
                "is to have 32 characters, as the key of an Events API v2 integration",
            ));
        }
        let mut endpoint =
            Endpoint::new(dialer, "api_url", config.api_url.as_deref().unwrap_or("https://events.pagerduty.com"))?;
        endpoint.hide(routing_key.expose());
        Ok(Self { endpoint, routing_key, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let mut event = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": if notice.event == Event::Resolved { "resolve" } else { "trigger" },
            "dedup_key": notice.incident.id,
            "client": "pingmon",
            "payload": {
                "summary": title,
                "source": one_line(&notice.monitor.name, 200),
                "severity": severity(notice),
                "timestamp": notice.at,
                "component": one_line(&notice.monitor.kind, 200),
                "custom_details": details(notice, &body),
            },
        });
        let links = notice.links.iter().filter_map(|link| Some((&link.text, web(&link.url)?)));
        let links: Vec<_> = links.map(|(text, href)| json!({ "href": href, "text": caption(text) })).collect();
        if !links.is_empty() {
            event["links"] = Value::Array(links);
        }
        Request::json(&event).at(["v2", "enqueue"])
    }
}

fn severity(notice: &Notification) -> &'static str {
    match (notice.event, notice.incident.level) {
        (Event::Resolved, _) => "info",
        (_, Status::Down) => "critical",
        (_, Status::Degraded | Status::Up | Status::Unknown) => "warning",
    }
}

/// The facts, within a bound: what others wrote may be long.
fn details(notice: &Notification, body: &str) -> Value {
    let facts = serde_json::to_value(Facts::of(notice)).unwrap_or_default();
    let small = facts.to_string().len() <= 100_000;
    json!({ "text": body, "facts": if small { facts } else { Value::Null } })
}
