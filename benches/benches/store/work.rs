//! The work: many HTTP monitors, each run of which stores what an HTTP check stores; and sessions that do it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use pingmon_core::{
    id::SessionId,
    monitor::Definition,
    outcome::Outcome,
    store::{
        Store,
        claims::{Claim, Completion, SessionInfo, Verdict},
    },
};
use serde_json::json;

pub(crate) const KIND: &str = "http";
pub(crate) const EVERY: Duration = Duration::from_secs(30);
pub(crate) const LEASE: Duration = Duration::from_secs(86_400);
pub(crate) const MONITORS: usize = 100_000;

pub(crate) fn definitions(count: usize) -> Vec<Definition> {
    let definition = |n| {
        let config = json!({ "url": format!("https://shop.example/{n}/health"), "expect": { "status": ["2xx"] } });
        Definition::new(format!("monitor {n:06}"), KIND)
            .every(EVERY)
            .config(config)
            .notify(["ops"])
            .label("team", "shop")
    };
    (0..count).map(definition).collect()
}

/// Defines all monitors.
pub(crate) async fn define(store: &dyn Store) {
    for definitions in definitions(MONITORS).chunks(5_000) {
        store.put(definitions.to_vec()).await.unwrap();
    }
}

/// What a run of an HTTP check stores.
pub(crate) fn run(claim: &Claim) -> Completion {
    let ms = Duration::from_millis;
    let outcome =
        Outcome::up("200 OK").latency(ms(42)).phase("dns", ms(3)).phase("connect", ms(9)).phase("tls", ms(20));
    Completion::new(claim, claim.slot + ms(4), outcome, claim.slot + EVERY)
}

/// A session with the monitors that it holds, which it runs in batches that wander over all of them, as slots spread
/// over time do.
pub(crate) struct Worker {
    pub(crate) session: SessionId,
    claims: Vec<Claim>,
    at: usize,
}

impl Worker {
    /// Joins and claims up to `count` monitors.
    pub(crate) async fn join(store: &dyn Store, count: usize) -> Self {
        let session = SessionId::new();
        store.renew(&SessionInfo::new(session, "bench", "0", 1), LEASE).await.unwrap();
        let mut claims = Vec::with_capacity(count);
        while claims.len() < count {
            let room = (count - claims.len()).min(1_000);
            let claimed = store.claim(session, &[Cow::Borrowed(KIND)], room).await.unwrap();
            assert!(!claimed.is_empty(), "there are monitors for all");
            claims.extend(claimed);
        }
        fastrand::Rng::with_seed(7).shuffle(&mut claims);
        Self { session, claims, at: 0 }
    }

    /// The runs that are due next.
    pub(crate) fn due(&mut self, size: usize) -> Vec<Completion> {
        self.at = if self.at + size > self.claims.len() { 0 } else { self.at };
        self.claims[self.at..self.at + size].iter().map(run).collect()
    }

    /// Moves on the monitors whose runs are stored.
    pub(crate) fn done(&mut self, size: usize) {
        self.claims[self.at..self.at + size].iter_mut().for_each(|claim| claim.slot = claim.slot + EVERY);
        self.at += size;
    }

    pub(crate) async fn complete(&mut self, store: &Arc<dyn Store>, size: usize) {
        let batch = self.due(size);
        let verdicts = store.complete(self.session, &batch).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
        self.done(size);
    }
}
