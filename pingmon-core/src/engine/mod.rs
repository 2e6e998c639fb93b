//! The verbs: an engine claims monitors, runs them when they are due, records what they found, and carries notices out.
//!
//! Data flows in one direction. The **lease keeper** keeps the session alive; the **claimer** takes monitors from the
//! store; the **scheduler** holds them in a timer queue and starts each **run** at its instant; the **committer** records
//! finished runs in batches and tells the scheduler; the **dispatcher** carries the notices that the runs called for; the
//! **janitor** tidies. Each is one task of the engine's own set, and all have ended when [`Engine::run`] returns.

mod announcing;
mod backoff;
mod builder;
mod claimer;
mod clock;
mod committer;
mod complaints;
mod dispatcher;
pub mod guard;
mod holds;
mod janitor;
mod keeping;
mod lease;
mod pace;
mod permits;
mod plan;
mod registry;
mod runner;
mod scheduler;
mod settings;
mod share;
pub mod vitals;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::{
    announcing::Routes,
    claimer::Claimer,
    clock::StoreClock,
    complaints::Complaints,
    dispatcher::{Channels, Linker},
    holds::Holds,
    registry::Registry,
    scheduler::Scheduler,
    settings::Settings,
    vitals::{Gauges, Vitals},
};
pub use self::{builder::Builder, settings::MAX_CONCURRENCY};
use crate::{
    channel::Channel,
    error::{Error, Result},
    id::MonitorId,
    maintenance::Maintenance,
    monitor::Definition,
    route::{self, Route},
    store::Store,
};

/// What the engine's tasks share.
struct Shared {
    store: Arc<dyn Store>,
    settings: Settings,
    registry: Registry,
    linker: Box<Linker>,
    clock: StoreClock,
    gauges: Gauges,
    /// Wakes the claimer.
    nudge: Notify,
    holds: Holds,
    channels: watch::Sender<Channels>,
    routes: watch::Sender<Routes>,
    /// Changes when deliveries were written.
    mail: watch::Sender<()>,
    /// Monitors, with the revisions they were held with, that the scheduler dropped because the store refused their run:
    /// they may still be ours in the store.
    dropped: Mutex<Vec<(MonitorId, i64)>>,
    /// Monitors that the scheduler gave up because another engine is to run them next.
    handed_over: Mutex<Vec<MonitorId>>,
    complaints: Complaints,
}

impl Shared {
    /// Notes that the store failed; says so in the log, but not over and over. That a session has ended is no failure
    /// of the store, and the lease keeper says it.
    fn store_failed(&self, action: &'static str, error: &Error) {
        if matches!(error, Error::SessionEnded) {
            return;
        }
        self.gauges.store_fault(Some(error.chain()));
        if let Some(unsaid) = self.complaints.may_say(&error.root()) {
            tracing::warn!(action, error = error.chain(), unsaid, "the store failed");
        }
    }

    fn note_dropped(&self, monitor: MonitorId, revision: i64) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push((monitor, revision));
        self.nudge.notify_one();
    }

    fn hand_over(&self, monitor: MonitorId) {
        self.handed_over.lock().unwrap_or_else(PoisonError::into_inner).push(monitor);
        self.nudge.notify_one();
    }

    fn take_handed_over(&self) -> Vec<MonitorId> {
        mem::take(&mut *self.handed_over.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_dropped(&self) -> Vec<(MonitorId, i64)> {
        mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A monitoring engine: any number of them, in any number of processes, share the monitors of one store.
///
/// See the [crate documentation](crate) for an example.
pub struct Engine {
    shared: Arc<Shared>,
    definitions: Vec<Definition>,
}

/// A handle on an engine, for pages and signals. Cheap to clone; keeps working after the engine has stopped.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// How the engine is doing.
    pub fn vitals(&self) -> Vitals {
        self.shared.gauges.read()
    }

    /// Makes the engine look for monitors now instead of at its next poll: after adding or editing some.
    pub fn nudge(&self) {
        self.shared.nudge.notify_one();
    }

    /// Replaces the maintenances.
    ///
    /// # Errors
    /// [`Error::Config`] when one can't be meant; then the old ones stay.
    pub fn replace_maintenances(&self, maintenances: Vec<Maintenance>) -> Result<()> {
        settings::maintenances(&maintenances)?;
        self.shared.holds.replace_maintenances(maintenances);
        Ok(())
    }

    /// Replaces the routes. Who was told of an incident by a route that is gone doesn't hear of its end.
    ///
    /// # Errors
    /// [`Error::Config`] when one can't be meant; then the old ones stay.
    pub fn replace_routes(&self, routes: Vec<Route>) -> Result<()> {
        route::validate(&routes)?;
        self.shared.routes.send_replace(Arc::new(routes));
        Ok(())
    }

    /// Replaces the channels. Deliveries under way end on the old ones; deliveries to a channel that is gone wait until
    /// it comes back or they expire.
    pub fn replace_channels(&self, channels: HashMap<String, Channel>) {
        self.shared.channels.send_replace(Arc::new(channels));
    }
}

/// What an engine did from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Runs recorded.
    pub recorded: u64,
    /// Runs that the store refused because the monitor had gone to another owner or revision.
    pub lost: u64,
    /// Slots recorded as missed.
    pub missed: u64,
    /// Notices that a channel took.
    pub sent: u64,
    /// Runs cut off because they didn't end within the grace period; others run those slots again.
    pub abandoned: u64,
    /// Monitors handed back.
    pub released: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorded, lost, missed, sent, abandoned, released } = self;
        write!(
            f,
            "{recorded} runs recorded, {lost} lost, {missed} slots missed, {sent} notices sent, {abandoned} runs cut off, \
             {released} monitors handed back"
        )
    }
}

