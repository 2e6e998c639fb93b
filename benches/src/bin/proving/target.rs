//! What the monitors watch: answers 200 after a while that the path names, and keeps a log of who came when.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use pingmon_core::time::{Clock as _, SystemClock, Timestamp};

use crate::{Result, server::Server};

/// A request of a monitor.
struct Hit {
    monitor: u32,
    at: Timestamp,
}

type Log = Arc<Mutex<Vec<Hit>>>;

pub(crate) struct Target {
    server: Server,
    log: Log,
}

impl Target {
    pub(crate) async fn open() -> Result<Self> {
        let log = Log::default();
        let router = Router::new().route("/{delay}/{monitor}", get(answer)).with_state(Arc::clone(&log));
        Ok(Self { server: Server::open(router).await?, log })
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

    /// When each monitor came, in microseconds since 1970, in order.
    pub(crate) fn hits(&self) -> BTreeMap<u32, Vec<i64>> {
        let mut hits: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for hit in self.log.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hits.entry(hit.monitor).or_default().push(hit.at.as_micros());
        }
        hits
    }
}

async fn answer(State(log): State<Log>, Path((delay, monitor)): Path<(u64, u32)>) -> &'static str {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(Hit { monitor, at: SystemClock.now() });
    tokio::time::sleep(Duration::from_millis(delay)).await;
    "ok"
}
