//! The `webhook` channel: posts each notice as JSON to a URL, signed as Standard Webhooks 1.0 lays out
//! (<https://www.standardwebhooks.com>), so that any of its libraries verifies it.
//!
//! # Body
//! One JSON object, at most some 300 kB. Every field is always there; what there is none of is `null`. Fields may be
//! added, none will change its meaning. Times are RFC 3339 in UTC with microseconds.
//!
//! | field | is |
//! |---|---|
//! | `id` | idempotency key: a UUID, the same for every repeat of this notice |
//! | `event` | `opened`, `worsened`, `reminder` or `resolved` |
//! | `at` | when it happened |
//! | `headline` | one line for people |
//! | `monitor.id` | UUID of the monitor, which survives renames |
//! | `monitor.name`, `monitor.kind` | its name, its check kind |
//! | `monitor.labels` | its labels, an object of strings |
//! | `incident.id` | UUID of the incident: the same in all its notices |
//! | `incident.about` | `target` when what is watched failed, `monitoring` when it couldn't be judged |
//! | `incident.level` | `degraded`, `down`, or `unknown` when it is about the monitoring |
//! | `incident.failing_since` | when the failure began |
//! | `incident.opened_at` | when it was confirmed |
//! | `incident.closed_at` | when it ended; `null` while it is open |
//! | `incident.closed` | why it ended: `recovered`, `paused` or `retired`; `null` while it is open |
//! | `incident.message` | what the run behind this event said |
//! | `outcome` | that run, or `null` when there was none because the monitor was paused or retired |
//! | `outcome.status`, `outcome.message` | `up`, `degraded`, `down` or `unknown`; one line for people |
//!
//! Beyond those two, `outcome` holds what the run had to say of `latency_ms`, `phases_ms`, `failed`, `metrics` and
//! `evidence`, written as in the JSON output of `pingmon check`.
//!
//! # Headers
//! | header | is |
//! |---|---|
//! | `webhook-id`, `idempotency-key` | the `id` of the body |
//! | `webhook-timestamp` | when this attempt was made, in seconds since 1970: refuse what is some minutes off |
//! | `webhook-signature` | `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`; only with a `secret` |
//!
//! # Answers
//! Any 2xx status is a receipt. 408, 425, 429, 5xx and no answer are tried again, not before the time that a
//! `Retry-After` asks for (an hour at most). Whatever else comes is final; redirects are not followed.

mod payload;
mod signature;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    check::parse_config,
    dial::DialPolicy,
    error::{Error, Result},
    notification::Notification,
    notifier::{Notifier, NotifierKind},
    time::{Clock, Span, SystemClock},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use self::{payload::Payload, signature::Signer};
use crate::{dial::Dialer, endpoint::Endpoint, secret::Secret};

/// Most headers of one's own on a webhook.
pub const MAX_HEADERS: usize = 32;

