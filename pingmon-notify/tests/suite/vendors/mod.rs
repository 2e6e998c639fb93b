//! Every vendor's API as its documentation has it: what a request must look like, to the last field and limit, and what
//! it may be answered. A request that the documentation doesn't know is refused.

mod discord;
mod gotify;
mod matrix;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod pushover;
pub(crate) mod slack;
mod teams;
mod telegram;
mod twilio;

use std::{sync::Arc, time::Duration};

use axum::{http::StatusCode, response::IntoResponse};
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notifier::Notifier,
};
use pingmon_notify::{open, sample};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    notices,
    receiver::{Received, Receiver},
};

/// Marks every secret of a config.
pub(crate) const CANARY: &str = "canary7f3a";

/// What a request is checked for; `Err` says what the documentation doesn't know.
pub(crate) type Checked<T = ()> = std::result::Result<T, String>;

pub(crate) struct Vendor {
    pub(crate) kind: &'static str,
    /// A config whose API is at this address, every secret of which bears the mark.
    pub(crate) config: fn(base: &str) -> Value,
    /// Whether the request is as documented.
    pub(crate) check: fn(&Received) -> Checked,
    /// How the documentation says it is accepted.
    pub(crate) accepted: (u16, &'static str),
    /// How it says that a request is refused.
    pub(crate) refusals: &'static [Refusal],
    /// What may not come in, whatever something is called.
    pub(crate) forbidden: &'static [&'static str],
}

/// A documented refusal.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) header: Option<(&'static str, &'static str)>,
    pub(crate) body: &'static str,
    pub(crate) retryable: bool,
    /// How long to wait, in milliseconds.
    pub(crate) wait: Option<u64>,
}

pub(crate) const fn dead(status: u16, body: &'static str) -> Refusal {
    Refusal { status, header: None, body, retryable: false, wait: None }
}

pub(crate) const fn later(status: u16, header: Option<(&'static str, &'static str)>, body: &'static str) -> Refusal {
    Refusal { status, header, body, retryable: true, wait: None }
}

impl Refusal {
    pub(crate) const fn after(self, millis: u64) -> Self {
        Self { wait: Some(millis), ..self }
    }
}

pub(crate) const ALL: [&Vendor; 13] = [
    &discord::VENDOR,
    &gotify::VENDOR,
    &matrix::VENDOR,
    &mattermost::VENDOR,
    &ntfy::VENDOR,
    &opsgenie::VENDOR,
    &pagerduty::VENDOR,
    &pushover::VENDOR,
    &slack::BOT,
    &slack::WEBHOOK,
    &teams::VENDOR,
    &telegram::VENDOR,
    &twilio::VENDOR,
];

impl Vendor {
    /// A server that accepts what is documented.
    pub(crate) async fn serve(&self) -> Receiver {
        let (check, (status, body)) = (self.check, self.accepted);
        Receiver::answering(move |request| {
            Some(match check(request) {
                Ok(()) => (StatusCode::from_u16(status).unwrap(), body.to_owned()),
                Err(unknown) => (StatusCode::BAD_REQUEST, format!("undocumented: {unknown}")),
            })
        })
        .await
    }

    pub(crate) fn open(&self, receiver: &Receiver) -> Arc<dyn Notifier> {
        open(self.kind, &(self.config)(&receiver.url("")), &DialPolicy::open()).unwrap()
    }
}

