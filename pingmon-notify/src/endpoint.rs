//! The address that a channel sends its requests to, and what becomes of one. What is sent is the channels' business.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use pingmon_core::{
    error::{Error, Result},
    time::{Clock, Span, SystemClock},
};
use reqwest::{
    Client, Response,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::{
    answer::{self, Answer},
    client::client,
    dial::Dialer,
    kind::TIMEOUTS,
    request::Request,
    secret::Secret,
    text::one_line,
};

/// Longest URL, in bytes.
const MAX_URL: usize = 2_048;
/// How much of a refusal an error repeats, in characters.
const MAX_REASON: usize = 300;
/// Shorter parts of a URL are words, not secrets.
const MIN_TOKEN: usize = 8;

/// Where requests go. Errors name its host and port only: the rest of the URL may be a secret.
#[derive(Clone)]
pub(crate) struct Endpoint {
    client: Client,
    url: Url,
    host: String,
    headers: HeaderMap,
    timeout: Duration,
    hidden: Vec<Secret>,
    clock: Arc<dyn Clock>,
}

impl Endpoint {
    /// The address that `field` of a config holds.
    ///
    /// # Errors
    /// [`Error::Config`] for the field, without repeating what it holds.
    pub(crate) fn new(dialer: &Dialer, field: &str, url: &str) -> Result<Self> {
        let url = parse(field, url)?;
        let client = client(dialer, field, &url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let hidden = tokens(&url).map(Secret::from).collect();
        let (headers, timeout, clock) = (HeaderMap::new(), Duration::from_secs(10), Arc::new(SystemClock));
        Ok(Self { client, url, host, headers, timeout, hidden, clock })
    }

    /// Sets how long an answer may take; 10 s unless set.
    ///
    /// # Errors
    /// [`Error::Config`] when it isn't from 1 ms to 30 s.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Result<Self> {
        Span(timeout).within("timeout", TIMEOUTS)?;
        self.timeout = timeout;
        Ok(self)
    }

    /// Sets the clock that dates in answers are compared with; the wall clock unless set.
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Has every request bear a header whose value is a secret or holds the secret that `field` of the config does.
    ///
    /// # Errors
    /// [`Error::Config`] for the field when it can't be in a header.
    pub(crate) fn bear(mut self, name: HeaderName, value: &str, field: &str) -> Result<Self> {
        let Ok(mut value) = HeaderValue::try_from(value) else {
            return Err(Error::config(field, "holds characters that a header can't"));
        };
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Has every request bear a name and a password, which `field` of the config holds.
    ///
    /// # Errors
    /// As [`bear`](Self::bear).
    pub(crate) fn basic(mut self, name: &str, password: &str, field: &str) -> Result<Self> {
        let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
        self.hide(&credentials);
        self.hide(password);
        self.bear(AUTHORIZATION, &format!("Basic {credentials}"), field)
    }

    /// Has every request bear a token, which `field` of the config holds.
    ///
    /// # Errors
    /// As [`bear`](Self::bear).
    pub(crate) fn bearer(mut self, token: &str, field: &str) -> Result<Self> {
        self.hide(token);
        self.bear(AUTHORIZATION, &format!("Bearer {token}"), field)
    }

    /// Adds a secret that no error may repeat, even if the far end echoes it.
    pub(crate) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.hidden.push(secret.into());
        }
    }

    /// Sends once. `Ok` means that the far end answered with a 2xx status.
    ///
    /// # Errors
    /// [`Error::Delivery`]. No answer, 408, 425, 429 and 5xx are worth another attempt; other answers are final.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        let mut headers = self.headers.clone();
        headers.extend(request.headers.clone());
        let sent = self.client.request(request.method.clone(), request.url(&self.url)).timeout(self.timeout);
        let sent = sent.headers(headers).body(request.body.clone()).send().await;
        let response = sent.map_err(|error| self.unanswered(&error))?;
        if response.status().is_success() {
            return Ok(Answer::new(response));
        }
        Err(self.refused(response).await)
    }

    /// A refusal that the far end put into an answer of status 2xx.
    pub(crate) fn refusal(&self, said: &str, retryable: bool) -> Error {
        let said = one_line(&self.without_secrets(said), MAX_REASON);
        Error::Delivery { reason: format!("{} answered {said}", self.host), retryable, retry_after: None }
    }

    /// The request for people to read, without secrets.
    pub(crate) fn shown(&self, request: &Request) -> String {
        let mut request = request.clone();
        request.headers.extend(self.headers.clone());
        self.without_secrets(&request.shown(&self.host))
    }

    fn unanswered(&self, error: &reqwest::Error) -> Error {
        let host = &self.host;
        let reason = if error.is_timeout() {
            format!("{host} gave no answer within {}", Span(self.timeout))
        } else {
            format!("{host} gave no answer: {}", one_line(&root_cause(error).to_string(), MAX_REASON))
        };
        // A request that can't even be built will be no better the next time.
        Error::Delivery { reason, retryable: !error.is_builder(), retry_after: None }
    }

    async fn refused(&self, response: Response) -> Error {
        let status = response.status();
        let retryable = answer::is_retryable(status);
        let headers = response.headers().clone();
        let mut reason = format!("{} answered {status}", self.host);
        if status.is_redirection() {
            reason.push_str(", and redirects are not followed: give the url it leads to");
        }
        let said = answer::beginning(response).await;
        let retry_after = if retryable { answer::wait(&headers, &said, self.clock.now()) } else { None };
        let said = self.without_secrets(&said);
        if !said.is_empty() {
            reason.push_str(": ");
            reason.push_str(&one_line(&said, MAX_REASON));
        }
        Error::Delivery { reason, retryable, retry_after }
    }

    fn without_secrets(&self, text: &str) -> String {
        let hide = |text: String, secret: &Secret| text.replace(secret.expose(), "[secret]");
        self.hidden.iter().fold(text.to_owned(), hide)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn parse(field: &str, text: &str) -> Result<Url> {
    let refuse = |reason: &str| Err(Error::config(field, reason));
    if text.len() > MAX_URL {
        return refuse("is longer than 2048 bytes");
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => refuse("is to begin with https:// or http://"),
        Err(error) => refuse(&format!("is not a URL such as https://hooks.example/notices: {error}")),
    }
}

/// The parts of a URL that may be secrets.
fn tokens(url: &Url) -> impl Iterator<Item = &str> {
    let segments = url.path().split('/').chain(url.query().unwrap_or_default().split(['&', '=']));
    segments.chain(url.password()).filter(|part| part.len() >= MIN_TOKEN)
}

fn root_cause(error: &reqwest::Error) -> &dyn StdError {
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused_without_repeating_it() {
        let long = format!("https://hooks.example/{}", "canary".repeat(400));
        for bad in ["", "canary", "ftp://canary/x", "https://", "https://can ary/", "mailto:canary", long.as_str()] {
            let error = parse("url", bad).unwrap_err().to_string();
            assert!(error.starts_with("invalid url: ") && !error.contains("canary"), "{error}");
        }
    }
}
