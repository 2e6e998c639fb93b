//! The contract of a check: probes once, owns no loop, no timer and no retry. When it runs is the engine's business.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    error::{Error, Result},
    id::MonitorId,
    outcome::Outcome,
    time::Timestamp,
};

/// Has what monitors keep from run to run.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// What that monitor keeps.
    ///
    /// # Errors
    /// When it can't be read.
    async fn kept(&self, monitor: MonitorId) -> Result<Option<Arc<[u8]>>>;
}

/// What a run is told.
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckContext {
    /// The monitor that is due.
    pub monitor: MonitorId,
    /// Its name.
    pub name: Arc<str>,
    /// The slot this run is for.
    pub slot: Timestamp,
    /// When the run started, by the store's clock.
    pub started_at: Timestamp,
    /// When the engine will end the run, whatever it is doing. A check that can say where it got stuck ends a little
    /// earlier by itself.
    pub timeout: Duration,
    keeper: Option<Arc<dyn Keeper>>,
}

impl CheckContext {
    /// A context for one run outside an engine, as `pingmon check` and tests need it.
    pub fn new(monitor: MonitorId, name: impl Into<Arc<str>>, slot: Timestamp, timeout: Duration) -> Self {
        Self { monitor, name: name.into(), slot, started_at: slot, timeout, keeper: None }
    }

    /// Sets who has what the monitor keeps.
    #[must_use]
    pub fn keeper(mut self, keeper: Arc<dyn Keeper>) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// What the monitor keeps: what the last recorded run gave to [`Outcome::keep`], also if another engine ran it. It is
    /// asked of the store once after the monitor was claimed. None when there is nothing yet, and outside of an engine.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn kept(&self) -> Result<Option<Arc<[u8]>>> {
        match &self.keeper {
            Some(keeper) => keeper.kept(self.monitor).await,
            None => Ok(None),
        }
    }
}

impl fmt::Debug for CheckContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { monitor, name, slot, timeout, .. } = self;
        let mut debug = f.debug_struct("CheckContext");
        debug.field("monitor", monitor).field("name", name).field("slot", slot).field("timeout", timeout);
        debug.finish_non_exhaustive()
    }
}

/// One configured probe.
#[async_trait]
pub trait Check: Send + Sync {
    /// Probes once. Dropping the future ends the probe.
    ///
    /// # Errors
    /// When the probe broke before it could judge; the run is then recorded as `unknown`. A target that is down is an
    /// `Ok` whose outcome says so.
    async fn run(&self, cx: &CheckContext) -> Result<Outcome>;
}

/// How the engine keeps a run from harming others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Polled among the engine's other tasks: cheapest, for code that is known never to block its thread.
    Cooperative,
    /// Each run on a thread of its own (some 20 µs): a run that blocks or spins costs that thread and nothing else.
    Thread,
}

/// A family of checks that share what is worth sharing (an HTTP client, a WASM engine).
pub trait CheckKind: Send + Sync + 'static {
    /// The word for it in a monitor's definition: lower case, digits and `_`.
    fn name(&self) -> Cow<'static, str>;

    /// JSON Schema (draft 2020-12) of its config.
    fn schema(&self) -> Schema;

    /// Builds a check: parses once, refuses early.
    ///
    /// # Errors
    /// [`Error::Config`] naming the bad field.
    fn build(&self, config: &Value) -> Result<Arc<dyn Check>>;

    /// How runs are kept apart. The default is the safe one.
    fn isolation(&self) -> Isolation {
        Isolation::Thread
    }
}

/// Reads a config into its type, naming the path of a field that doesn't fit.
///
/// # Errors
/// [`Error::Config`] with the dotted path of the field.
pub fn parse_config<T: DeserializeOwned>(config: &Value) -> Result<T> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string();
        Error::config(if path == "." { "config".to_owned() } else { path }, error.inner().to_string())
    })
}

/// A check kind without config made of a closure: the quickest way to watch something from inside a service.
///
/// ```
/// use pingmon_core::{check, outcome::Outcome};
///
/// let queue = check::from_fn("queue_depth", |_cx| async {
///     let depth = 3; // ask the queue
///     Ok(if depth < 100 { Outcome::up(format!("{depth} waiting")) } else { Outcome::down("queue is stuck") })
/// });
/// # let _: &dyn pingmon_core::check::CheckKind = &queue;
/// ```
pub fn from_fn<F, Fut>(name: &'static str, run: F) -> FnKind<F>
where
    F: Fn(CheckContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome>> + Send + 'static,
{
    FnKind { name, check: Arc::new(FnCheck(run)), isolation: Isolation::Thread }
}

/// The kind that [`from_fn`] makes.
#[derive(Debug)]
pub struct FnKind<F> {
    name: &'static str,
    check: Arc<FnCheck<F>>,
    isolation: Isolation,
}

impl<F> FnKind<F> {
    /// States that the closure never blocks its thread, which spares a thread per run.
    #[must_use]
    pub fn cooperative(mut self) -> Self {
        self.isolation = Isolation::Cooperative;
        self
    }
}

#[derive(Debug)]
struct FnCheck<F>(F);

#[async_trait]
impl<F, Fut> Check for FnCheck<F>
where
    F: Fn(CheckContext) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Outcome>> + Send,
{
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        (self.0)(cx.clone()).await
    }
}

/// The config of a kind that needs none.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoConfig {}

impl<F, Fut> CheckKind for FnKind<F>
where
    F: Fn(CheckContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome>> + Send + 'static,
{
    fn name(&self) -> Cow<'static, str> {
        self.name.into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(NoConfig)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        if !config.is_null() {
            parse_config::<NoConfig>(config)?;
        }
        Ok(Arc::clone(&self.check) as Arc<dyn Check>)
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }
}
