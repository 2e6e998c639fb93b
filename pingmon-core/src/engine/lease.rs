//! Keeps the engine's session alive: renews it every third of the lease and tells the other tasks how long it holds. It
//! claims nothing.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Shared, backoff::Backoff};
use crate::{
    error::Error,
    id::SessionId,
    store::claims::{GapReason, Renewal, SessionInfo},
};

/// The engine's session as its tasks see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lease {
    pub(super) session: SessionId,
    /// The local moment after which nothing may be started: counted from before the store was asked.
    pub(super) deadline: Instant,
    /// How many monitors are this engine's fair part.
    pub(super) share: u64,
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
    let settings = &shared.settings;
    let mut info =
        SessionInfo::new(SessionId::new(), settings.host.clone(), settings.version.clone(), settings.capacity);
    let mut backoff = Backoff::new(Duration::from_millis(100), settings.lease / 6);
    let (mut hole, mut failed) = (GapReason::NoEngine, false);
    while !stop.is_cancelled() {
        let asked = Instant::now();
        info.held = u32::try_from(shared.gauges.held()).unwrap_or(u32::MAX);
        let pause = match shared.store.renew(&info, settings.lease).await {
            Ok(renewal) => {
                shared.clock.anchor(asked, Instant::now(), renewal.now);
                let deadline = asked + settings.lease;
                let share = fair_share(&renewal, &info);
                let joined = leases.send_replace(Some(Lease { session: info.id, deadline, share, hole })).is_none();
                shared.gauges.joined(info.id, deadline);
                backoff.reset();
                failed = false;
                if !joined {
                    hole = GapReason::NoEngine;
                }
                settings.lease / 3
            }
            Err(Error::SessionEnded) => {
                tracing::warn!(session = %info.id, "the session has ended; joining as a new one");
                info.id = SessionId::new();
                hole = if failed { GapReason::StoreDown } else { GapReason::NoEngine };
                leases.send_replace(None);
                shared.gauges.left();
                Duration::ZERO
            }
            Err(error) => {
                failed = true;
                shared.store_failed("renew the session", &error);
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// An engine alone takes everything; several share by capacity, rounded up.
fn fair_share(renewal: &Renewal, info: &SessionInfo) -> u64 {
    if renewal.sessions.len() <= 1 {
        return u64::MAX;
    }
    let total: u64 = renewal.sessions.iter().map(|session| u64::from(session.info.capacity)).sum();
    let part = u128::from(renewal.monitors) * u128::from(info.capacity);
    u64::try_from(part.div_ceil(u128::from(total.max(1)))).unwrap_or(u64::MAX)
}
