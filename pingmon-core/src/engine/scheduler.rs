//! The timer queue: holds the engine's monitors and starts each run at its exact instant. One task owns all of it, so
//! nothing here is locked. It doesn't talk to the store; the claimer, the lease keeper and the committer do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    committer::Finished,
    lease::Lease,
    permits::Permits,
    registry::Held,
    runner::{self, Ended, Job},
};
use crate::{
    id::{MonitorId, SessionId},
    incident::Health,
    store::claims::{Completion, Verdict},
    time::Timestamp,
};

/// The wheel turns at least this often, so that standing still shows.
const BEAT: Duration = Duration::from_secs(1);
/// Most runs started before messages are looked at again.
const MAX_STARTS: usize = 1_024;

/// What other tasks tell the scheduler.
pub(super) enum Message {
    /// Monitors claimed in that session, ready to run.
    Claimed(SessionId, Vec<Held>),
    /// What the store said of runs of that session.
    Committed(SessionId, Vec<(Recorded, Verdict)>),
    /// Monitors that the store says aren't held with that revision any more.
    Forget(SessionId, Vec<(MonitorId, i64)>),
    /// Give up that many; answers which.
    Shed(usize, oneshot::Sender<Vec<MonitorId>>),
    /// Which monitors are held, at most that many after that one, with their revisions.
    List(Option<MonitorId>, usize, oneshot::Sender<Vec<(MonitorId, i64)>>),
    /// Which of these monitors aren't held.
    Unheld(Vec<MonitorId>, oneshot::Sender<Vec<MonitorId>>),
}

/// What the scheduler needs to know of a recorded run.
pub(super) struct Recorded {
    monitor: MonitorId,
    revision: i64,
    next_slot: Timestamp,
    health: Option<Health>,
    keep: Option<Arc<[u8]>>,
}

impl From<Completion> for Recorded {
    fn from(run: Completion) -> Self {
        let Completion { monitor, revision, next_slot, health, keep, .. } = run;
        Self { monitor, revision, next_slot, health, keep }
    }
}

/// The scheduler's state.
pub(super) struct Scheduler {
    shared: Arc<Shared>,
    leases: watch::Receiver<Option<Lease>>,
    inbox: mpsc::UnboundedReceiver<Message>,
    finished: mpsc::UnboundedSender<Finished>,
    lease: Option<Lease>,
    held: BTreeMap<MonitorId, Box<Held>>,
    /// When monitors are to start. An entry that says otherwise than the monitor is out of date.
    queue: BinaryHeap<Reverse<(Timestamp, MonitorId)>>,
    permits: Permits,
    runs: JoinSet<Ended>,
}

impl Scheduler {
    pub(super) fn new(
        shared: Arc<Shared>,
        leases: watch::Receiver<Option<Lease>>,
        inbox: mpsc::UnboundedReceiver<Message>,
        finished: mpsc::UnboundedSender<Finished>,
    ) -> Self {
        let permits = Self::permits(&shared);
        Self {
            shared,
            leases,
            inbox,
            finished,
            lease: None,
            held: BTreeMap::new(),
            queue: BinaryHeap::new(),
            permits,
            runs: JoinSet::new(),
        }
    }

    fn permits(shared: &Shared) -> Permits {
        Permits::new(shared.settings.concurrency, &shared.settings.concurrency_of, &shared.registry)
    }

