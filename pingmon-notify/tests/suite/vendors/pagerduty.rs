//! PagerDuty: Events API v2, alert events (<https://developer.pagerduty.com/docs/send-alert-event>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "pagerduty",
    config: |base| json!({ "api_url": base, "routing_key": format!("{CANARY}{}", "0".repeat(22)) }),
    check,
    accepted: (202, r#"{"status": "success", "message": "Event processed", "dedup_key": "k"}"#),
    refusals: &[
        later(429, None, ""),
        dead(
            400,
            r#"{"status": "invalid event", "message": "Event object is invalid", "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#,
        ),
        later(500, None, ""),
    ],
    // Its details hold the facts as they are, as data.
    forbidden: &[],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    routing_key: String,
    event_action: String,
    dedup_key: String,
    client: String,
    payload: Payload,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    timestamp: String,
    component: String,
    custom_details: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    href: String,
    text: String,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri == "/v2/enqueue", "the address")?;
    need(request.body.len() <= 512 * 1_024, "an event of more than 512 KB")?;
    let event: Event = json(request)?;
    need(event.routing_key.len() == 32 && event.routing_key.starts_with(CANARY), "the routing key")?;
    need(["trigger", "resolve"].contains(&event.event_action.as_str()), "an action")?;
    text(&event.dedup_key, 255, "a dedup key")?;
    text(&event.client, 255, "a client")?;
    text(&event.payload.summary, 1_024, "a summary")?;
    text(&event.payload.source, 255, "a source")?;
    text(&event.payload.component, 255, "a component")?;
    need(["critical", "error", "warning", "info"].contains(&event.payload.severity.as_str()), "a severity")?;
    need(
        event.payload.timestamp.ends_with('Z') && event.payload.custom_details.is_object(),
        "a timestamp, or details",
    )?;
    need(event.links.iter().all(|link| link.href.starts_with("https://") && !link.text.is_empty()), "a link")
}
