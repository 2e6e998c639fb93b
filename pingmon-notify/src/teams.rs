//! The `teams` channel: an Adaptive Card to a workflow of Microsoft Teams
//! (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>).

use pingmon_core::{error::Result, incident::Event, notification::Notification, outcome::Status};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

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

/// A card may have 28 KB as JSON, which may double a text.
const FORM: Form =
    Form { title: (Medium::Markdown, 1_000), body: (Medium::Markdown, 10_000), unit: Unit::Bytes, sign: true };

/// Posts each notice as a card to a channel or chat of Microsoft Teams, through a workflow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The URL of a workflow that begins "When a Teams webhook request is received". Is a secret.
    webhook_url: Secret,
    /// Words of one's own, in the Markdown of Adaptive Cards.
    template: Option<template::Config>,
}

pub(crate) struct Teams {
    endpoint: Endpoint,
    wording: Wording,
}

impl Vendor for Teams {
    const NAME: Name = Name::Teams;
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
        let mut blocks = vec![json!({
            "type": "TextBlock",
            "text": title,
            "size": "Large",
            "weight": "Bolder",
            "color": colour(notice),
            "wrap": true,
        })];
        // Within one block Teams would run the lines together.
        let lines = body.lines().filter(|line| !line.trim().is_empty());
        blocks.extend(lines.map(|line| json!({ "type": "TextBlock", "text": line, "wrap": true, "spacing": "None" })));
        Request::json(&json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": Value::Null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": { "width": "Full" },
                    "body": blocks,
                },
            }],
        }))
    }
}

/// The colour of the state, of those that cards have.
fn colour(notice: &Notification) -> &'static str {
    let gravest = notice.gravest();
    match (gravest.event, gravest.incident.level) {
        (Event::Resolved, _) => "Good",
        (_, Status::Down) => "Attention",
        (_, Status::Degraded) => "Warning",
        (_, Status::Up | Status::Unknown) => "Default",
    }
}
