//! The `discord` channel: an embed to a webhook of a Discord channel
//! (<https://discord.com/developers/docs/resources/webhook#execute-webhook>).

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

/// The limits of an embed, which may have 6,000 characters in all.
const FORM: Form =
    Form { title: (Medium::Markdown, 256), body: (Medium::Markdown, 4_096), unit: Unit::Utf16, sign: true };

/// Posts each notice to a channel of Discord, through a webhook.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The URL of the webhook: channel settings, Integrations, Webhooks. Is a secret.
    webhook_url: Secret,
    /// Words of one's own, in Discord's Markdown.
    template: Option<template::Config>,
}

pub(crate) struct Discord {
    endpoint: Endpoint,
    wording: Wording,
}

impl Vendor for Discord {
    const NAME: Name = Name::Discord;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let endpoint = Endpoint::new(dialer, "webhook_url", config.webhook_url.expose())?;
        Ok(Self { endpoint, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        Request::json(&json!({
            "embeds": [{
                "title": title,
                "description": body,
                "color": wording::colour(notice),
                "timestamp": notice.at,
            }],
            "allowed_mentions": { "parse": [] },
        }))
    }
}