impl Engine {
    /// Starts to assemble an engine on a store.
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder::new(store)
    }

    /// A handle that stays valid while the engine runs and after.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Runs until `shutdown` resolves, then stops gracefully: starts nothing more, lets runs under way end within the
    /// grace period, records them, hands the monitors back. When it returns, no task of the engine is left. A store that
    /// can't be reached is waited for; that is no error.
    ///
    /// # Errors
    /// When the store refuses the monitors given to the builder.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<Summary> {
        let Self { shared, definitions } = self;
        tokio::pin!(shutdown);
        let put = tokio::select! {
            put = put(&shared, definitions) => put,
            () = &mut shutdown => return Ok(Summary::default()),
        };
        put.inspect_err(|_| shared.gauges.stopped())?;
        let tasks = Tasks::spawn(&shared);
        shutdown.await;
        Ok(tasks.stop(&shared).await)
    }
}

/// Stores the monitors that the host's code defines; waits for a store that can't be reached.
async fn put(shared: &Shared, definitions: Vec<Definition>) -> Result<()> {
    let mut backoff = backoff::Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    while !definitions.is_empty() {
        match shared.store.put(definitions.clone()).await {
            Err(error) if error.is_retryable() => shared.store_failed("store the monitors", &error),
            other => return other.map(drop),
        }
        tokio::time::sleep(backoff.next()).await;
    }
    Ok(())
}

/// The engine's tasks, in the order in which they are stopped.
struct Tasks {
    scheduler: JoinSet<usize>,
    stop_scheduler: CancellationToken,
    committer: JoinSet<()>,
    others: JoinSet<()>,
    stop_others: CancellationToken,
}

impl Tasks {
    fn spawn(shared: &Arc<Shared>) -> Self {
        let (leases, lease) = watch::channel(None);
        let (to_scheduler, inbox) = mpsc::unbounded_channel();
        let (to_committer, finished) = mpsc::unbounded_channel();
        let (stop_scheduler, stop_others) = (CancellationToken::new(), CancellationToken::new());
        let mut scheduler = JoinSet::new();
        let wheel = Scheduler::new(Arc::clone(shared), lease.clone(), inbox, to_committer);
        scheduler.spawn(wheel.run(stop_scheduler.clone()));
        let mut committer = JoinSet::new();
        committer.spawn(committer::commit(Arc::clone(shared), finished, to_scheduler.clone(), lease.clone()));
        let mut others = JoinSet::new();
        let claimer = Claimer::new(Arc::clone(shared), lease.clone(), to_scheduler);
        others.spawn(claimer.run(stop_scheduler.clone()));
        others.spawn(dispatcher::dispatch(Arc::clone(shared), lease.clone(), stop_others.clone()));
        others.spawn(janitor::tidy(Arc::clone(shared), lease, stop_others.clone()));
        others.spawn(lease::keep(Arc::clone(shared), leases, stop_others.clone()));
        Self { scheduler, stop_scheduler, committer, others, stop_others }
    }

    /// The session stays alive until everything that was run is recorded.
    async fn stop(mut self, shared: &Shared) -> Summary {
        self.stop_scheduler.cancel();
        let cut_off = self.scheduler.join_next().await.and_then(Result::ok).unwrap_or_default();
        while self.committer.join_next().await.is_some() {}
        self.stop_others.cancel();
        while self.others.join_next().await.is_some() {}
        let vitals = shared.gauges.read();
        shared.gauges.stopped();
        let mut released = 0;
        if let Some(session) = vitals.session {
            match shared.store.leave(session).await {
                Ok(()) => released = vitals.held,
                Err(error) => shared.store_failed("leave", &error),
            }
        }
        Summary {
            recorded: vitals.recorded,
            lost: vitals.lost,
            missed: vitals.missed,
            sent: vitals.sent,
            abandoned: cut_off as u64,
            released,
        }
    }
}
