//! An address that notices are posted to, and what its answers mean for a delivery. What is posted is the channels'
//! business.

use std::{error::Error as StdError, fmt, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    time::{Clock, Span, Timestamp},
};
use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use url::Url;

use crate::{dial::Dialer, secret::Secret, text::one_line};

/// Longest URL, in bytes.
const MAX_URL: usize = 2_048;
/// How much of an answer is read to say why it refused, in bytes.
const MAX_ANSWER: usize = 4 * 1024;
/// How much of it an error repeats, in characters.
const MAX_REASON: usize = 300;
/// The longest wait that a channel is granted when it asks for one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Shorter parts of a URL are words, not secrets.
const MIN_TOKEN: usize = 8;
/// How long an answer may take; the engine itself waits no longer than 30 s.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(30);

/// Where notices are posted to. Errors name its host and port only: the rest of the URL may be a secret.
#[derive(Clone)]
pub(crate) struct Endpoint {
    client: Client,
    url: Url,
    host: String,
    timeout: Duration,
    hidden: Vec<Secret>,
}

impl Endpoint {
    /// # Errors
    /// [`Error::Config`] for `url`, without repeating it.
    pub(crate) fn new(dialer: &Dialer, url: &Secret) -> Result<Self> {
        let url = parse(url.expose())?;
        let client = dialer.client(&url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let hidden = tokens(&url).map(Secret::from).collect();
        Ok(Self { client, url, host, timeout: Duration::from_secs(10), hidden })
    }

    /// Sets how long an answer may take; 10 s unless set.
    ///
    /// # Errors
    /// [`Error::Config`] when it isn't from 1 ms to 30 s.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Result<Self> {
        if !TIMEOUTS.contains(&timeout) {
            return Err(Error::config("timeout", format!("{} is out of range: from 1ms to 30s", Span(timeout))));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// Adds a secret that no error may repeat, even if the far end echoes it.
    pub(crate) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.hidden.push(secret.into());
        }
    }

    /// Posts once. `Ok` means that the far end answered with a 2xx status.
    ///
    /// # Errors
    /// [`Error::Delivery`]. No answer, 408, 425, 429 and 5xx are worth another attempt; other answers are final.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Vec<u8>, clock: &dyn Clock) -> Result<()> {
        let request = self.client.post(self.url.clone()).timeout(self.timeout);
        let response = request.headers(headers).body(body).send().await.map_err(|error| self.unanswered(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(self.refused(response, clock).await)
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

    async fn refused(&self, response: Response, clock: &dyn Clock) -> Error {
        let status = response.status();
        let retryable = is_retryable(status);
        let wanted = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut reason = format!("{} answered {status}", self.host);
        if status.is_redirection() {
            reason.push_str(", and redirects are not followed: give the url it leads to");
        }
        let said = self.without_secrets(&beginning(response).await);
        if !said.is_empty() {
            reason.push_str(": ");
            reason.push_str(&one_line(&said, MAX_REASON));
        }
        let retry_after = wanted.filter(|_| retryable).and_then(|wanted| retry_after(&wanted, clock.now()));
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

fn parse(text: &str) -> Result<Url> {
    let refuse = |reason: &str| Err(Error::config("url", reason));
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

/// The first bytes of an answer; what breaks or stalls on the way is left out.
async fn beginning(mut response: Response) -> String {
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if read.len() == MAX_ANSWER {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// How long a `Retry-After` header asks to wait: seconds or an HTTP date (RFC 9110 section 10.2.3), at most an hour.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let seconds = value.trim().parse().map(Duration::from_secs).ok();
    let wait = seconds.or_else(|| {
        let date = httpdate::parse_http_date(value.trim()).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some((Timestamp::default() + date).since(now))
    })?;
    Some(wait.min(MAX_RETRY_AFTER))
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
    fn a_wait_is_read_from_seconds_or_a_date_and_is_an_hour_at_most() {
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, wait) in [
            ("120", seconds(120)),
            (" 0 ", seconds(0)),
            ("99999999999", seconds(3_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", seconds(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", seconds(3_600)),
            ("-5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), wait, "{value}");
        }
    }

    #[test]
    fn only_answers_that_may_change_are_worth_another_attempt() {
        let retryable = |code| is_retryable(StatusCode::from_u16(code).unwrap());
        assert!([408, 425, 429, 500, 502, 503, 504, 599].into_iter().all(retryable));
        assert!(![301, 302, 304, 400, 401, 403, 404, 410, 422].into_iter().any(retryable));
    }

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused_without_repeating_it() {
        let long = format!("https://hooks.example/{}", "canary".repeat(400));
        for bad in ["", "canary", "ftp://canary/x", "https://", "https://can ary/", "mailto:canary", long.as_str()] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("invalid url: ") && !error.contains("canary"), "{error}");
        }
    }
}
