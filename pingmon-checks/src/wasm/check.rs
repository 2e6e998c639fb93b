//! The `wasm` kind: checks that are plug-ins.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation},
    dial::DialPolicy,
    error::Result,
    outcome::Outcome,
};
use schemars::Schema;
use serde_json::Value;
use wasmtime::Store;

use super::{
    bindings::pingmon::check::types,
    host::{Services, Session, Span},
    plugin::Plugin,
    plugins::Plugins,
    purpose::{Instances, Purpose},
    redact,
    state::State,
    usage::{Config, Usage},
    verdict::{self, Broken},
};
use crate::dial::{Dialer, resolver::Resolver};

/// The `wasm` kind.
pub struct Wasm {
    plugins: Plugins,
    services: Arc<Services>,
}

impl Wasm {
    /// The kind, running `plugins` and dialling what `policy` permits of what monitors grant.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) when the system's TLS roots can't be used.
    pub fn new(policy: DialPolicy, plugins: Plugins) -> Result<Self> {
        Self::with_resolver(policy, Resolver::system(), plugins)
    }

    /// The same, asking `resolver` for the addresses of names.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver, plugins: Plugins) -> Result<Self> {
        Ok(Self { services: Arc::new(Services::new(Dialer::new(policy, resolver))?), plugins })
    }
}

impl CheckKind for Wasm {
    fn name(&self) -> Cow<'static, str> {
        "wasm".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        Ok(Arc::new(WasmCheck(Usage::build(Purpose::Check, config, &self.plugins, &self.services)?)))
    }

    fn isolation(&self) -> Isolation {
        // A plug-in that computes is made to let others go on.
        Isolation::Cooperative
    }
}

struct WasmCheck(Usage);

#[async_trait]
impl Check for WasmCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        Ok(match self.0.plugin() {
            Ok(plugin) => plugin.run(&self.0, cx).await,
            Err(broken) => verdict::unknown(&broken, ""),
        })
    }
}

impl Plugin {
    /// Runs once, in an instance of its own. Always ends a little before the timeout.
    async fn run(&self, usage: &Usage, cx: &CheckContext) -> Outcome {
        let Instances::Check(instances) = &self.instances else {
            return verdict::unknown(&Broken::Unfit(self.unfit(Purpose::Check)), "");
        };
        let span = Span::begin(cx.started_at, cx.timeout);
        let context = types::Context {
            monitor: cx.name.to_string(),
            slot: u64::try_from(cx.slot.as_micros()).unwrap_or_default(),
            timeout: span.limit_millis(),
        };
        let mut session = Session::new(Arc::clone(&usage.standing), Arc::clone(&cx.name), span, &self.engine.settings);
        session.state = State::of(cx);
        let work = async |store: &mut Store<Session>| {
            let instance = instances.instantiate_async(&mut *store).await?;
            instance.pingmon_check_guest().call_run(store, &usage.told, &context).await
        };
        let (ended, Session { metrics, errors, state, .. }) = self.engine.call(session, span, work).await;
        let mut outcome = match ended {
            Ok(Ok(found)) => {
                let mut outcome = verdict::outcome(found);
                outcome.keep = state.into_keep();
                outcome
            }
            Ok(Err(error)) => verdict::unknown(&Broken::Refused(error), ""),
            Err(broken) => verdict::unknown(&broken, &String::from_utf8_lossy(&errors.contents())),
        };
        outcome.metrics.splice(..0, metrics);
        redact::outcome(outcome, &usage.standing.grant)
    }
}
