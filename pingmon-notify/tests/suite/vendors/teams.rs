//! Microsoft Teams: an Adaptive Card to a workflow's webhook; the card by the schema of Adaptive Cards 1.4.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "teams",
    config: |base| json!({ "webhook_url": format!("{base}/workflows/0a/triggers/manual/paths/invoke?sig={CANARY}") }),
    check,
    accepted: (202, ""),
    refusals: &[
        later(429, Some(("retry-after", "5")), "").after(5_000),
        dead(400, r#"{"error": {"code": "TriggerInputSchemaMismatch", "message": "schema validation failed"}}"#),
        dead(401, r#"{"error": {"code": "DirectApiAuthorizationRequired"}}"#),
        dead(413, ""),
        later(502, None, r#"{"error": {"code": "NoResponse"}}"#),
    ],
    forbidden: &["@everyone", "@U0", "](http://", "http://evil", "www.evil", " <script>"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    r#type: String,
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Attachment {
    content_type: String,
    content_url: Value,
    content: Card,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    #[serde(rename = "$schema")]
    schema: String,
    r#type: String,
    version: String,
    msteams: Value,
    body: Vec<TextBlock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextBlock {
    r#type: String,
    text: String,
    size: Option<String>,
    weight: Option<String>,
    color: Option<String>,
    spacing: Option<String>,
    wrap: bool,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri.query() == Some(&format!("sig={CANARY}")), "the address")?;
    need(request.body.len() <= 28 * 1_024, &format!("a message of {} bytes", request.body.len()))?;
    let message: Message = json(request)?;
    need(message.r#type == "message" && message.attachments.len() == 1, "the kind of message")?;
    let attachment = &message.attachments[0];
    need(attachment.content_type == "application/vnd.microsoft.card.adaptive", "the kind of attachment")?;
    need(attachment.content_url.is_null(), "an address of the card")?;
    let card = &attachment.content;
    need(card.schema == "http://adaptivecards.io/schemas/adaptive-card.json", "the schema")?;
    need(
        card.r#type == "AdaptiveCard" && card.version == "1.4" && card.msteams == json!({ "width": "Full" }),
        "the card",
    )?;
    for block in &card.body {
        need(block.r#type == "TextBlock" && block.wrap, "a block")?;
        text(&block.text, 10_000, "a block")?;
        let one_of =
            |value: &Option<String>, known: &[&str]| value.as_deref().is_none_or(|value| known.contains(&value));
        need(one_of(&block.size, &["Small", "Default", "Medium", "Large", "ExtraLarge"]), "a size")?;
        need(one_of(&block.weight, &["Lighter", "Default", "Bolder"]), "a weight")?;
        need(
            one_of(&block.color, &["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]),
            "a colour",
        )?;
        need(one_of(&block.spacing, &["None", "Small", "Default", "Medium", "Large", "Padding"]), "a spacing")?;
    }
    Ok(())
}