/// Headers that the channel or HTTP itself sets.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "content-type", "host", "idempotency-key", "te", "transfer-encoding", "upgrade"];
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A webhook to one URL.
///
/// ```
/// use pingmon_core::dial::DialPolicy;
/// use pingmon_notify::webhook::Webhook;
///
/// # fn main() -> pingmon_core::error::Result<()> {
/// let ops = Webhook::new("https://hooks.example/notices", &DialPolicy::open())?
///     .secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?
///     .header("x-team", "ops")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Webhook {
    endpoint: Endpoint,
    headers: HeaderMap,
    signer: Option<Signer>,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// A webhook to `url` (`https` or `http`, at most 2,048 bytes) that dials only what `policy` permits; unsigned, with
    /// a timeout of 10 s. Its path and query may hold secrets: errors, logs and `Debug` show the host only.
    ///
    /// # Errors
    /// [`Error::Config`] when `url` is none, when it names an address that the policy forbids, or when the system's TLS
    /// roots can't be used.
    pub fn new(url: &str, policy: &DialPolicy) -> Result<Self> {
        Self::through(&Dialer::new(policy)?, &url.into())
    }

    fn through(dialer: &Dialer, url: &Secret) -> Result<Self> {
        let endpoint = Endpoint::new(dialer, url)?;
        Ok(Self { endpoint, headers: HeaderMap::new(), signer: None, clock: Arc::new(SystemClock) })
    }

    /// Signs with `secret`: `whsec_` and the base64 of a key, or any other text, whose bytes are the key then.
    ///
    /// # Errors
    /// [`Error::Config`] when it is empty, or not base64 after `whsec_`.
    pub fn secret(mut self, secret: &str) -> Result<Self> {
        self.signer = Some(Signer::new(secret)?);
        self.endpoint.hide(secret);
        Ok(self)
    }

    /// Adds a header of one's own, such as `authorization`; its value counts as a secret.
    ///
    /// # Errors
    /// [`Error::Config`] when name or value isn't fit for a header, when the channel sets that header itself, or when
    /// there are 32 already.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let field = format!("headers.{name}");
        let name = match HeaderName::try_from(name) {
            Ok(name) if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("webhook-") => {
                return Err(Error::config(field, "is set by the channel itself: leave it out"));
            }
            Ok(name) => name,
            Err(_) => return Err(Error::config("headers", format!("{name:?} is not the name of a header"))),
        };
        let Ok(mut header) = HeaderValue::try_from(value) else {
            return Err(Error::config(field, "its value holds characters that a header can't"));
        };
        if self.headers.len() == MAX_HEADERS {
            return Err(Error::config("headers", format!("more than the {MAX_HEADERS} allowed")));
        }
        header.set_sensitive(true);
        self.endpoint.hide(value);
        self.headers.insert(name, header);
        Ok(self)
    }

    /// Sets how long an answer may take, from connecting to its status; 10 s unless set.
    ///
    /// # Errors
    /// [`Error::Config`] when it isn't from 1 ms to 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self> {
        self.endpoint = self.endpoint.timeout(timeout)?;
        Ok(self)
    }

    /// Sets the clock that attempts are stamped by, for tests; the wall clock unless set, since receivers refuse
    /// signatures whose time is off.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The headers of one attempt at delivering `body` as `id`.
    fn headers(&self, id: &str, body: &[u8]) -> Result<HeaderMap> {
        let timestamp = self.clock.now().as_micros().div_euclid(1_000_000).to_string();
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(WEBHOOK_ID, header(id)?);
        headers.insert(IDEMPOTENCY_KEY, header(id)?);
        headers.insert(WEBHOOK_TIMESTAMP, header(&timestamp)?);
        if let Some(signer) = &self.signer {
            headers.insert(WEBHOOK_SIGNATURE, header(&signer.sign(id, &timestamp, body))?);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = self.signer.is_some();
        f.debug_struct("Webhook").field("endpoint", &self.endpoint).field("signed", &signed).finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let body = serde_json::to_vec(&Payload::of(notification)).map_err(|e| unsendable(&e))?;
        let headers = self.headers(&notification.id.to_string(), &body)?;
        self.endpoint.post(headers, body, &*self.clock).await
    }
}

fn header(value: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(value).map_err(|e| unsendable(&e))
}

fn unsendable(error: &dyn fmt::Display) -> Error {
    Error::Delivery { reason: format!("the notice can't be written: {error}"), retryable: false, retry_after: None }
}

/// The kind `webhook`.
#[derive(Clone, Debug)]
pub struct WebhookKind {
    dialer: Dialer,
}

impl WebhookKind {
    /// The kind whose channels dial only what `policy` permits.
    ///
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub fn new(policy: &DialPolicy) -> Result<Self> {
        Ok(Self { dialer: Dialer::new(policy)? })
    }
}

/// Posts each notice as signed JSON to a URL.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where to post: `https://…` or `http://…`, at most 2048 bytes. May hold secrets.
    url: Secret,
    /// What to sign with: `whsec_` and the base64 of a key (Standard Webhooks), or any other text. Unsigned without it.
    secret: Option<Secret>,
    /// Headers to add, at most 32, such as `authorization`. Values count as secrets.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// How long an answer may take: from "1ms" to "30s", "10s" when not given.
    timeout: Option<Span>,
}

impl NotifierKind for WebhookKind {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Notifier>> {
        let config: Config = parse_config(config)?;
        let mut webhook = Webhook::through(&self.dialer, &config.url)?;
        if let Some(secret) = config.secret {
            webhook = webhook.secret(secret.expose())?;
        }
        for (name, value) in &config.headers {
            webhook = webhook.header(name, value.expose())?;
        }
        if let Some(Span(timeout)) = config.timeout {
            webhook = webhook.timeout(timeout)?;
        }
        Ok(Arc::new(webhook))
    }
}
