//! The `opsgenie` channel: the Alert API of Opsgenie (<https://docs.opsgenie.com/docs/alert-api>). An incident is one
//! alert, by its alias, closed when it ends.

use std::collections::BTreeMap;

use pingmon_core::{error::Result, incident::Event, notification::Notification, outcome::Status};
use reqwest::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::Medium,
    request::Request,
    secret::Secret,
    template,
    text::one_line,
    vendor::Vendor,
    wording::{Form, Text, Unit, Wording},
};

/// The limits of an alert, whose texts are read as HTML.
const FORM: Form = Form { title: (Medium::Html, 130), body: (Medium::Html, 15_000), unit: Unit::Utf16, sign: false };
/// Most tags of an alert.
const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
const MAX_TAG: usize = 50;

/// Opens an alert in Opsgenie when an incident opens, and closes it when it ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The key of an API integration.
    api_key: Secret,
    /// Where the API is: "https://api.opsgenie.com" when not given, "https://api.eu.opsgenie.com" in Europe.
    api_url: Option<String>,
    /// Words of one's own, as plain text: the title is the message, the body the description.
    template: Option<template::Config>,
}

pub(crate) struct Opsgenie {
    endpoint: Endpoint,
    wording: Wording,
}

impl Vendor for Opsgenie {
    const NAME: Name = Name::Opsgenie;
    type Config = Config;
    const ALERTS: bool = true;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let key = config.api_key.expose();
        let mut endpoint =
            Endpoint::new(dialer, "api_url", config.api_url.as_deref().unwrap_or("https://api.opsgenie.com"))?;
        endpoint.hide(key);
        let endpoint = endpoint.bear(AUTHORIZATION, &format!("GenieKey {key}"), "api_key")?;
        Ok(Self { endpoint, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let alias = notice.incident.id.to_string();
        if notice.event == Event::Resolved {
            let note = format!("{title}\n{body}");
            let request = Request::json(&json!({ "source": "pingmon", "note": note }));
            return request.at(["v2", "alerts", &alias, "close"]).query("identifierType", "alias");
        }
        let alert = json!({
            "message": title,
            "alias": alias,
            "description": body,
            "entity": one_line(&notice.monitor.name, 500),
            "source": "pingmon",
            "priority": if notice.incident.level == Status::Down { "P1" } else { "P3" },
            "tags": tags(notice),
            "details": details(notice),
        });
        Request::json(&alert).at(["v2", "alerts"])
    }
}

fn tags(notice: &Notification) -> Vec<String> {
    let labels = notice.monitor.labels.iter().take(MAX_TAGS);
    labels.map(|(name, value)| one_line(&format!("{name}={value}"), MAX_TAG - 1)).collect()
}

fn details(notice: &Notification) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("event", notice.event.to_string()),
        ("monitor", notice.monitor.id.to_string()),
        ("kind", one_line(&notice.monitor.kind, 200)),
        ("level", notice.incident.level.to_string()),
        ("failing_since", notice.incident.failing_since.to_string()),
    ])
}
