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
//! | `event` | `opened`, `worsened`, `eased`, `reminder` or `resolved` |
//! | `at` | when it happened |
//! | `headline` | one line for people |
//! | `lasted` | how long the failure has lasted up to this notice, in words: `1h 5m` |
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
//! | `confirmed_by` | who saw the failure, by host, when more than one worker had to; else an empty list |
//! | `affected` | what depends on the monitor, when its incident opens: how many (`count`), and the `names` of up to 100 |
//! | `also` | other incidents that this notice tells of too: objects with `event`, `at`, `monitor` and `incident` as above |
//! | `links` | where more is to be seen and done: objects with `text` and `url` |
//! | `opening` | what the failure was, in an end that tells of the whole outage because nothing was told before; else null |
//! | `outcome.status`, `outcome.message` | `up`, `degraded`, `down` or `unknown`; one line for people |
//!
//! Beyond those two, `outcome` holds what the run had to say of `latency_ms`, `phases_ms`, `failed`, `metrics` and
//! `evidence`, written as in the JSON output of `pingmon check`.
//!
//! A `body` of one's own is a minijinja template over these same fields; what it inserts is written as its content type
//! asks for. A notice that it fails for is a dead letter, since nobody else knows what the receiver would understand.
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

mod headers;
mod signature;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notification::{Facts, Notification},
    notifier::Notifier,
    time::{Clock, Span, SystemClock},
};
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{headers::Headers, signature::Signer};
use crate::{
    Name,
    dial::Dialer,
    endpoint::Endpoint,
    kind::Channel,
    medium::Medium,
    request::Request,
    secret::Secret,
    template::{Escape, Template},
};

pub use self::headers::MAX_HEADERS;

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
    method: Method,
    headers: Headers,
    media_type: HeaderValue,
    body: Option<Template>,
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
        Self::through(&Dialer::new(policy)?, url)
    }

    fn through(dialer: &Dialer, url: &str) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::new(dialer, "url", url)?,
            method: Method::POST,
            headers: Headers::default(),
            media_type: HeaderValue::from_static("application/json"),
            body: None,
            signer: None,
            clock: Arc::new(SystemClock),
        })
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

    /// Adds a header of one's own, such as `authorization`; its value counts as a secret and may be a template.
    ///
    /// # Errors
    /// [`Error::Config`] when name or value isn't fit for a header, when the channel sets that header itself, or when
    /// there are 32 already.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        self.headers.add(name, value)?;
        self.endpoint.hide(value);
        Ok(self)
    }

    /// Sends what a template makes of the facts, as `content_type`.
    ///
    /// # Errors
    /// [`Error::Config`] when one of them isn't fit for it.
    pub fn body(mut self, template: &str, content_type: &str) -> Result<Self> {
        let escape = match content_type {
            json if json.contains("json") => Escape::Json,
            markup if markup.contains("html") || markup.contains("xml") => Escape::Text(Medium::Html),
            _ => Escape::Text(Medium::Plain),
        };
        self.body = Some(Template::escaping("body", template, escape)?);
        self.media_type = HeaderValue::try_from(content_type)
            .map_err(|_| Error::config("content_type", "is no media type such as application/json"))?;
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
        self.endpoint = self.endpoint.clock(Arc::clone(&clock));
        self.clock = clock;
        self
    }

    /// What one attempt at delivering a notice sends.
    fn request(&self, notice: &Notification) -> Result<Request> {
        let body = match &self.body {
            Some(template) => template.render(notice).map_err(|e| unsendable(&e))?.into_bytes(),
            None => serde_json::to_vec(&Facts::of(notice)).map_err(|e| unsendable(&e))?,
        };
        let id = notice.id.to_string();
        let timestamp = self.clock.now().as_micros().div_euclid(1_000_000).to_string();
        let signature = self.signer.as_ref().map(|signer| signer.sign(&id, &timestamp, &body));
        let mut request = Request::new(self.media_type.clone(), body).method(self.method.clone());
        request.headers.extend(self.headers.of(notice)?);
        request = request.header(WEBHOOK_ID, header(&id)?).header(IDEMPOTENCY_KEY, header(&id)?);
        request = request.header(WEBHOOK_TIMESTAMP, header(&timestamp)?);
        Ok(match signature {
            Some(signature) => request.header(WEBHOOK_SIGNATURE, header(&signature)?),
            None => request,
        })
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
        self.endpoint.send(&self.request(notification)?).await.map(drop)
    }

    fn preview(&self, notification: &Notification) -> String {
        match self.request(notification) {
            Ok(request) => self.endpoint.shown(&request),
            Err(error) => error.chain(),
        }
    }
}

fn header(value: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(value).map_err(|e| unsendable(&e))
}

fn unsendable(error: &dyn fmt::Display) -> Error {
    Error::Delivery { reason: format!("the notice can't be written: {error}"), retryable: false, retry_after: None }
}

/// Posts each notice as signed JSON to a URL, or sends what a template makes of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to post: `https://…` or `http://…`, at most 2048 bytes. May hold secrets.
    url: Secret,
    /// What to sign with: `whsec_` and the base64 of a key (Standard Webhooks), or any other text. Unsigned without it.
    secret: Option<Secret>,
    /// How to send it.
    #[serde(default)]
    method: Verb,
    /// Headers to add, at most 32, such as `authorization`. Values count as secrets; they may be templates.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// The body, as a minijinja template over the facts: in JSON `{{ monitor.name }}` stands for a text with its quotes.
    /// All facts as JSON when not given.
    body: Option<String>,
    /// The media type of `body`: "application/json" when not given.
    content_type: Option<String>,
    /// How long an answer may take: from "1ms" to "30s", "10s" when not given.
    timeout: Option<Span>,
}

/// The method of a webhook's request.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Post,
    Put,
    Patch,
}

impl Channel for Webhook {
    const NAME: Name = Name::Webhook;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let mut webhook = Self::through(dialer, config.url.expose())?;
        webhook.method = match config.method {
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
        };
        if let Some(secret) = config.secret {
            webhook = webhook.secret(secret.expose())?;
        }
        for (name, value) in &config.headers {
            webhook = webhook.header(name, value.expose())?;
        }
        webhook = match (config.body, config.content_type) {
            (Some(body), media_type) => webhook.body(&body, media_type.as_deref().unwrap_or("application/json"))?,
            (None, Some(_)) => return Err(Error::config("content_type", "says what `body` is, which isn't given")),
            (None, None) => webhook,
        };
        match config.timeout {
            Some(Span(timeout)) => webhook.timeout(timeout),
            None => Ok(webhook),
        }
    }
}
