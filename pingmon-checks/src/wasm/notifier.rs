//! The `wasm` channel: notices that a plug-in hands over, by the same host, grants and limits as checks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notification::{Facts, Notification, Receipt},
    notifier::{Notifier, NotifierKind},
    time::{Clock, SystemClock},
};
use schemars::Schema;
use serde_json::Value;
use wasmtime::Store;

use super::{
    bindings::notify::exports::pingmon::notify::guest::{Context, Failure, Notice},
    host::{Services, Session, Span},
    plugin::Plugin,
    plugins::Plugins,
    purpose::{Instances, Purpose},
    redact::redact,
    usage::{Config, Usage},
    verdict::{self, Broken},
};
use crate::dial::{Dialer, resolver::Resolver};

/// How long an attempt may take: the engine waits no longer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait that a channel may ask for.
const MAX_WAIT: Duration = Duration::from_secs(3_600);
/// Longest reason of a failure that is kept, in characters.
const MAX_REASON: usize = 1_000;

/// The `wasm` channel.
pub struct WasmNotifier {
    plugins: Plugins,
    services: Arc<Services>,
    clock: Arc<dyn Clock>,
}

impl WasmNotifier {
    /// The kind, running `plugins` and dialling what `policy` permits of what channels grant.
    ///
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub fn new(policy: DialPolicy, plugins: Plugins) -> Result<Self> {
        let services = Services::new(Dialer::new(policy, Resolver::system()))?;
        Ok(Self { plugins, services: Arc::new(services), clock: Arc::new(SystemClock) })
    }

    /// Sets the clock that plug-ins are told the time by; the wall clock unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl NotifierKind for WasmNotifier {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Notifier>> {
        let usage = Usage::build(Purpose::Notifier, config, &self.plugins, &self.services)?;
        Ok(Arc::new(Channel { usage, clock: Arc::clone(&self.clock) }))
    }
}

struct Channel {
    usage: Usage,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Notifier for Channel {
    async fn send(&self, notification: &Notification) -> Result<()> {
        self.deliver(notification).await.map(drop)
    }

    async fn deliver(&self, notification: &Notification) -> Result<Option<Receipt>> {
        let attempt = async {
            let notice = tell(notification)?;
            let plugin = self.usage.plugin().map_err(|broken| ours(&broken, ""))?;
            let span = Span::begin(self.clock.now(), TIMEOUT);
            plugin.send(&self.usage, &notice, &notification.channel, span).await
        };
        let clean = |text: &str| redact(text, &self.usage.standing.grant);
        match attempt.await {
            Ok(receipt) => Ok(receipt.and_then(|text| Receipt::new(clean(&text)))),
            Err(failure) => Err(Error::Delivery {
                reason: clean(&failure.reason).replace(char::is_control, " ").chars().take(MAX_REASON).collect(),
                retryable: failure.retryable,
                retry_after: failure.retry_after.map(|millis| Duration::from_millis(millis).min(MAX_WAIT)),
            }),
        }
    }
}

impl Plugin {
    /// Hands over a notice, in an instance of its own. Always ends a little before the timeout.
    async fn send(&self, usage: &Usage, notice: &Notice, channel: &str, span: Span) -> Result<Option<String>, Failure> {
        let Instances::Notifier(instances) = &self.instances else {
            return Err(ours(&Broken::Unfit(self.unfit(Purpose::Notifier)), ""));
        };
        let context = Context { channel: channel.to_owned(), timeout: span.limit_millis() };
        let session = Session::new(Arc::clone(&usage.standing), channel.into(), span, &self.engine.settings);
        let work = async |store: &mut Store<Session>| {
            let instance = instances.instantiate_async(&mut *store).await?;
            instance.pingmon_notify_guest().call_send(store, &usage.told, notice, &context).await
        };
        let (ended, session) = self.engine.call(session, span, work).await;
        ended.unwrap_or_else(|broken| Err(ours(&broken, &String::from_utf8_lossy(&session.errors.contents()))))
    }
}

/// A notice in the plug-in's words.
fn tell(notification: &Notification) -> Result<Notice, Failure> {
    let facts = serde_json::to_string(&Facts::of(notification));
    let unsendable = |error| Failure {
        reason: format!("the notice can't be written as JSON: {error}"),
        retryable: false,
        retry_after: None,
    };
    Ok(Notice {
        idempotency_key: notification.id.to_string(),
        event: notification.event.as_str().to_owned(),
        at: u64::try_from(notification.at.as_micros()).unwrap_or_default(),
        headline: notification.headline(),
        facts: facts.map_err(unsendable)?,
        receipt: notification.receipt.as_ref().map(|receipt| receipt.as_str().to_owned()),
    })
}

/// That the plug-in broke says nothing about the receiver: a later attempt, or another version of it, may do.
fn ours(broken: &Broken, wrote: &str) -> Failure {
    let reason = match verdict::last_words(wrote) {
        words if words.is_empty() => broken.explain().1,
        words => format!("{}; it wrote: {words}", broken.explain().1),
    };
    Failure { reason, retryable: true, retry_after: None }
}
