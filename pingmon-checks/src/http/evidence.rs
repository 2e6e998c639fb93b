//! What is kept of a run that didn't go well, for people who look for the cause. Nothing that was sent, since that may
//! be secret; of URLs the redacted form.

use std::{net::SocketAddr, sync::PoisonError};

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, SERVER, VIA};
use pingmon_core::outcome::Outcome;
use serde_json::{Map, Value, json};
use url::Url;

use super::{answer::Answer, client::Run, document::Document, request::redacted};

/// Most of a body that is kept, in bytes.
const EXCERPT: usize = 2 * 1024;
/// Headers that often explain a failure.
const TELLING: [HeaderName; 6] = [CONTENT_TYPE, CONTENT_LENGTH, LOCATION, RETRY_AFTER, SERVER, VIA];

/// Adds what came back.
pub(super) fn of_answer(answer: &Answer, outcome: Outcome) -> Outcome {
    let mut headers = Map::new();
    for name in TELLING {
        if let Some(value) = answer.headers.get(&name) {
            headers.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into());
        }
    }
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

/// Adds what was tried when nothing came back.
pub(super) fn of_attempt(url: &Url, run: &Run, outcome: Outcome) -> Outcome {
    let addresses = run.addresses.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = if addresses.is_empty() {
        outcome
    } else {
        let port = url.port_or_known_default().unwrap_or_default();
        let tried = addresses.iter().map(|address| SocketAddr::new(address.ip(), port).to_string());
        outcome.evidence("addresses", tried.collect::<Vec<_>>())
    };
    outcome.evidence("url", redacted(url))
}