    /// Runs until told to stop, then lets runs under way end within the grace period. Answers how many it cut off.
    pub(super) async fn run(mut self, stop: CancellationToken) -> usize {
        let mut messages = Vec::new();
        loop {
            self.beat();
            let more = self.start_due();
            let wake = if more { Instant::now() } else { self.next_wake() };
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = self.leases.changed() => self.take_lease(),
                Some(ended) = self.runs.join_next() => self.note_ended(ended),
                1.. = self.inbox.recv_many(&mut messages, 256) => self.take_messages(&mut messages),
                () = sleep_until(wake) => {}
            }
        }
        self.finish().await
    }

    /// Says that the wheel turns, and how long the one has waited that waits longest.
    fn beat(&self) {
        self.shared.gauges.beat();
        if let Some(start_at) = self.permits.waiting_since() {
            self.shared.gauges.lags(self.shared.clock.now().since(start_at));
        }
    }

    /// The moment of the next start, or the next beat.
    fn next_wake(&self) -> Instant {
        let beat = Instant::now() + BEAT;
        let due = self.queue.peek().filter(|_| self.lease.is_some_and(|lease| lease.is_alive()));
        due.map_or(beat, |Reverse((start_at, _))| self.shared.clock.instant_of(*start_at).min(beat))
    }

    /// Starts what is due and has room; says whether there may be more.
    fn start_due(&mut self) -> bool {
        let Some(lease) = self.lease.filter(Lease::is_alive) else { return false };
        let now = self.shared.clock.now();
        for _ in 0..MAX_STARTS {
            let Some(Reverse((start_at, monitor))) = self.queue.peek().copied().filter(|Reverse((at, _))| *at <= now)
            else {
                return false;
            };
            self.queue.pop();
            let Some(held) = self.held.get(&monitor).filter(|held| held.start_at == start_at && !held.running) else {
                continue;
            };
            let kind = held.watched.kind;
            if self.permits.take(kind) {
                self.start(lease, monitor, now);
            } else {
                self.permits.wait(kind, start_at, monitor);
            }
        }
        true
    }

    /// Starts the run of a held monitor, for which room has been taken.
    fn start(&mut self, lease: Lease, monitor: MonitorId, now: Timestamp) {
        let Some(held) = self.held.get_mut(&monitor) else { return };
        held.running = true;
        let job = Job::new(lease, held);
        self.shared.gauges.started(now.since(held.slot));
        self.shared.gauges.lags(now.since(held.start_at));
        self.runs.spawn(runner::run(Arc::clone(&self.shared), job));
    }

    fn note_ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        // A run's task neither panics (its check is guarded) nor is it aborted but with the whole set.
        let Ok(Ended { session, monitor, kind, completion }) = ended else { return };
        self.permits.give_back(kind);
        self.shared.gauges.ended();
        if completion.is_some() {
            self.shared.gauges.judged();
        }
        match completion {
            Some(completion) if self.is_current(session, monitor, completion.revision) => {
                // The committer outlives the scheduler.
                let _ = self.finished.send(Finished { session, completion });
            }
            Some(_) => self.shared.gauges.lost(1),
            None => self.requeue(monitor),
        }
        self.start_waiting();
    }

    fn is_current(&self, session: SessionId, monitor: MonitorId, revision: i64) -> bool {
        let held = self.held.get(&monitor).is_some_and(|held| held.watched.revision == revision);
        held && self.lease.is_some_and(|lease| lease.session == session)
    }

    /// Puts a monitor back that couldn't start because the lease was about to end: a renewal may still come.
    fn requeue(&mut self, monitor: MonitorId) {
        if let Some(held) = self.held.get_mut(&monitor) {
            held.running = false;
            self.queue.push(Reverse((held.start_at, monitor)));
        }
    }

    fn start_waiting(&mut self) {
        let Some(lease) = self.lease.filter(Lease::is_alive) else { return };
        let now = self.shared.clock.now();
        while let Some((kind, start_at, monitor)) = self.permits.next_waiting() {
            let due = |held: &Held| held.start_at == start_at && held.watched.kind == kind && !held.running;
            match self.held.get(&monitor).is_some_and(|held| due(held)) {
                true => self.start(lease, monitor, now),
                // It was given up or edited while it waited.
                false => self.permits.give_back(kind),
            }
        }
    }

    fn take_messages(&mut self, messages: &mut Vec<Message>) {
        // Whoever sent one may know of a newer lease than this task has seen.
        if self.leases.has_changed().unwrap_or(false) {
            self.take_lease();
        }
        messages.drain(..).for_each(|message| self.handle(message));
        self.shared.gauges.holds(self.held.len());
    }

    fn handle(&mut self, message: Message) {
        let current = self.lease.map(|lease| lease.session);
        match message {
            Message::Claimed(session, claimed) if current == Some(session) => {
                claimed.into_iter().for_each(|held| self.hold(held));
            }
            Message::Committed(session, settled) if current == Some(session) => {
                settled.into_iter().for_each(|(run, verdict)| self.settle(run, verdict));
            }
            Message::Forget(session, gone) if current == Some(session) => {
                for (monitor, revision) in gone {
                    self.forget(monitor, revision);
                }
            }
            Message::Claimed(..) | Message::Committed(..) | Message::Forget(..) => {}
            // Whoever asked may have gone at the end of a shutdown.
            Message::Shed(count, answer) => drop(answer.send(self.shed(count))),
            Message::List(after, count, answer) => drop(answer.send(self.list(after, count))),
            Message::Unheld(mut monitors, answer) => {
                monitors.retain(|monitor| !self.held.contains_key(monitor));
                drop(answer.send(monitors));
            }
        }
    }

    fn hold(&mut self, held: Held) {
        let monitor = held.watched.id;
        self.queue.push(Reverse((held.start_at, monitor)));
        self.held.insert(monitor, Box::new(held));
    }

    fn settle(&mut self, run: Recorded, verdict: Verdict) {
        let Some(held) = self.held.get_mut(&run.monitor).filter(|held| held.watched.revision == run.revision) else {
            return;
        };
        if verdict == Verdict::Lost {
            self.held.remove(&run.monitor);
            self.shared.note_dropped(run.monitor, run.revision);
            return;
        }
        held.running = false;
        held.hole = None;
        (held.slot, held.start_at) = (run.next_slot, run.next_slot);
        if let Some(health) = run.health {
            held.health = health;
        }
        if let Some(keep) = run.keep {
            held.watched.kept.replace(keep);
        }
        if held.health.second_opinion {
            self.held.remove(&run.monitor);
            self.shared.hand_over(run.monitor);
            return;
        }
        self.queue.push(Reverse((run.next_slot, run.monitor)));
    }

    fn forget(&mut self, monitor: MonitorId, revision: i64) {
        if self.held.get(&monitor).is_some_and(|held| held.watched.revision == revision) {
            self.held.remove(&monitor);
        }
    }

    /// Gives up idle monitors: by lot, so that what is given up and what is kept come due as evenly as before and are as
    /// much work, but those that are due soon only if there aren't enough others, which a new owner has time to take.
    fn shed(&mut self, count: usize) -> Vec<MonitorId> {
        let soon = self.shared.clock.now() + 2 * self.shared.settings.poll;
        let idle = self.held.iter().filter(|(_, held)| !held.running);
        let mut idle: Vec<_> =
            idle.map(|(monitor, held)| (held.start_at < soon, fastrand::u64(..), *monitor)).collect();
        let count = count.min(idle.len());
        if count > 0 && count < idle.len() {
            idle.select_nth_unstable(count - 1);
        }
        let given_up: Vec<_> = idle.into_iter().take(count).map(|(.., monitor)| monitor).collect();
        for monitor in &given_up {
            self.held.remove(monitor);
        }
        given_up
    }

    fn list(&self, after: Option<MonitorId>, count: usize) -> Vec<(MonitorId, i64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let listed = self.held.range((from, Unbounded)).take(count);
        listed.map(|(monitor, held)| (*monitor, held.watched.revision)).collect()
    }

    /// Follows a renewal, or starts over in a new session: what the old one held is no longer ours, and the runs under
    /// way would be refused.
    fn take_lease(&mut self) {
        let lease = *self.leases.borrow_and_update();
        let same = self.lease.zip(lease).is_some_and(|(old, new)| old.session == new.session);
        self.lease = lease;
        if same {
            self.start_waiting();
            return;
        }
        self.held.clear();
        self.queue.clear();
        self.runs = JoinSet::new();
        self.permits = Self::permits(&self.shared);
        self.shared.gauges.cleared();
    }

    /// Lets runs under way end within the grace period, hands their completions on, and cuts off the rest.
    async fn finish(mut self) -> usize {
        let until = Instant::now() + self.shared.settings.grace;
        self.permits.clear_waiting();
        self.queue.clear();
        while let Ok(Some(ended)) = timeout_at(until, self.runs.join_next()).await {
            self.note_ended(ended);
        }
        let cut_off = self.runs.len();
        self.runs.shutdown().await;
        cut_off
    }
}
