//! The `mattermost` channel: a message attachment to an incoming webhook
//! (<https://developers.mattermost.com/integrate/webhooks/incoming/>).

use pingmon_core::{error::Result, notification::Notification};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::Medium,
    request::Request,
    secret::Secret,
    template,
    vendor::Vendor,
    wording::{self, Form, Text, Unit, Wording},
};

/// A post of Mattermost may have 16,383 characters, fewer on old servers.
const FORM: Form = Form { title: (Medium::Plain, 200), body: (Medium::Markdown, 3_500), unit: Unit::Utf16, sign: true };

/// Posts each notice to a channel of Mattermost, through an incoming webhook.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The URL of the webhook: Integrations, Incoming Webhooks. Is a secret.
    webhook_url: Secret,
    /// Another channel than the webhook's, by the name in its address.
    channel: Option<String>,
    /// Words of one's own: the title is plain text, the body Markdown.
    template: Option<template::Config>,
}

pub(crate) struct Mattermost {
    endpoint: Endpoint,
    channel: Option<String>,
    wording: Wording,
}

impl Vendor for Mattermost {
    const NAME: Name = Name::Mattermost;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let endpoint = Endpoint::new(dialer, "webhook_url", config.webhook_url.expose())?;
        Ok(Self { endpoint, channel: config.channel, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let mut message = json!({
            "attachments": [{
                // What notifications of the system show, and those who can't show attachments. It is Markdown.
                "fallback": Medium::Markdown.escape(&title),
                "color": format!("#{:06x}", wording::colour(notice)),
                "title": Medium::Markdown.escape(&title),
                "text": body,
            }],
        });
        if let Some(channel) = &self.channel {
            message["channel"] = json!(channel);
        }
        Request::json(&message)
    }
}
