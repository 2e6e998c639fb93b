//! What the far end answered: how much of it is read, whether a refusal is worth another attempt, and when.

use std::time::Duration;

use pingmon_core::time::Timestamp;
use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The longest wait that a channel is granted when it asks for one.
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// An answer that took the notice, as far as its status says.
pub(crate) struct Answer(Response);

impl Answer {
    pub(crate) fn new(response: Response) -> Self {
        Self(response)
    }

    /// What it says; `null` when that is no JSON.
    pub(crate) async fn json(self) -> Value {
        serde_json::from_str(&beginning(self.0).await).unwrap_or_default()
    }
}

/// The first bytes of an answer; what breaks or stalls on the way is left out.
pub(crate) async fn beginning(mut response: Response) -> String {
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

/// Whether a later attempt may be answered otherwise.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// How long an answer asks to wait, an hour at most: as the header says, or as the JSON of Discord, Telegram and Matrix.
pub(crate) fn wait(headers: &HeaderMap, body: &str, now: Timestamp) -> Option<Duration> {
    let header = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    let wait = header.or_else(|| {
        let said: Value = serde_json::from_str(body).ok()?;
        let seconds = said["retry_after"].as_f64().or(said["parameters"]["retry_after"].as_f64());
        let seconds = seconds.or(said["retry_after_ms"].as_f64().map(|ms| ms / 1_000.0))?;
        Duration::try_from_secs_f64(seconds).ok()
    })?;
    Some(wait.min(MAX_WAIT))
}

/// A `Retry-After` header: seconds or an HTTP date (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let seconds = value.trim().parse().map(Duration::from_secs).ok();
    seconds.or_else(|| {
        let date = httpdate::parse_http_date(value.trim()).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some((Timestamp::default() + date).since(now))
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_read_from_seconds_or_a_date_and_is_an_hour_at_most() {
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, expected) in [
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
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(wait(&headers, "", now), expected, "{value}");
        }
    }

    #[test]
    fn a_wait_is_read_from_the_json_of_those_who_say_it_there() {
        for (body, expected) in [
            (r#"{"message": "You are being rate limited.", "retry_after": 1.5, "global": false}"#, Some(1_500)),
            (r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}"#, Some(35_000)),
            (r#"{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000}"#, Some(2_000)),
            (r#"{"retry_after": 1e300}"#, None),
            (r#"{"retry_after": -1}"#, None),
            ("busy", None),
        ] {
            let wait = wait(&HeaderMap::new(), body, Timestamp::default());
            assert_eq!(wait, expected.map(Duration::from_millis), "{body}");
        }
    }

    #[test]
    fn only_answers_that_may_change_are_worth_another_attempt() {
        let retryable = |code| is_retryable(StatusCode::from_u16(code).unwrap());
        assert!([408, 425, 429, 500, 502, 503, 504, 599].into_iter().all(retryable));
        assert!(![301, 302, 304, 400, 401, 403, 404, 410, 422].into_iter().any(retryable));
    }
}
