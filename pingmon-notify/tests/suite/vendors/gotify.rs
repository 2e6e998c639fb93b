//! Gotify: create message (<https://gotify.net/api-docs#/message/createMessage>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CANARY, Checked, Vendor, dead, json, later, need, text};
use crate::receiver::Received;

pub(crate) const VENDOR: Vendor = Vendor {
    kind: "gotify",
    config: |base| json!({ "url": format!("{base}/push"), "token": CANARY }),
    check,
    accepted: (200, r#"{"id": 25, "appid": 5, "message": "m", "date": "2018-02-27T19:36:10Z"}"#),
    refusals: &[
        dead(
            401,
            r#"{"error": "Unauthorized", "errorCode": 401, "errorDescription": "you need to provide a valid access token"}"#,
        ),
        dead(400, r#"{"error": "Bad Request", "errorCode": 400}"#),
        later(503, Some(("retry-after", "7")), "").after(7_000),
    ],
    forbidden: &["\r", "\u{202e}"],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    title: String,
    message: String,
    priority: u8,
    extras: Extras,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extras {
    #[serde(rename = "client::display")]
    display: Value,
    #[serde(rename = "client::notification")]
    notification: Option<Value>,
}

fn check(request: &Received) -> Checked {
    need(request.method == "POST" && request.uri == "/push/message", "the address")?;
    need(request.header("x-gotify-key") == CANARY, "the token")?;
    let message: Message = json(request)?;
    text(&message.title, 250, "a title")?;
    text(&message.message, 4_000, "a message")?;
    need(message.priority <= 10, "a priority")?;
    need(message.extras.display == json!({ "contentType": "text/plain" }), "a message that isn't plain")?;
    let click = message.extras.notification.map(|extra| extra["click"]["url"].is_string());
    need(click.unwrap_or(true), "a click without an address")
}
