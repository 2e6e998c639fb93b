//! Keeps the engine's session alive: renews it every third of the lease and tells the other tasks how long it holds. It
//! claims nothing.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    backoff::Backoff,
    share::{FULL_WEIGHT, next_weight},
};
use crate::{
    error::Error,
    id::SessionId,
    store::claims::{GapReason, Renewal, SessionInfo},
    time::{Span, Timestamp},
};

/// The engine's session as its tasks see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lease {
    pub(super) session: SessionId,
    /// The local moment after which nothing may be started: counted from before the store was asked.
    pub(super) deadline: Instant,
    /// Since when there has been an engine: when the oldest living session joined.
    pub(super) since: Timestamp,
    /// How many engines there are.
    pub(super) workers: usize,
    /// How many monitors there are to share.
    pub(super) monitors: u64,
    /// Why nobody ran the slots that went by before this session.
    pub(super) hole: GapReason,
}

impl Lease {
    pub(super) fn is_alive(&self) -> bool {
        Instant::now() < self.deadline
    }
}

/// Renews until told to stop. Publishes `None` between sessions.
pub(super) async fn keep(shared: Arc<Shared>, leases: watch::Sender<Option<Lease>>, stop: CancellationToken) {
    let mut keeper = Keeper::new(shared, leases);
    while !stop.is_cancelled() {
        let pause = keeper.renew().await;
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Keeper {
    shared: Arc<Shared>,
    leases: watch::Sender<Option<Lease>>,
    info: SessionInfo,
    /// When the session joined, as the store wrote it down.
    joined_at: Option<Timestamp>,
    /// Why nobody ran the slots that went by before this session.
    hole: GapReason,
    failed: bool,
    backoff: Backoff,
}

impl Keeper {
    fn new(shared: Arc<Shared>, leases: watch::Sender<Option<Lease>>) -> Self {
        let settings = &shared.settings;
        let (host, version) = (settings.host.clone(), settings.version.clone());
        let mut info = SessionInfo::new(SessionId::new(), host, version, settings.capacity);
        info.concurrency = u32::try_from(settings.concurrency).unwrap_or(u32::MAX);
        info.weight = FULL_WEIGHT;
        let backoff = Backoff::new(Duration::from_millis(100), settings.lease / 6);
        Self { shared, leases, info, joined_at: None, hole: GapReason::NoEngine, failed: false, backoff }
    }

    /// Renews once; answers how long to wait before the next time.
    async fn renew(&mut self) -> Duration {
        let lease = self.shared.settings.lease;
        self.report();
        let asked = Instant::now();
        // An answer that doesn't come must not use up the lease: the next try may go another way.
        let renewed = timeout(lease / 3, self.shared.store.renew(&self.info, lease)).await;
        match renewed.unwrap_or_else(|_| Err(no_answer())) {
            Ok(renewal) if self.was_forgotten(&renewal) => {
                tracing::warn!(session = %self.info.id, "the store has lost what it knew of the session; joining anew");
                self.leave().await;
                self.begin_anew()
            }
            Ok(renewal) => {
                self.publish(asked, &renewal);
                lease / 3
            }
            Err(Error::SessionEnded) => {
                tracing::warn!(session = %self.info.id, "the session has ended; joining as a new one");
                self.begin_anew()
            }
            Err(error) => {
                self.failed = true;
                self.shared.store_failed("renew the session", &error);
                self.backoff.next()
            }
        }
    }

    /// Brings what the session says of itself up to date.
    fn report(&mut self) {
        let load = self.shared.gauges.take_load();
        self.info.held = u32::try_from(load.held).unwrap_or(u32::MAX);
        self.info.running = u32::try_from(load.running).unwrap_or(u32::MAX);
        self.info.share = load.share;
        self.info.lateness = Span(load.lateness);
        self.info.weight = next_weight(self.info.weight, load.lateness);
    }

    /// Whether the store wrote the session down as a new one though it had joined before: what it owned is forgotten with
    /// it. So it is after a failover to a standby that hadn't heard of it.
    fn was_forgotten(&self, renewal: &Renewal) -> bool {
        self.joined_at.is_some_and(|known| joined_at(renewal, self.info.id).is_some_and(|joined| joined != known))
    }

    fn publish(&mut self, asked: Instant, renewal: &Renewal) {
        self.shared.clock.anchor(asked, Instant::now(), renewal.now);
        let (session, deadline) = (self.info.id, asked + self.shared.settings.lease);
        self.joined_at = joined_at(renewal, session);
        let since = renewal.sessions.iter().map(|living| living.joined_at).min().unwrap_or(renewal.now);
        let (workers, monitors) = (renewal.sessions.len(), renewal.monitors);
        let lease = Lease { session, deadline, since, workers, monitors, hole: self.hole };
        let joined = self.leases.send_replace(Some(lease)).is_none();
        self.shared.gauges.joined(session, deadline);
        match joined {
            true => tracing::info!(%session, sessions = renewal.sessions.len(), "joined"),
            false => self.hole = GapReason::NoEngine,
        }
        self.backoff.reset();
        self.failed = false;
    }

    /// Ends a session that nobody runs in: the others would count it until its lease has run out.
    async fn leave(&self) {
        if let Err(error) = self.shared.store.leave(self.info.id).await {
            self.shared.store_failed("leave", &error);
        }
    }

    /// Takes another id: a session that has ended never comes back.
    fn begin_anew(&mut self) -> Duration {
        self.info.id = SessionId::new();
        self.joined_at = None;
        self.hole = if self.failed { GapReason::StoreDown } else { GapReason::NoEngine };
        self.leases.send_replace(None);
        self.shared.gauges.left();
        Duration::ZERO
    }
}

fn no_answer() -> Error {
    Error::Store {
        action: "renew the session",
        retryable: true,
        source: "no answer within a third of the lease".into(),
    }
}

fn joined_at(renewal: &Renewal, session: SessionId) -> Option<Timestamp> {
    renewal.sessions.iter().find(|living| living.info.id == session).map(|living| living.joined_at)
}
