//! The `gotify` channel: a message of an application to a Gotify server (<https://gotify.net/api-docs>).

use pingmon_core::{
    error::{Error, Result},
    incident::Event,
    notification::Notification,
    outcome::Status,
};
use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::{Medium, web},
    request::Request,
    secret::Secret,
    template,
    vendor::Vendor,
    wording::{Form, Text, Unit, Wording},
};

/// A server takes more, a telephone shows less.
const FORM: Form = Form { title: (Medium::Plain, 250), body: (Medium::Plain, 4_000), unit: Unit::Utf16, sign: true };
const X_GOTIFY_KEY: HeaderName = HeaderName::from_static("x-gotify-key");

/// Pushes each notice through a Gotify server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The server, such as "https://gotify.example".
    url: String,
    /// The token of an application.
    token: Secret,
    /// How urgent a failure is, from 0 to 10: 8 for `down`, 5 for the rest when not given.
    #[schemars(range(min = 0, max = 10))]
    priority: Option<u8>,
    /// Words of one's own, as plain text.
    template: Option<template::Config>,
}

pub(crate) struct Gotify {
    endpoint: Endpoint,
    priority: Option<u8>,
    wording: Wording,
}

impl Vendor for Gotify {
    const NAME: Name = Name::Gotify;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        if config.priority.is_some_and(|priority| priority > 10) {
            return Err(Error::config("priority", "is to be from 0 to 10"));
        }
        let mut endpoint = Endpoint::new(dialer, "url", &config.url)?;
        endpoint.hide(config.token.expose());
        let endpoint = endpoint.bear(X_GOTIFY_KEY, config.token.expose(), "token")?;
        Ok(Self { endpoint, priority: config.priority, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let gravest = notice.gravest();
        let priority = match (gravest.event, gravest.incident.level) {
            (Event::Resolved, _) => 5,
            (_, Status::Down) => self.priority.unwrap_or(8),
            _ => self.priority.unwrap_or(5),
        };
        let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
        if let Some(url) = notice.links.iter().find_map(|link| web(&link.url)) {
            extras["client::notification"] = json!({ "click": { "url": url } });
        }
        let message = json!({ "title": title, "message": body, "priority": priority, "extras": extras });
        Request::json(&message).at(["message"])
    }
}
