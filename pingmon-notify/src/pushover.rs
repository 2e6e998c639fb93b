//! The `pushover` channel: a message to a user or group of Pushover (<https://pushover.net/api>).

use pingmon_core::{
    error::{Error, Result},
    incident::Event,
    notification::Notification,
    outcome::Status,
};
use schemars::JsonSchema;
use serde::Deserialize;

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

/// The limits of a message.
const FORM: Form = Form { title: (Medium::Plain, 250), body: (Medium::Html, 1_024), unit: Unit::Utf16, sign: true };
/// Longest address of a message, in bytes.
const MAX_URL: usize = 512;

/// Pushes each notice to a user or group of Pushover.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The API token of the application.
    token: Secret,
    /// The key of the user or group.
    user: Secret,
    /// One device of the user; all of them when not given.
    device: Option<String>,
    /// How urgent a failure is, from -2 to 1: 1 for `down`, 0 for the rest when not given.
    #[schemars(range(min = -2, max = 1))]
    priority: Option<i8>,
    /// Where the API is: "https://api.pushover.net" when not given.
    api_url: Option<String>,
    /// Words of one's own: the title is plain text, the body may hold `<b>`, `<i>`, `<u>`, `<font color>` and `<a>`.
    template: Option<template::Config>,
}

pub(crate) struct Pushover {
    endpoint: Endpoint,
    token: Secret,
    user: Secret,
    device: Option<String>,
    priority: Option<i8>,
    wording: Wording,
}

impl Vendor for Pushover {
    const NAME: Name = Name::Pushover;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        if config.priority.is_some_and(|priority| !(-2..=1).contains(&priority)) {
            return Err(Error::config(
                "priority",
                "is to be from -2 to 1: an emergency wants an acknowledgement there",
            ));
        }
        let api = config.api_url.as_deref().unwrap_or("https://api.pushover.net");
        let mut endpoint = Endpoint::new(dialer, "api_url", api)?;
        endpoint.hide(config.token.expose());
        endpoint.hide(config.user.expose());
        let Config { token, user, device, priority, .. } = config;
        Ok(Self { endpoint, token, user, device, priority, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let gravest = notice.gravest();
        let priority = match (gravest.event, gravest.incident.level) {
            (Event::Resolved, _) => 0,
            (_, Status::Down) => self.priority.unwrap_or(1),
            _ => self.priority.unwrap_or(0),
        };
        let (priority, timestamp) = (priority.to_string(), (notice.at.as_micros() / 1_000_000).to_string());
        let mut fields = vec![
            ("token", self.token.expose()),
            ("user", self.user.expose()),
            ("title", &title),
            ("message", &body),
            ("html", "1"),
            ("priority", &priority),
            ("timestamp", &timestamp),
        ];
        fields.extend(self.device.as_deref().map(|device| ("device", device)));
        let link = notice.links.iter().find_map(|link| Some((caption(&link.text), web(&link.url)?)));
        if let Some((text, url)) = link.as_ref().filter(|(_, url)| url.len() <= MAX_URL) {
            fields.extend([("url", url.as_str()), ("url_title", text.as_str())]);
        }
        Request::form(fields).at(["1", "messages.json"])
    }
}
