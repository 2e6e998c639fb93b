//! Discord: execute webhook (<https://discord.com/developers/docs/resources/webhook#execute-webhook>).

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "discord",
    config: |base| json!({ "webhook_url": format!("{base}/api/webhooks/11/{CANARY}") }),
    check,
    accepted: (204, ""),
    refusals: &[
        later(429, Some(("retry-after", "2")), r#"{"message": "You are being rate limited.", "retry_after": 1.336}"#)
            .after(2_000),
        later(429, None, r#"{"message": "You are being rate limited.", "retry_after": 0.5, "global": true}"#)
            .after(500),
        dead(404, r#"{"message": "Unknown Webhook", "code": 10015}"#),
        dead(400, r#"{"embeds": ["0"]}"#),
        later(502, None, ""),
    ],
    forbidden: &["@everyone", "@U0", "](http://", "http://evil", "www.evil", "<script>"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    embeds: Vec<Embed>,
    allowed_mentions: AllowedMentions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    title: String,
    description: String,
    color: u32,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowedMentions {
    parse: Vec<String>,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri.path() == format!("/api/webhooks/11/{CANARY}"), "the address")?;
    let message: Message = json(request)?;
    need((1..=10).contains(&message.embeds.len()), "the number of embeds")?;
    need(message.allowed_mentions.parse.is_empty(), "mentions")?;
    let mut total = 0;
    for embed in &message.embeds {
        text(&embed.title, 256, "a title")?;
        text(&embed.description, 4_096, "a description")?;
        need(embed.color <= 0x00ff_ffff, "a colour")?;
        need(embed.timestamp.len() == 27 && embed.timestamp.ends_with('Z'), "a timestamp that isn't ISO 8601")?;
        total += embed.title.chars().count() + embed.description.chars().count();
    }
    need(total <= 6_000, "embeds of more than 6,000 characters")
}
