//! What the monitors watch: answers 200 after a while that the path names, or 503 to those it is told to fail, and keeps
//! a log of who came when.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use pingmon_core::time::{Clock as _, SystemClock, Timestamp};

use super::server::Server;
use crate::Result;

/// A request of a monitor.
struct Hit {
    monitor: u32,
    at: Timestamp,
}

/// Every so many of the monitors are answered 503.
type Failing = Option<u32>;

#[derive(Default)]
struct Log {
    hits: Vec<Hit>,
    failing: Failing,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Target {
    server: Server,
    shared: Arc<Shared>,
}

impl Target {
    pub(crate) async fn open() -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let router = Router::new().route("/{delay}/{monitor}", get(answer)).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::open(router).await?, shared })
    }

    /// Where that monitor is to look, and be answered after `delay`.
    pub(crate) fn url(&self, monitor: u32, delay: Duration) -> String {
        format!("http://{}/{}/{monitor}", self.server.address, delay.as_millis())
    }

    /// Refuses connections from now on; answers since when.
    pub(crate) async fn close(&mut self) -> Timestamp {
        self.server.close().await;
        SystemClock.now()
    }

    /// Takes connections again; answers the last moment at which it didn't.
    pub(crate) async fn reopen(&mut self) -> Result<Timestamp> {
        let at = SystemClock.now();
        self.server.reopen().await?;
        Ok(at)
    }

    /// Answers 503 to every so many of the monitors that come from now on: all of them with 1.
    pub(crate) fn fail(&self, every_so_many: u32) {
        self.shared.log().failing = Some(every_so_many.max(1));
    }

    /// Answers 200 to all who come from now on.
    pub(crate) fn recover(&self) {
        self.shared.log().failing = None;
    }

    /// How many requests were under way at once at most.
    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Relaxed)
    }

    /// When each monitor came, in microseconds since 1970, in order.
    pub(crate) fn hits(&self) -> BTreeMap<u32, Vec<i64>> {
        let mut hits: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for hit in &self.shared.log().hits {
            hits.entry(hit.monitor).or_default().push(hit.at.as_micros());
        }
        hits
    }
}

async fn answer(State(shared): State<Arc<Shared>>, Path((delay, monitor)): Path<(u64, u32)>) -> StatusCode {
    let _under_way = UnderWay::begin(&shared);
    let fails = {
        let mut log = shared.log();
        log.hits.push(Hit { monitor, at: SystemClock.now() });
        log.failing.is_some_and(|every_so_many| monitor % every_so_many == 0)
    };
    tokio::time::sleep(Duration::from_millis(delay)).await;
    if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// Counts a request as under way until it is answered or given up.
struct UnderWay<'a>(&'a Shared);

impl<'a> UnderWay<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let now = shared.under_way.fetch_add(1, Relaxed) + 1;
        shared.most_under_way.fetch_max(now, Relaxed);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}
