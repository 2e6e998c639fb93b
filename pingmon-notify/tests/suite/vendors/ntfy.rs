//! ntfy: publish as JSON (<https://docs.ntfy.sh/publish/#publish-as-json>).

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "ntfy",
    config: |base| json!({ "server": base, "topic": "outages-1", "token": CANARY }),
    check,
    accepted: (200, r#"{"id": "xE73Iyuabi", "time": 1673542291, "event": "message", "topic": "outages-1"}"#),
    refusals: &[
        later(429, None, r#"{"code": 42901, "http": 429, "error": "limit reached: too many requests"}"#),
        dead(403, r#"{"code": 40301, "http": 403, "error": "forbidden"}"#),
        dead(413, r#"{"code": 41301, "http": 413, "error": "attachment too large"}"#),
        later(507, None, r#"{"code": 50701, "http": 507, "error": "cannot publish to UnifiedPush topic"}"#),
    ],
    forbidden: &["\r", "\u{202e}"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    topic: String,
    title: String,
    message: String,
    tags: Vec<String>,
    priority: u8,
    click: Option<String>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    action: String,
    label: String,
    url: String,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri == "/", "the address: JSON goes to the root")?;
    need(request.header("authorization") == format!("Bearer {CANARY}"), "the token")?;
    let message: Message = json(request)?;
    need(message.topic == "outages-1", "the topic")?;
    need((1..=4_096).contains(&message.message.len()), "a message that becomes an attachment")?;
    need(!message.title.is_empty() && message.title.len() <= 250, "a title")?;
    need((1..=5).contains(&message.priority) && message.tags.len() == 1, "a priority, or tags")?;
    let web = |url: &String| url.starts_with("https://");
    need(message.click.as_ref().is_none_or(web) && message.actions.len() <= 3, "a click, or more than three actions")?;
    let good = |action: &Action| action.action == "view" && !action.label.is_empty() && web(&action.url);
    need(message.actions.iter().all(good), "an action")
}
