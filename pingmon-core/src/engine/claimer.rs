//! Keeps the engine at its fair share: claims what nobody owns, gives surplus back a little at a time, and notices what
//! was edited or taken away between runs.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Shared, lease::Lease, scheduler::Message, share};
use crate::{
    error::Result,
    id::MonitorId,
    silence::MAX_ALIVE,
    store::{
        catalog::Adoption,
        claims::{Claim, Session},
        silences::SilenceFilter,
    },
};

/// Most monitors in one claim.
const MAX_CLAIM: usize = 1_000;
/// Most claims in one round: others may have joined meanwhile, and the shares are to be worked out anew.
const MAX_CLAIMS: usize = 10;
/// How many polls a monitor lies free and due until it is claimed whatever the share.
const PASSED_OVER: u32 = 2;
/// Most held monitors compared with the store in one round.
const MAX_COMPARED: usize = 2_000;
/// Most monitors written straight into the database that are taken in at once.
const MAX_ADOPTED: usize = 500;
/// Most monitors that are left to other engines at the same time.
const MAX_LEFT: usize = 1_000;

/// Looks for work each poll interval, and at once when nudged.
pub(super) struct Claimer {
    pub(super) shared: Arc<Shared>,
    pub(super) leases: watch::Receiver<Option<Lease>>,
    pub(super) scheduler: mpsc::UnboundedSender<Message>,
    /// Where the comparison with the store goes on.
    cursor: Option<MonitorId>,
    /// The monitors that another engine is to run next, and until when they are left to it.
    left: HashMap<MonitorId, Instant>,
    /// Whether the store may have given us monitors, or taken some back, without our hearing of it.
    in_doubt: bool,
}

/// What a round did, as it is logged.
#[derive(Default)]
struct Round {
    acquired: u64,
    given_back: u64,
}

