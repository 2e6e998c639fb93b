//! The `ntfy` channel: publishes JSON to a topic (<https://docs.ntfy.sh/publish/#publish-as-json>).

use pingmon_core::{
    error::{Error, Result},
    incident::Event,
    notification::Notification,
    outcome::Status,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::{Medium, caption, web},
    request::Request,
    secret::Secret,
    template,
    vendor::Vendor,
    wording::{Form, Text, Unit, Wording},
};

/// A longer message becomes an attachment. The sign of the state is a tag.
const FORM: Form = Form { title: (Medium::Plain, 250), body: (Medium::Plain, 4_000), unit: Unit::Bytes, sign: false };
/// Most buttons of a message.
const MAX_ACTIONS: usize = 3;

/// Publishes each notice to a topic of ntfy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The topic; who knows its name can read it, unless the server protects it.
    topic: String,
    /// The server: "https://ntfy.sh" when not given.
    server: Option<String>,
    /// An access token: `tk_…`.
    token: Option<Secret>,
    /// In place of a token: the name of a user ...
    username: Option<String>,
    /// ... and the password.
    password: Option<Secret>,
    /// How urgent a failure is, from 1 to 5: 5 for `down`, 3 for the rest when not given.
    #[schemars(range(min = 1, max = 5))]
    priority: Option<u8>,
    /// Words of one's own, as plain text.
    template: Option<template::Config>,
}

pub(crate) struct Ntfy {
    endpoint: Endpoint,
    topic: String,
    priority: Option<u8>,
    wording: Wording,
}

impl Vendor for Ntfy {
    const NAME: Name = Name::Ntfy;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if config.topic.is_empty() || config.topic.len() > 64 || !config.topic.chars().all(good) {
            return Err(Error::config("topic", "is to have 1 to 64 letters, digits, `_` and `-`"));
        }
        if config.priority.is_some_and(|priority| !(1..=5).contains(&priority)) {
            return Err(Error::config("priority", "is to be from 1 to 5"));
        }
        let endpoint = Endpoint::new(dialer, "server", config.server.as_deref().unwrap_or("https://ntfy.sh"))?;
        let endpoint = match (config.token, config.username, config.password) {
            (None, None, None) => endpoint,
            (Some(token), None, None) => endpoint.bearer(token.expose(), "token")?,
            (None, Some(name), Some(password)) => endpoint.basic(&name, password.expose(), "password")?,
            _ => return Err(Error::config("token", "is to be given alone, or username and password in its place")),
        };
        let wording = Wording::new(FORM, config.template)?;
        Ok(Self { endpoint, topic: config.topic, priority: config.priority, wording })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let gravest = notice.gravest();
        let (tag, priority) = match (gravest.event, gravest.incident.level) {
            (Event::Resolved, _) => ("white_check_mark", 3),
            (_, Status::Down) => ("rotating_light", self.priority.unwrap_or(5)),
            _ => ("warning", self.priority.unwrap_or(3)),
        };
        let mut message =
            json!({ "topic": self.topic, "title": title, "message": body, "tags": [tag], "priority": priority });
        let links = notice.links.iter().filter_map(|link| Some((&link.text, web(&link.url)?))).take(MAX_ACTIONS);
        let actions: Vec<_> =
            links.map(|(text, url)| json!({ "action": "view", "label": caption(text), "url": url })).collect();
        if let Some(first) = actions.first() {
            message["click"] = first["url"].clone();
            message["actions"] = Value::Array(actions);
        }
        Request::json(&message)
    }
}
