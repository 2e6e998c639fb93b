//! Mattermost: incoming webhook and message attachments
//! (<https://developers.mattermost.com/integrate/reference/message-attachments>).

use serde::Deserialize;
use serde_json::json;

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "mattermost",
    config: |base| json!({ "webhook_url": format!("{base}/hooks/{CANARY}"), "channel": "town-square" }),
    check,
    accepted: (200, "ok"),
    refusals: &[
        dead(
            400,
            r#"{"id": "web.incoming_webhook.parse.app_error", "message": "Unable to parse incoming data.", "status_code": 400}"#,
        ),
        dead(404, r#"{"message": "Invalid webhook.", "status_code": 404}"#),
        later(429, None, "limit exceeded"),
    ],
    forbidden: &["@everyone", "@U0", "@channel", "](http://", "http://evil", "www.evil", " <script>"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    channel: String,
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attachment {
    fallback: String,
    color: String,
    title: String,
    text: String,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri.path() == format!("/hooks/{CANARY}"), "the address")?;
    let message: Message = json(request)?;
    need(message.channel == "town-square" && message.attachments.len() == 1, "the channel or the attachments")?;
    for attachment in &message.attachments {
        text(&attachment.fallback, 1_000, "a fallback")?;
        text(&attachment.title, 1_000, "a title")?;
        text(&attachment.text, 16_383, "a text")?;
        let colour =
            attachment.color.strip_prefix('#').map(|hex| u32::from_str_radix(hex, 16).is_ok() && hex.len() == 6);
        need(colour == Some(true), "a colour that isn't hexadecimal")?;
    }
    Ok(())
}
