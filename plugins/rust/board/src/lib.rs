//! A board that people look at: one card an incident, which is moved when the incident ends.

use pingmon_plugin::{
    Info, http,
    notifier::{Context, Failure, Notice, Notifier, Result},
    secret,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Board {
    url: String,
    column: String,
}

#[derive(Deserialize)]
struct Card {
    id: String,
}

impl Notifier for Board {
    const INFO: Info = Info::new("board", env!("CARGO_PKG_VERSION"), "Keeps a card for each incident on a board.")
        .config_schema(
            r#"{
                "type": "object",
                "properties": {
                    "url": { "type": "string", "pattern": "^https?://", "description": "The board's API." },
                    "column": { "type": "string", "minLength": 1, "description": "Where a card is put." }
                },
                "required": ["url", "column"],
                "additionalProperties": false
            }"#,
        )
        .wants_http("to reach the board")
        .wants_secrets("TOKEN lets it write there");

    fn send(&self, notice: &Notice, _: &Context) -> Result {
        let facts: Value = serde_json::from_str(&notice.facts)?;
        let card = json!({
            "card": notice.receipt,
            "column": if notice.event == "resolved" { "done" } else { &self.column },
            "title": notice.headline,
            "monitor": facts["monitor"]["name"],
            "key": notice.idempotency_key,
        });
        let mut answer = http::fetch(&http::Request {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers: vec![
                http::header("content-type", "application/json"),
                http::header("authorization", &format!("Bearer {}", secret::get("TOKEN")?)),
            ],
            body: card.to_string().into_bytes(),
            redirects: 0,
        })?;
        answer.accepted()?;
        // The card's id comes back with the later notices of the incident.
        let card: Card = answer.json().map_err(|_| Failure::refused("the board's answer has no id of a card"))?;
        Ok(Some(card.id))
    }
}

pingmon_plugin::export_notifier!(Board);
