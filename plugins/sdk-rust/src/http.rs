//! Requests. Each origin has to be granted, redirects included.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    Error, Fault, Status,
    bindings::pingmon::check::{
        http::{self, Body},
        types::Phase,
    },
    notifier::Failure,
};

pub use http::{Header, Request};

/// Most bytes of a body that are read unless something else is said.
pub const MAX_BODY: usize = 1024 * 1024;
/// Most redirects that [`get`] follows.
const REDIRECTS: u8 = 10;

/// An answer of which the head has come.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// What was asked for in the end.
    pub url: String,
    /// The headers, names in lower case.
    pub headers: Vec<Header>,
    /// Where the time went.
    pub phases: Vec<Phase>,
    body: Body,
}

/// A header of a request.
pub fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

/// Asks for a URL.
///
/// # Errors
/// When no answer comes, or when it isn't granted.
pub fn get(url: &str) -> Result<Response, Fault> {
    let (method, url) = ("GET".to_owned(), url.to_owned());
    fetch(&Request { method, url, headers: Vec::new(), body: Vec::new(), redirects: REDIRECTS })
}

/// Posts a body.
///
/// # Errors
/// When no answer comes, or when it isn't granted.
pub fn post(url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Response, Fault> {
    let (method, url, headers) = ("POST".to_owned(), url.to_owned(), vec![header("content-type", content_type)]);
    fetch(&Request { method, url, headers, body: body.into(), redirects: 0 })
}

/// Sends a request.
///
/// # Errors
/// When no answer comes, or when it isn't granted.
pub fn fetch(request: &Request) -> Result<Response, Fault> {
    let http::Response { status, url, headers, phases, body } = http::fetch(request)?;
    Ok(Response { status, url, headers, phases, body })
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
    }

    /// Whether a receiver took what it was sent: any 2xx. 408, 425, 429 and 5xx are worth another attempt, not before the
    /// `retry-after` in seconds that it asked for.
    ///
    /// # Errors
    /// When it didn't.
    pub fn accepted(&self) -> Result<(), Failure> {
        let reason = format!("status {}", self.status);
        match self.status {
            200..300 => Ok(()),
            408 | 425 | 429 | 500.. => {
                let wait = self.header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
                let failure = Failure::retryable(reason);
                Err(match wait {
                    Some(seconds) => failure.after(Duration::from_secs(seconds)),
                    None => failure,
                })
            }
            _ => Err(Failure::refused(reason)),
        }
    }

    /// The next piece of the body; empty at its end.
    ///
    /// # Errors
    /// When the rest can't be had.
    pub fn read(&mut self) -> Result<Vec<u8>, Fault> {
        self.body.read()
    }

    /// The whole body.
    ///
    /// # Errors
    /// When it can't be had, or is larger than [`MAX_BODY`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        loop {
            let piece = self.read()?;
            if piece.is_empty() {
                return Ok(whole);
            }
            if whole.len() + piece.len() > MAX_BODY {
                let message = format!("the body has more than {MAX_BODY} bytes");
                return Err(Fault { status: Status::Down, kind: "response_too_large".to_owned(), message });
            }
            whole.extend(piece);
        }
    }

    /// The body as JSON. One that isn't JSON is the target's fault.
    ///
    /// # Errors
    /// When it can't be had, is too large, or isn't such JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let body = self.bytes()?;
        serde_json::from_slice(&body).map_err(|error| {
            let message = format!("the body isn't the expected JSON: {error}");
            Error::Fault(Fault { status: Status::Down, kind: "invalid_body".to_owned(), message })
        })
    }
}
