//! The `telegram` channel: a message of a bot (<https://core.telegram.org/bots/api#sendmessage>). Later notices of an
//! incident answer its first.

use pingmon_core::{
    error::{Error, Result},
    notification::{Notification, Receipt},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// A message may have 4,096 characters, title and body together.
const FORM: Form =
    Form { title: (Medium::Telegram, 400), body: (Medium::Telegram, 3_600), unit: Unit::Utf16, sign: true };

/// Writes each notice to a chat of Telegram, as a bot.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The token of the bot, as @BotFather gave it: `123456:ABC…`.
    bot_token: Secret,
    /// Where it writes: the number of a chat, such as -1001234567890, or the name of a channel, such as "@outages".
    chat_id: Chat,
    /// The topic within that chat, by number.
    topic: Option<i64>,
    /// Where the API of bots is: "https://api.telegram.org" when not given.
    api_url: Option<String>,
    /// Words of one's own, in the HTML that Telegram knows: `<b>`, `<i>`, `<code>`, `<a>`.
    template: Option<template::Config>,
}

/// A chat, by number or name.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
enum Chat {
    Number(i64),
    Name(String),
}

pub(crate) struct Telegram {
    endpoint: Endpoint,
    chat: Chat,
    topic: Option<i64>,
    wording: Wording,
}

impl Vendor for Telegram {
    const NAME: Name = Name::Telegram;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let token = config.bot_token.expose();
        if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b)) {
            return Err(Error::config("bot_token", "is no token such as 123456:ABC-DEF"));
        }
        let api = config.api_url.as_deref().unwrap_or("https://api.telegram.org");
        // The address as a whole is a secret, so its parts may not show in an error either.
        let mut endpoint = Endpoint::new(dialer, "api_url", &format!("{}/bot{token}", api.trim_end_matches('/')))?;
        endpoint.hide(token);
        Ok(Self { endpoint, chat: config.chat_id, topic: config.topic, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let mut message = json!({
            "chat_id": self.chat,
            "text": format!("<b>{title}</b>\n{body}"),
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
        });
        if let Some(topic) = self.topic {
            message["message_thread_id"] = json!(topic);
        }
        if let Some(first) = notice.receipt.as_ref().and_then(|receipt| receipt.as_str().parse::<i64>().ok()) {
            message["reply_parameters"] = json!({ "message_id": first, "allow_sending_without_reply": true });
        }
        Request::json(&message).at(["sendMessage"])
    }

    async fn read(&self, _: &Notification, answer: Answer) -> Result<Reading> {
        let id = answer.json().await["result"]["message_id"].as_i64();
        Ok(Reading::Taken(id.and_then(|id| Receipt::new(id.to_string()))))
    }
}
