//! Keeps the engine at its fair share: claims what nobody owns, gives surplus back a little at a time, and notices what
//! was edited or taken away between runs.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Shared, lease::Lease, scheduler::Message};
use crate::{error::Result, id::MonitorId};

/// Most monitors in one claim.
const MAX_CLAIM: usize = 1_000;
/// Most held monitors compared with the store in one round.
const MAX_COMPARED: usize = 2_000;

/// Looks for work each poll interval, and at once when nudged.
pub(super) struct Claimer {
    pub(super) shared: Arc<Shared>,
    pub(super) leases: watch::Receiver<Option<Lease>>,
    pub(super) scheduler: mpsc::UnboundedSender<Message>,
    /// Where the comparison with the store goes on.
    cursor: Option<MonitorId>,
    /// Whether the store may have given us monitors, or taken some back, without our hearing of it.
    in_doubt: bool,
}

impl Claimer {
    pub(super) fn new(
        shared: Arc<Shared>,
        leases: watch::Receiver<Option<Lease>>,
        scheduler: mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self { shared, leases, scheduler, cursor: None, in_doubt: false }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let lease = *self.leases.borrow_and_update();
            if let Some(lease) = lease.filter(Lease::is_alive)
                && let Err(error) = self.round(lease).await
            {
                self.in_doubt = true;
                self.shared.store_failed("claim monitors", &error);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.nudge.notified() => {}
                () = new_session(&mut self.leases, lease) => {}
                () = tokio::time::sleep(self.shared.settings.poll) => {}
            }
        }
    }

    async fn round(&mut self, lease: Lease) -> Result<()> {
        if self.in_doubt {
            self.release_unheld(lease).await?;
            self.in_doubt = false;
        }
        self.shed(lease).await?;
        self.claim(lease).await?;
        self.compare(lease).await
    }

    /// Gives back what the store says is ours and the scheduler doesn't hold: nobody would run it. When the scheduler is
    /// stopping, nobody knows what it holds, and leaving gives everything back anyway.
    async fn release_unheld(&self, lease: Lease) -> Result<()> {
        let Some(held) = self.ask(|answer| Message::List(None, usize::MAX, answer)).await else { return Ok(()) };
        let mut unheld = self.shared.store.owned(lease.session).await?;
        unheld.retain(|monitor| held.binary_search_by_key(monitor, |(held, _)| *held).is_err());
        self.shared.store.release(lease.session, &unheld).await
    }

    /// Gives surplus back: only what exceeds the share by a twentieth, and at most a tenth of what is held a round, so
    /// that a joining engine gets its part without a stampede.
    async fn shed(&self, lease: Lease) -> Result<()> {
        let held = self.shared.gauges.held();
        let surplus = held.saturating_sub(lease.share);
        if surplus == 0 || surplus <= lease.share / 20 {
            return Ok(());
        }
        let count = surplus.min(held.div_ceil(10));
        let given_up = self.ask(|answer| Message::Shed(usize::try_from(count).unwrap_or(MAX_CLAIM), answer)).await;
        self.shared.store.release(lease.session, &given_up.unwrap_or_default()).await
    }

    /// Claims up to the share. Monitors that are long overdue are claimed beyond it: better one engine with more than
    /// its part than a monitor that nobody runs.
    async fn claim(&self, lease: Lease) -> Result<()> {
        let kinds = self.shared.registry.names();
        let overdue = self.shared.take_overdue();
        let mut room = lease.share.saturating_sub(self.shared.gauges.held()).max(overdue);
        while room > 0 && lease.is_alive() {
            let limit = usize::try_from(room).unwrap_or(MAX_CLAIM).min(MAX_CLAIM);
            let claims = self.shared.store.claim(lease.session, kinds, limit).await?;
            let count = claims.len();
            if count > 0 {
                tracing::debug!(session = %lease.session, acquired = count, "claimed monitors");
                let held = claims.into_iter().map(|claim| self.shared.registry.hold(claim, lease.hole)).collect();
                // The scheduler may be gone already, at the end of a shutdown.
                let _ = self.scheduler.send(Message::Claimed(lease.session, held));
            }
            if count < limit {
                break;
            }
            room = room.saturating_sub(count as u64);
        }
        Ok(())
    }

    /// Asks the store about the next few held monitors, and drops those that were edited or taken away.
    async fn compare(&mut self, lease: Lease) -> Result<()> {
        let cursor = self.cursor;
        let listed = self.ask(|answer| Message::List(cursor, MAX_COMPARED, answer)).await.unwrap_or_default();
        self.cursor = listed.last().filter(|_| listed.len() == MAX_COMPARED).map(|(monitor, _)| *monitor);
        if listed.is_empty() {
            return Ok(());
        }
        let lost = self.shared.store.lost(lease.session, &listed).await?;
        if !lost.is_empty() {
            let gone = listed.into_iter().filter(|(monitor, _)| lost.contains(monitor)).collect();
            // The scheduler may be gone already, at the end of a shutdown.
            let _ = self.scheduler.send(Message::Forget(lease.session, gone));
        }
        Ok(())
    }

    /// Asks the scheduler; no answer when it has gone.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.scheduler.send(question(answer)).ok()?;
        answered.await.ok()
    }
}

/// Waits for a session other than that of `lease`.
async fn new_session(leases: &mut watch::Receiver<Option<Lease>>, lease: Option<Lease>) {
    let known = lease.map(|lease| lease.session);
    let is_new = |new: &Option<Lease>| new.is_some_and(|new| Some(new.session) != known);
    if leases.wait_for(is_new).await.is_err() {
        // The keeper has gone: the engine is stopping.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
