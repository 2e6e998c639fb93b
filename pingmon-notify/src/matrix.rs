//! The `matrix` channel: a message to a room, by the Client-Server API
//! (<https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>). The idempotency
//! key is the transaction's, so that a repeat is no second message; an incident is a thread.

use pingmon_core::{
    error::{Error, Result},
    notification::{Notification, Receipt},
};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Name,
    answer::Answer,
    dial::Dialer,
    endpoint::Endpoint,
    medium::Medium,
    request::Request,
    secret::Secret,
    template,
    vendor::{Reading, Vendor},
    wording::{Form, Text, Unit, Wording},
};

/// An event may have 65,536 bytes as JSON, and holds the notice twice.
const FORM: Form = Form { title: (Medium::Plain, 400), body: (Medium::Html, 10_000), unit: Unit::Bytes, sign: true };

/// Writes each notice to a room of Matrix, one thread an incident.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The server of the account: "https://matrix.example".
    homeserver: String,
    /// The room: its id, such as "!abc:matrix.example", which the account has joined.
    room_id: String,
    /// The access token of the account.
    access_token: Secret,
    /// Words of one's own: the title is plain text, the body HTML.
    template: Option<template::Config>,
}

pub(crate) struct Matrix {
    endpoint: Endpoint,
    room: String,
    wording: Wording,
}

impl Vendor for Matrix {
    const NAME: Name = Name::Matrix;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        if !config.room_id.starts_with('!') {
            return Err(Error::config("room_id", "is to be the id of a room, which begins with `!`; an alias is none"));
        }
        let endpoint = Endpoint::new(dialer, "homeserver", &config.homeserver)?;
        let endpoint = endpoint.bearer(config.access_token.expose(), "access_token")?;
        Ok(Self { endpoint, room: config.room_id, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let mut message = json!({
            "msgtype": "m.text",
            "body": format!("{title}\n{}", self.wording.default_body(notice, Medium::Plain)),
            "format": "org.matrix.custom.html",
            "formatted_body": format!("<b>{}</b><br>\n{body}", Medium::Html.escape(&title)),
            // Without it, clients look for names to alert in the text.
            "m.mentions": {},
        });
        if let Some(first) = notice.receipt.as_ref().map(Receipt::as_str) {
            message["m.relates_to"] = json!({
                "rel_type": "m.thread",
                "event_id": first,
                "is_falling_back": true,
                "m.in_reply_to": { "event_id": first },
            });
        }
        let id = notice.id.to_string();
        let path = ["_matrix", "client", "v3", "rooms", &self.room, "send", "m.room.message", &id];
        Request::json(&message).method(Method::PUT).at(path)
    }

    async fn read(&self, _: &Notification, answer: Answer) -> Result<Reading> {
        Ok(Reading::Taken(answer.json().await["event_id"].as_str().and_then(Receipt::new)))
    }
}
