//! The `slack` channel: Block Kit through an incoming webhook
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>), or as a bot by `chat.postMessage` and
//! `chat.update`. A bot answers its first message while the incident lasts, and updates it when it ends.

use pingmon_core::{
    error::{Error, Result},
    incident::Event,
    notification::{Notification, Receipt},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

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

/// The limits of a header block and a section block.
const FORM: Form = Form { title: (Medium::Plain, 150), body: (Medium::Mrkdwn, 3_000), unit: Unit::Utf16, sign: true };
/// What says that a message can't be updated, by name: it is written anew then.
const NOT_UPDATABLE: [&str; 4] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "cant_broadcast_message"];
/// What may be answered otherwise the next time, by name.
const RETRYABLE: [&str; 7] = [
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "request_timeout",
    "service_unavailable",
];

/// Posts each notice to a channel of Slack: through an incoming webhook, or as a bot that updates its message when the
/// incident ends.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The URL of an incoming webhook; in its place `bot_token` and `channel` may be given. Is a secret.
    webhook_url: Option<Secret>,
    /// The token of a bot that may `chat:write`: `xoxb-…`.
    bot_token: Option<Secret>,
    /// Where the bot posts: the id of a channel, such as `C024BE91L`.
    channel: Option<String>,
    /// Where the API of bots is: "https://slack.com/api" when not given.
    api_url: Option<String>,
    /// Words of one's own: the title is plain text, the body Slack's mrkdwn.
    template: Option<template::Config>,
}

pub(crate) struct Slack {
    endpoint: Endpoint,
    /// Where a bot posts; a webhook knows that itself.
    channel: Option<String>,
    wording: Wording,
}

impl Slack {
    fn message(&self, notice: &Notification) -> Value {
        let Text { title, body } = self.wording.of(notice);
        let mut message = json!({
            // What notifications of the system show.
            "text": Medium::Mrkdwn.escape(&title),
            "blocks": [
                { "type": "header", "text": { "type": "plain_text", "text": title, "emoji": true } },
                // `verbatim` keeps Slack from making links of what looks like one.
                { "type": "section", "text": { "type": "mrkdwn", "text": body, "verbatim": true } },
            ],
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(channel) = &self.channel {
            message["channel"] = json!(channel);
        }
        message
    }

    /// The message below the incident's first, and in the channel too.
    fn reply(&self, notice: &Notification, channel: &str, ts: &str) -> Request {
        let mut message = self.message(notice);
        message["channel"] = json!(channel);
        message["thread_ts"] = json!(ts);
        message["reply_broadcast"] = json!(true);
        Request::json(&message).at(["chat.postMessage"])
    }

    /// The incident's first message as it reads from now on.
    fn update(&self, notice: &Notification, channel: &str, ts: &str) -> Request {
        let mut message = self.message(notice);
        message["channel"] = json!(channel);
        message["ts"] = json!(ts);
        Request::json(&message).at(["chat.update"])
    }

    /// A message that has nothing to do with one before it.
    fn anew(&self, notice: &Notification) -> Request {
        Request::json(&self.message(notice)).at(["chat.postMessage"])
    }
}

/// The channel and the time stamp of the incident's first message, by which Slack knows it.
fn first(notice: &Notification) -> Option<(&str, &str)> {
    notice.receipt.as_ref()?.as_str().split_once(' ')
}

impl Vendor for Slack {
    const NAME: Name = Name::Slack;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let wording = Wording::new(FORM, config.template)?;
        match (config.webhook_url, config.bot_token, config.channel) {
            (Some(url), None, None) => {
                let endpoint = Endpoint::new(dialer, "webhook_url", url.expose())?;
                Ok(Self { endpoint, channel: None, wording })
            }
            (None, Some(token), Some(channel)) => {
                let api = config.api_url.as_deref().unwrap_or("https://slack.com/api");
                let endpoint = Endpoint::new(dialer, "api_url", api)?.bearer(token.expose(), "bot_token")?;
                Ok(Self { endpoint, channel: Some(channel), wording })
            }
            _ => Err(Error::config("webhook_url", "is to be given, or both bot_token and channel in its place")),
        }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        match first(notice) {
            _ if self.channel.is_none() => Request::json(&self.message(notice)),
            None => self.anew(notice),
            Some((channel, ts)) if notice.event == Event::Resolved => self.update(notice, channel, ts),
            Some((channel, ts)) => self.reply(notice, channel, ts),
        }
    }

    async fn read(&self, notice: &Notification, answer: Answer) -> Result<Reading> {
        if self.channel.is_none() {
            return Ok(Reading::Taken(None));
        }
        let said = answer.json().await;
        if said["ok"] == true {
            let receipt = said["channel"].as_str().zip(said["ts"].as_str());
            return Ok(Reading::Taken(receipt.and_then(|(channel, ts)| Receipt::new(format!("{channel} {ts}")))));
        }
        match said["error"].as_str() {
            Some(error) if notice.event == Event::Resolved && NOT_UPDATABLE.contains(&error) => {
                Ok(Reading::Instead(self.anew(notice)))
            }
            Some(error) => Err(self.endpoint.refusal(error, RETRYABLE.contains(&error))),
            None => Err(self.endpoint.refusal("something that isn't Slack's JSON", true)),
        }
    }
}