/// Refuses what doesn't hold.
pub(crate) fn need(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Refuses an empty text, and one of more than `most` characters.
pub(crate) fn text(text: &str, most: usize, what: &str) -> Checked {
    let length = text.chars().count();
    need((1..=most).contains(&length), &format!("{what} of {length} characters"))
}

/// The body, which is JSON with no field that isn't documented.
pub(crate) fn json<T: DeserializeOwned>(request: &Received) -> Checked<T> {
    need(request.header("content-type").starts_with("application/json"), "a body that isn't called JSON")?;
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

/// The fields of a form.
pub(crate) fn form(request: &Received) -> Checked<Vec<(String, String)>> {
    need(request.header("content-type") == "application/x-www-form-urlencoded", "a body that isn't called a form")?;
    Ok(url::form_urlencoded::parse(&request.body).into_owned().collect())
}

/// What came in as text, whatever carried it: the texts of JSON or of a form, without their escapes.
pub(crate) fn texts(request: &Received) -> String {
    fn walk(value: &Value, texts: &mut String) {
        match value {
            Value::String(text) => *texts += &format!("{text}\n"),
            Value::Array(items) => items.iter().for_each(|item| walk(item, texts)),
            Value::Object(map) => map.values().for_each(|item| walk(item, texts)),
            _ => {}
        }
    }
    let mut texts = String::new();
    match serde_json::from_slice(&request.body) {
        Ok(value) => walk(&value, &mut texts),
        Err(_) => form(request).unwrap().iter().for_each(|(_, value)| texts += &format!("{value}\n")),
    }
    texts
}

#[tokio::test]
async fn every_state_is_sent_as_the_vendor_documents() {
    for vendor in ALL {
        let receiver = vendor.serve().await;
        let channel = vendor.open(&receiver);
        let mut receipt = None;
        for (state, mut notice) in sample::notices("ops", notices::START) {
            notice.receipt = receipt.clone();
            let taken = channel.deliver(&notice).await;
            receipt = receipt.or(taken.unwrap_or_else(|error| panic!("{} {state}: {error}", vendor.kind)));
        }
        assert_eq!(receiver.received().len(), 8, "{}", vendor.kind);
    }
}

#[tokio::test]
async fn every_documented_refusal_is_understood() {
    for vendor in ALL {
        for refusal in vendor.refusals {
            let Refusal { status, header, body, .. } = *refusal;
            let receiver = Receiver::answering(move |_| {
                let answer = (StatusCode::from_u16(status).unwrap(), body);
                Some(match header {
                    Some(header) => ([header], answer).into_response(),
                    None => answer.into_response(),
                })
            })
            .await;
            let sent: Result<_> = vendor.open(&receiver).deliver(&notices::opened()).await;
            let Err(Error::Delivery { reason, retryable, retry_after }) = sent else {
                panic!("{} took {status} {body} for a receipt: {sent:?}", vendor.kind);
            };
            let wait = refusal.wait.map(Duration::from_millis);
            assert_eq!((retryable, retry_after), (refusal.retryable, wait), "{}: {reason}", vendor.kind);
            assert!(!reason.contains(CANARY), "{reason}");
        }
    }
}

#[test]
fn a_preview_shows_what_would_be_sent_and_no_secret() {
    for vendor in ALL {
        let channel = open(vendor.kind, &(vendor.config)("http://127.0.0.1:1"), &DialPolicy::open()).unwrap();
        for (state, notice) in sample::notices("ops", notices::START) {
            let preview = channel.preview(&notice);
            assert!(preview.contains("127.0.0.1:1\n"), "{} {state}: {preview}", vendor.kind);
            assert!(!preview.contains(CANARY), "{} {state}: {preview}", vendor.kind);
        }
    }
}

#[test]
fn a_template_is_taken_by_every_vendor() {
    for vendor in ALL {
        let mut config = (vendor.config)("http://127.0.0.1:1");
        config["template"] = serde_json::json!({ "title": "T-{{ event }}", "body": "B-{{ monitor.name }}" });
        let channel = open(vendor.kind, &config, &DialPolicy::open()).unwrap();
        let preview = channel.preview(&notices::opened());
        assert!(preview.contains("T-opened") && preview.contains("B-shop"), "{}: {preview}", vendor.kind);
        config["template"] = serde_json::json!({ "body": "{{ nothing }}" });
        let error = open(vendor.kind, &config, &DialPolicy::open()).err().unwrap().to_string();
        assert!(error.starts_with("invalid template.body: "), "{}: {error}", vendor.kind);
    }
}
