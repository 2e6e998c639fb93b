//! What is kept of a run that didn't go well, for people who look for the cause: the head of the answer and the beginning
//! of its body. Nothing that was sent and no secret that is called one; of URLs the redacted form.

use hyper::header::LOCATION;
use pingmon_core::outcome::Outcome;
use serde_json::{Map, Value, json};
use url::Url;

use super::{answer::Answer, document::Document, redact::Redactor, request::url::redacted, run::Run};

/// Most of a body that is kept, in bytes.
const EXCERPT: usize = 2 * 1024;
/// Most headers that are kept, and most of each, in characters.
const MAX_HEADERS: usize = 48;
const MAX_VALUE: usize = 256;

/// Adds what came back.
pub(super) fn of_answer(answer: &Answer, redactor: &Redactor, outcome: Outcome) -> Outcome {
    let mut headers = head(answer, redactor);
    if let Some(Value::String(location)) = headers.get_mut(LOCATION.as_str())
        && let Ok(url) = answer.url.join(location)
    {
        *location = redacted(&url);
    }
    let mut outcome = outcome;
    if let Some(address) = answer.address {
        outcome = outcome.evidence("address", address.to_string());
    }
    if let Some(tls) = &answer.tls {
        outcome = outcome.evidence("tls", json!({ "version": tls.version, "cipher": tls.cipher }));
    }
    if !answer.redirects.is_empty() {
        let followed = answer
            .redirects
            .iter()
            .map(|hop| json!({ "status": hop.status.as_u16(), "from": redacted(&hop.from), "to": redacted(&hop.to) }));
        outcome = outcome.evidence("redirects", followed.collect::<Vec<_>>());
    }
    outcome
        .evidence("url", redacted(&answer.url))
        .evidence("protocol", format!("{:?}", answer.version))
        .evidence("size", json!({ "received": answer.received, "decoded": answer.body.len() }))
        .evidence("status", answer.status.as_u16())
        .evidence("headers", headers)
        .evidence("body", Document::new(answer).excerpt(EXCERPT))
}

/// The headers of an answer; of those that come again, all values.
fn head(answer: &Answer, redactor: &Redactor) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in answer.headers.keys().take(MAX_HEADERS) {
        let values = answer.headers.get_all(name).iter().map(|value| redactor.header(name, value));
        let values: Vec<_> = values.collect();
        headers.insert(name.to_string(), values.join(", ").chars().take(MAX_VALUE).collect::<String>().into());
    }
    headers
}

/// Adds what was tried when nothing came back.
pub(super) fn of_attempt(url: &Url, run: &Run, outcome: Outcome) -> Outcome {
    let outcome = if run.addresses.is_empty() {
        outcome
    } else {
        let tried = run.addresses.iter().map(ToString::to_string);
        outcome.evidence("addresses", tried.collect::<Vec<_>>())
    };
    let url = run.redirects.last().map_or(url, |redirect| &redirect.to);
    outcome.evidence("url", redacted(url))
}