impl Claimer {
    pub(super) fn new(
        shared: Arc<Shared>,
        leases: watch::Receiver<Option<Lease>>,
        scheduler: mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self { shared, leases, scheduler, cursor: None, left: HashMap::new(), in_doubt: false }
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

    /// The shares are worked out anew each time: that an engine died or left shows with its lease, not with the next
    /// renewal of ours.
    async fn round(&mut self, lease: Lease) -> Result<()> {
        self.release_unheld(lease).await?;
        self.hand_over(lease).await?;
        let sessions = self.shared.store.sessions().await?;
        let share = share::fair_share(&sessions, lease.session, lease.monitors);
        self.shared.gauges.shares(share.min(lease.monitors));
        self.follow_silences().await;
        self.adopt().await;
        let given_back = self.shed(lease, share).await?;
        let acquired = self.claim(lease, share).await?;
        self.report(lease, &sessions, &Round { acquired, given_back });
        self.compare(lease).await
    }

    /// Gives back what the store may say is ours and the scheduler doesn't hold: nobody would run it. That is looked for
    /// after an answer that was lost, and when the store refuses the run of a monitor that is ours all the same: then it
    /// has forgotten what it said, in a failover, and may have forgotten that we gave others back. When the scheduler is
    /// stopping, nobody knows what it holds, and leaving gives everything back anyway.
    async fn release_unheld(&mut self, lease: Lease) -> Result<()> {
        let dropped = self.shared.take_dropped();
        if !dropped.is_empty() {
            let lost = self.shared.store.lost(lease.session, &dropped).await?;
            self.in_doubt |= lost.len() < dropped.len();
        }
        if self.in_doubt {
            let owned = self.shared.store.owned(lease.session).await?;
            let unheld = self.ask(|answer| Message::Unheld(owned, answer)).await.unwrap_or_default();
            self.release(lease, &unheld).await?;
        }
        self.in_doubt = false;
        Ok(())
    }

    /// Leaves monitors to the other engines for a second opinion: should none want them within a lease, nobody else can
    /// run them.
    async fn hand_over(&mut self, lease: Lease) -> Result<()> {
        let now = Instant::now();
        self.left.retain(|_, until| *until > now);
        let monitors = self.shared.take_handed_over();
        let until = now + self.shared.settings.lease;
        let room = MAX_LEFT.saturating_sub(self.left.len());
        self.left.extend(monitors.iter().take(room).map(|monitor| (*monitor, until)));
        let released = self.release(lease, &monitors).await;
        // What isn't known to be released is found by looking for what isn't held.
        self.in_doubt |= released.is_err();
        released
    }

    /// Reads what people want to hear nothing of. That this fails keeps nobody from claiming, and what was known stands.
    async fn follow_silences(&self) {
        match self.shared.store.silences(SilenceFilter::all().alive(), MAX_ALIVE).await {
            Ok(silences) => self.shared.holds.replace_silences(silences),
            Err(error) => self.shared.store_failed("read the silences", &error),
        }
    }

    /// Takes in what people wrote straight into the database. That this fails keeps nobody from claiming the rest.
    async fn adopt(&self) {
        match self.shared.store.adopt(MAX_ADOPTED).await {
            Ok(adopted) => adopted.into_iter().for_each(|Adoption { name, problem }| match problem {
                None => tracing::info!(monitor = name, "took in a monitor"),
                Some(problem) => tracing::warn!(monitor = name, problem, "a monitor can't be taken in"),
            }),
            Err(error) => self.shared.store_failed("take monitors in", &error),
        }
    }

    /// Gives surplus back; answers how much.
    async fn shed(&self, lease: Lease, share: u64) -> Result<u64> {
        let settings = &self.shared.settings;
        let rounds = (settings.lease.as_millis() / settings.poll.as_millis().max(1)).max(1);
        let count = share::surplus(self.shared.gauges.held(), share, u64::try_from(rounds).unwrap_or(u64::MAX));
        if count == 0 {
            return Ok(0);
        }
        let given_up = self.ask(|answer| Message::Shed(usize::try_from(count).unwrap_or(MAX_CLAIM), answer)).await;
        let given_up = given_up.unwrap_or_default();
        self.release(lease, &given_up).await?;
        Ok(given_up.len() as u64)
    }

    async fn release(&self, lease: Lease, monitors: &[MonitorId]) -> Result<()> {
        if monitors.is_empty() { Ok(()) } else { self.shared.store.release(lease.session, monitors).await }
    }

    /// Claims up to the share; answers how many. What others have left lying is claimed beyond it: better one engine with
    /// more than its part than a monitor that nobody runs. A dead engine's session has a share too until it ends.
    async fn claim(&self, lease: Lease, share: u64) -> Result<u64> {
        let room = share.saturating_sub(self.shared.gauges.held());
        let acquired = self.take(lease, room).await?;
        if acquired < room {
            return Ok(acquired);
        }
        Ok(acquired + self.take(lease, self.left_lying().await?).await?)
    }

    /// How many free monitors have been due for so long that everybody who has room for them has passed them over, or
    /// are to be run at once by another engine than the last.
    async fn left_lying(&self) -> Result<u64> {
        let now = self.shared.clock.now();
        let since = now - PASSED_OVER * self.shared.settings.poll;
        let due = self.shared.store.overdue(now, MAX_CLAIM).await?;
        let wanted = |claim: &&Claim| {
            let waits = claim.slot < since || claim.health.second_opinion;
            waits
                && self.shared.registry.knows(&claim.monitor.definition.kind)
                && !self.left.contains_key(&claim.monitor.id)
        };
        Ok(due.iter().filter(wanted).count() as u64)
    }

    /// Claims as many as there is room for, due first; answers how many those were.
    async fn take(&self, lease: Lease, mut room: u64) -> Result<u64> {
        let kinds = self.shared.registry.names();
        let left: Vec<_> = self.left.keys().copied().collect();
        let mut acquired = 0;
        for _ in 0..MAX_CLAIMS {
            if room == 0 || !lease.is_alive() {
                return Ok(acquired);
            }
            let limit = usize::try_from(room).unwrap_or(MAX_CLAIM).min(MAX_CLAIM);
            let claims = self.shared.store.claim_except(lease.session, kinds, &left, limit).await?;
            let (count, now) = (claims.len(), self.shared.clock.now());
            if count > 0 {
                let held = claims
                    .into_iter()
                    .map(|claim| self.shared.registry.hold(claim, lease, &self.shared.store, now))
                    .collect();
                // The scheduler may be gone already, at the end of a shutdown.
                let _ = self.scheduler.send(Message::Claimed(lease.session, held));
            }
            acquired += count as u64;
            room = room.saturating_sub(count as u64);
            if count < limit {
                return Ok(acquired);
            }
        }
        // There is more: the next round comes at once.
        self.shared.nudge.notify_one();
        Ok(acquired)
    }

    /// One event a round; loud only when something moved. What others hold is what they said last.
    fn report(&self, lease: Lease, sessions: &[Session], round: &Round) {
        let Round { acquired, given_back } = *round;
        let others = sessions.iter().filter(|other| other.info.id != lease.session);
        let held_by_others: u64 = others.map(|other| u64::from(other.info.held)).sum();
        let vitals = self.shared.gauges.read();
        let held = (vitals.held + acquired).min(lease.monitors);
        let available = lease.monitors.saturating_sub(held + held_by_others);
        let (session, sessions, share) = (lease.session, sessions.len(), vitals.share);
        macro_rules! say {
            ($level:ident) => {
                tracing::$level!(
                    %session, sessions, share, available, acquired, given_back, held, held_by_others,
                    running = vitals.running, late = vitals.late, lost = vitals.lost, "claimed"
                )
            };
        }
        if acquired + given_back > 0 { say!(info) } else { say!(debug) }
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
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
