//! Matrix: send a message event (Client-Server API v1.11, `PUT …/rooms/{roomId}/send/{eventType}/{txnId}`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "matrix",
    config: |base| json!({ "homeserver": base, "room_id": "!abc/d:matrix.example", "access_token": CANARY }),
    check,
    accepted: (200, r#"{"event_id": "$YUwRidLecu:example.com"}"#),
    refusals: &[
        later(429, None, r#"{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 2000}"#)
            .after(2_000),
        later(429, Some(("retry-after", "3")), r#"{"errcode": "M_LIMIT_EXCEEDED"}"#).after(3_000),
        dead(401, r#"{"errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised access token"}"#),
        dead(403, r#"{"errcode": "M_FORBIDDEN", "error": "Not in room"}"#),
    ],
    forbidden: &["\r"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    msgtype: String,
    body: String,
    format: String,
    formatted_body: String,
    #[serde(rename = "m.mentions")]
    mentions: Value,
    #[serde(rename = "m.relates_to")]
    relates_to: Option<Relation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relation {
    rel_type: String,
    event_id: String,
    is_falling_back: bool,
    #[serde(rename = "m.in_reply_to")]
    in_reply_to: Value,
}

fn check(request: &Received) -> Checked {
    let path = request.uri.path();
    let transaction = path.strip_prefix("/_matrix/client/v3/rooms/!abc%2Fd:matrix.example/send/m.room.message/");
    need(request.method == "PUT" && transaction.is_some_and(|id| id.len() == 36), "the address")?;
    need(request.header("authorization") == format!("Bearer {CANARY}"), "the token")?;
    need(request.body.len() < 60_000, "an event near or above 65,536 bytes")?;
    let content: Content = json(request)?;
    need(content.msgtype == "m.text" && content.format == "org.matrix.custom.html", "the kind of message")?;
    text(&content.body, 20_000, "a body")?;
    text(&content.formatted_body, 20_000, "a formatted body")?;
    let markup = ["<script", "<@U", "<!channel", "http://evil"];
    need(!markup.iter().any(|markup| content.formatted_body.contains(markup)), "markup that isn't ours")?;
    need(content.mentions == json!({}), "mentions")?;
    match content.relates_to {
        None => Ok(()),
        Some(thread) => need(
            thread.rel_type == "m.thread"
                && thread.event_id == "$YUwRidLecu:example.com"
                && thread.is_falling_back
                && thread.in_reply_to == json!({ "event_id": thread.event_id }),
            "a relation that is no thread",
        ),
    }
}
