//! The `twilio` channel: SMS by the Messages resource of Twilio
//! (<https://www.twilio.com/docs/messaging/api/message-resource>).

use pingmon_core::{
    error::{Error, Result},
    notification::Notification,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    medium::Medium,
    request::Request,
    secret::Secret,
    template,
    vendor::Vendor,
    wording::{Form, Text, Unit, Wording},
};

/// A message may have 1,600 characters, and is paid for by the piece: 153 of them, or 67 when one isn't in GSM-7.
const FORM: Form = Form { title: (Medium::Plain, 140), body: (Medium::Plain, 320), unit: Unit::Utf16, sign: false };

/// Sends each notice as SMS through Twilio.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The SID of the account: `AC…`.
    account_sid: String,
    /// The auth token of the account.
    auth_token: Secret,
    /// The sender: a number such as "+15005550006", or the SID of a messaging service: `MG…`.
    from: String,
    /// The receiver's number, such as "+15005550010". For another receiver, write another notifier.
    to: String,
    /// Where the API is: "https://api.twilio.com" when not given.
    api_url: Option<String>,
    /// Words of one's own, as plain text; title and body are sent as one text.
    template: Option<template::Config>,
}

pub(crate) struct Twilio {
    endpoint: Endpoint,
    account: String,
    from: String,
    to: String,
    wording: Wording,
}

impl Vendor for Twilio {
    const NAME: Name = Name::Twilio;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let Config { account_sid, auth_token, from, to, .. } = config;
        if !account_sid.starts_with("AC") || !account_sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::config("account_sid", "is to be the SID of an account, which begins with AC"));
        }
        if !to.starts_with('+') || !to[1..].bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::config("to", "is to be a number such as +15005550010"));
        }
        let endpoint = Endpoint::new(dialer, "api_url", config.api_url.as_deref().unwrap_or("https://api.twilio.com"))?;
        let endpoint = endpoint.basic(&account_sid, auth_token.expose(), "auth_token")?;
        Ok(Self { endpoint, account: account_sid, from, to, wording: Wording::new(FORM, config.template)? })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn request(&self, notice: &Notification) -> Request {
        let Text { title, body } = self.wording.of(notice);
        let text = format!("{title}\n{body}");
        let sender = if self.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let fields = [("To", self.to.as_str()), (sender, &self.from), ("Body", &text)];
        Request::form(fields).at(["2010-04-01", "Accounts", &self.account, "Messages.json"])
    }
}
