//! Opsgenie: create and close an alert (<https://docs.opsgenie.com/docs/alert-api>).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "opsgenie",
    config: |base| json!({ "api_url": base, "api_key": CANARY }),
    check,
    accepted: (202, r#"{"result": "Request will be processed", "took": 0.302, "requestId": "43a29c5c"}"#),
    refusals: &[
        later(429, Some(("retry-after", "30")), r#"{"message": "You are making too many requests!"}"#).after(30_000),
        dead(403, r#"{"message": "Key format is not valid!", "took": 0.001, "requestId": "r"}"#),
        dead(
            422,
            r#"{"message": "Request body is not processable. Please check the errors.", "errors": {"message": "may not be empty"}}"#,
        ),
        later(503, None, ""),
    ],
    forbidden: &["\r"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    message: String,
    alias: String,
    description: String,
    entity: String,
    source: String,
    priority: String,
    tags: Vec<String>,
    details: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    source: String,
    note: String,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.header("authorization") == format!("GenieKey {CANARY}"), "the key")?;
    if let Some(path) = request.uri.path().strip_prefix("/v2/alerts/") {
        let alias = path.strip_suffix("/close").unwrap_or_default();
        need(alias.len() == 36 && request.uri.query() == Some("identifierType=alias"), "the address")?;
        let close: Close = json(request)?;
        return text(&close.source, 100, "a source").and(text(&close.note, 25_000, "a note"));
    }
    need(request.uri == "/v2/alerts", "the address")?;
    let alert: Alert = json(request)?;
    text(&alert.message, 130, "a message")?;
    text(&alert.alias, 512, "an alias")?;
    text(&alert.description, 15_000, "a description")?;
    // These two are read as HTML.
    let markup = ["<script", "<@U", "<!channel", "http://evil"];
    let holds = |text: &str| markup.iter().any(|markup| text.contains(markup));
    need(!holds(&alert.message) && !holds(&alert.description), "markup that isn't ours")?;
    text(&alert.entity, 512, "an entity")?;
    text(&alert.source, 100, "a source")?;
    need(["P1", "P2", "P3", "P4", "P5"].contains(&alert.priority.as_str()), "a priority")?;
    need(alert.tags.len() <= 20 && alert.tags.iter().all(|tag| tag.chars().count() <= 50), "tags")?;
    let length: usize = alert.details.iter().map(|(name, value)| name.len() + value.len()).sum();
    need(length <= 8_000, "details")
}
