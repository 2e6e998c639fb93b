//! What the tests stand on: a memory store whose clock is tokio's, checks that follow a script, channels that keep
//! what they got, engines that can be stopped and killed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    check::{self, CheckContext, CheckKind},
    engine::{Builder, Engine, Handle, Summary},
    error::{Error, Result},
    id::MonitorId,
    monitor::Definition,
    notification::Notification,
    notifier::Notifier,
    outcome::Outcome,
    store::{Store, history::Record},
    time::{Timestamp, TokioClock},
};
use pingmon_store::memory::MemoryStore;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What the stores' clocks show when a test begins.
pub(crate) const EPOCH: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// A memory store whose clock moves with tokio's.
pub(crate) fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::with_clock(Arc::new(TokioClock::starting_at(EPOCH))))
}

/// A kind that answers from a script per monitor, `up` when the script is over; counts what runs at the same time.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) answers: Arc<Mutex<HashMap<String, VecDeque<Outcome>>>>,
    pub(crate) runs: Arc<Mutex<Vec<(String, Timestamp, Timestamp)>>>,
    pub(crate) takes: Duration,
    running: Arc<AtomicUsize>,
    pub(crate) most: Arc<AtomicUsize>,
}

impl Script {
    pub(crate) fn taking(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    pub(crate) fn set(&self, monitor: &str, answers: impl IntoIterator<Item = Outcome>) {
        self.answers.lock().unwrap().insert(monitor.to_owned(), answers.into_iter().collect());
    }

    pub(crate) fn runs_of(&self, monitor: &str) -> usize {
        self.runs.lock().unwrap().iter().filter(|(name, ..)| name == monitor).count()
    }

    pub(crate) fn kind(&self, name: &'static str) -> impl CheckKind + use<> {
        let script = self.clone();
        check::from_fn(name, move |cx| script.clone().answer(cx)).cooperative()
    }

    async fn answer(self, cx: CheckContext) -> Result<Outcome> {
        let now = self.running.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        self.runs.lock().unwrap().push((cx.name.to_string(), cx.slot, cx.started_at));
        let leave = Leave(&self.running);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        drop(leave);
        let scripted = self.answers.lock().unwrap().get_mut(&*cx.name).and_then(VecDeque::pop_front);
        Ok(scripted.unwrap_or_else(|| Outcome::up("fine")))
    }
}

/// Counts a run as ended even when it is cut off.
struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A channel that keeps what it got, and fails as often as it is told to.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) got: Mutex<Vec<Notification>>,
    pub(crate) attempts: Mutex<Vec<Notification>>,
    failures: Mutex<VecDeque<Error>>,
}

impl Inbox {
    pub(crate) fn failing(failures: impl IntoIterator<Item = Error>) -> Arc<Self> {
        Arc::new(Self { failures: Mutex::new(failures.into_iter().collect()), ..Self::default() })
    }

    /// What came, as "event name".
    pub(crate) fn lines(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|n| format!("{} {}", n.event, n.monitor.name)).collect()
    }
}

#[async_trait]
impl Notifier for Inbox {
    async fn send(&self, notification: &Notification) -> Result<()> {
        self.attempts.lock().unwrap().push(notification.clone());
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.got.lock().unwrap().push(notification.clone());
        Ok(())
    }
}

/// Engines that run in the background.
#[derive(Default)]
pub(crate) struct Engines(JoinSet<Summary>);

/// One of them.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    stop: oneshot::Sender<()>,
    abort: AbortHandle,
}

impl Engines {
    pub(crate) fn start(&mut self, builder: Builder) -> Running {
        let engine = builder.build().unwrap();
        let handle = engine.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            engine.run(shutdown).await.unwrap()
        };
        Running { handle, stop, abort: self.0.spawn(run) }
    }

    /// Stops one gracefully; answers what it did and how long the stop took.
    pub(crate) async fn stop(&mut self, running: Running) -> (Summary, Duration) {
        let asked = tokio::time::Instant::now();
        running.stop.send(()).unwrap();
        let summary = self.0.join_next().await.unwrap().unwrap();
        (summary, asked.elapsed())
    }

    /// Kills one: its tasks end where they stand and nothing is handed back.
    pub(crate) async fn kill(&mut self, running: Running) {
        running.abort.abort();
        assert!(self.0.join_next().await.unwrap().unwrap_err().is_cancelled());
    }
}

/// A builder over `store` that knows the scripted kind `script`.
pub(crate) fn engine(store: &Arc<dyn Store>, script: &Script) -> Builder {
    Engine::builder(Arc::clone(store)).kind(script.kind("script")).lease(15 * SECOND)
}

/// A scripted monitor: every 10 s.
pub(crate) fn monitor(name: &str) -> Definition {
    Definition::new(name, "script").every(10 * SECOND)
}

pub(crate) async fn id_of(store: &Arc<dyn Store>, name: &str) -> MonitorId {
    let all = store.monitors(None, 10_000).await.unwrap();
    all.into_iter().find(|overview| overview.monitor.definition.name == name).unwrap().monitor.id
}

/// The recorded runs of a monitor, oldest first.
pub(crate) async fn records(store: &Arc<dyn Store>, name: &str) -> Vec<Record> {
    let mut records = store.records(id_of(store, name).await, None, 10_000).await.unwrap();
    records.reverse();
    records
}

/// Lets that much time pass for everybody.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
