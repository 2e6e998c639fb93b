//! An engine in this process, with a check that does nothing: what remains is the engine's own work and the store's.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use pingmon_core::{
    check,
    engine::{Engine, Handle, Summary},
    monitor::Definition,
    outcome::Outcome,
    store::{Store, catalog::Catalog as _},
};
use pingmon_store::postgres::PgStore;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Result,
    ground::{fleet, process::Usage, progress, stand::Stand},
};

const KIND: &str = "noop";
/// Most monitors that are defined in one call.
const PAGE: usize = 5_000;
/// How long the first runs may take, beside an interval.
const PATIENCE: Duration = Duration::from_secs(900);
const CONCURRENCY: usize = 4_096;

/// How late runs started, counted by tenths of a millisecond: many millions need no more room than a few.
pub(super) struct Lateness(Vec<AtomicU64>);

impl Lateness {
    const STEP: Duration = Duration::from_micros(100);
    /// Ten seconds; what is later counts as that.
    const STEPS: usize = 100_000;

    fn new() -> Self {
        Self((0..=Self::STEPS).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, late: Duration) {
        let step = usize::try_from(late.as_micros() / Self::STEP.as_micros()).unwrap_or(Self::STEPS);
        if let Some(count) = self.0.get(step.min(Self::STEPS)) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn clear(&self) {
        self.0.iter().for_each(|count| count.store(0, Relaxed));
    }

    /// The lateness that so many of a thousand don't exceed.
    pub(super) fn per_mille(&self, share: u64) -> Duration {
        let counts = || self.0.iter().map(|count| count.load(Relaxed));
        let rank = (counts().sum::<u64>() * share).div_ceil(1_000).max(1);
        let mut seen = 0;
        let reached = counts().take_while(|count| {
            seen += count;
            seen < rank
        });
        Self::STEP * u32::try_from(reached.count() + 1).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [500, 990, 1_000].map(|share| self.per_mille(share));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}, max {all:.1?}")
    }
}

/// A running engine.
pub(super) struct InProcess {
    store: Arc<PgStore>,
    handle: Handle,
    pub(super) lateness: Arc<Lateness>,
    stop: CancellationToken,
    running: JoinSet<pingmon_core::error::Result<Summary>>,
}

/// What an engine did in a while, and what that cost.
pub(super) struct Measured {
    pub(super) time: Duration,
    pub(super) runs: u64,
    pub(super) missed: u64,
    pub(super) own_cpu: Duration,
    pub(super) postgres_cpu: Duration,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.runs as f64 / self.time.as_secs_f64()
    }

    /// Microseconds on a processor for each run.
    pub(super) fn per_run(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.runs.max(1) as f64
    }
}

impl InProcess {
    /// Defines monitors, and starts an engine that runs them.
    pub(super) async fn start(stand: &Stand, monitors: u32, every: Duration) -> Result<Self> {
        let store = Arc::new(PgStore::connect(&stand.store()).await?);
        let all: Vec<_> = (0..monitors).map(|n| Definition::new(fleet::name(n), KIND).every(every)).collect();
        let bar = progress::bar("defining", all.len() as u64);
        for page in all.chunks(PAGE) {
            store.put(page.to_vec()).await?;
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        let lateness = Arc::new(Lateness::new());
        let noted = Arc::clone(&lateness);
        let kind = check::from_fn(KIND, move |cx| {
            noted.add(cx.started_at.since(cx.slot));
            std::future::ready(Ok(Outcome::up("")))
        });
        let engine = Engine::builder(Arc::clone(&store) as Arc<dyn Store>);
        let engine = engine.kind(kind.cooperative()).concurrency(CONCURRENCY).build()?;
        let (handle, stop, mut running) = (engine.handle(), CancellationToken::new(), JoinSet::new());
        running.spawn(engine.run(stop.clone().cancelled_owned()));
        Ok(Self { store, handle, lateness, stop, running })
    }

    /// Waits until that many runs are recorded.
    pub(super) async fn wait_for_runs(&self, runs: u64) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let bar = progress::bar("first runs", runs);
        while self.handle.vitals().recorded < runs {
            if Instant::now() > until {
                let recorded = self.handle.vitals().recorded;
                return Err(format!("only {recorded} of {runs} first runs within {PATIENCE:?}").into());
            }
            bar.set_position(self.handle.vitals().recorded);
            sleep(Duration::from_millis(100)).await;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits until an interval goes by in which no slot is missed: what the engine found overdue when it started has a
    /// rhythm again.
    pub(super) async fn settle(&self, every: Duration) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let missed = self.handle.vitals().missed;
            progress::pass("settling", every).await;
            if self.handle.vitals().missed == missed {
                return Ok(());
            }
        }
        Err(format!("slots were still missed after {PATIENCE:?}").into())
    }

    /// Measures for a while.
    pub(super) async fn measure(&self, stand: &mut Stand, time: Duration) -> Result<Measured> {
        self.lateness.clear();
        let began = Instant::now();
        let (vitals, own, postgres) = (self.handle.vitals(), usage()?.cpu, stand.cluster()?.cpu()?);
        progress::pass("measuring", time).await;
        let (then, own_then, postgres_then) = (self.handle.vitals(), usage()?.cpu, stand.cluster()?.cpu()?);
        Ok(Measured {
            time: began.elapsed(),
            runs: then.recorded - vitals.recorded,
            missed: then.missed - vitals.missed,
            own_cpu: own_then.saturating_sub(own),
            postgres_cpu: postgres_then.saturating_sub(postgres),
        })
    }

    /// Stops the engine; answers what it did.
    pub(super) async fn stop(mut self) -> Result<Summary> {
        self.stop.cancel();
        let summary = self.running.join_next().await.ok_or("the engine has ended by itself")???;
        self.store.close().await;
        Ok(summary)
    }
}

/// What this process has cost so far.
pub(super) fn usage() -> Result<Usage> {
    Usage::of(process::id())
}
