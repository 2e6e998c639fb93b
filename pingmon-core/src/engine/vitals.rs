//! How an engine is doing, for readiness answers and pages: numbers that the engine's tasks write and anybody reads.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::id::SessionId;

/// A reading of an engine's vitals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Vitals {
    /// The present session; none before the first join and between sessions.
    pub session: Option<SessionId>,
    /// Monitors held.
    pub held: u64,
    /// Runs under way.
    pub running: u64,
    /// Runs recorded since the start.
    pub recorded: u64,
    /// Runs whose record the store refused because the monitor had gone to another owner or revision.
    pub lost: u64,
    /// Slots recorded as missed.
    pub missed: u64,
    /// Notices that a channel took.
    pub sent: u64,
    /// Runs that started more than 100 ms after their slot.
    pub late: u64,
    /// How many monitors are the engine's fair share.
    pub share: u64,
    /// How often the store has renewed the session.
    pub renewed: u64,
    /// Runs that came to a verdict, recorded or not.
    pub judged: u64,
    /// How often the outbox was looked into, each channel counted.
    pub looked: u64,
    /// Why the engine isn't doing its work, each in one line; empty when it is.
    pub faults: Vec<String>,
}

impl Vitals {
    /// Whether the engine is doing its work: it has a living session, its scheduler moves, and the store takes what it
    /// writes.
    pub fn is_ready(&self) -> bool {
        self.faults.is_empty()
    }

    /// Why it can't be said that the engine has done its work since an `earlier` reading, each reason in one line; empty
    /// when it has: its claims were renewed, the verdicts there were at that time are settled, and the outbox was looked
    /// into, where there are `channels`. A heartbeat to somebody who watches the watcher is sent only then.
    pub fn stalled_since(&self, earlier: &Self, channels: usize) -> Vec<String> {
        let mut reasons = self.faults.clone();
        let mut unless = |moved: bool, reason: &str| {
            if !moved {
                reasons.push(reason.to_owned());
            }
        };
        unless(self.renewed > earlier.renewed, "the session wasn't renewed");
        unless(self.recorded + self.lost >= earlier.judged, "verdicts weren't recorded");
        unless(channels == 0 || self.looked > earlier.looked, "the outbox wasn't looked into");
        reasons
    }
}

/// How long the scheduler may stand still before that is a fault.
const STALL: Duration = Duration::from_secs(5);

/// A run that starts later than this after its slot counts as late.
const LATE: Duration = Duration::from_millis(100);

/// Where the engine's tasks write.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    held: AtomicU64,
    running: AtomicU64,
    recorded: AtomicU64,
    lost: AtomicU64,
    missed: AtomicU64,
    sent: AtomicU64,
    late: AtomicU64,
    share: AtomicU64,
    renewed: AtomicU64,
    judged: AtomicU64,
    looked: AtomicU64,
    /// The worst since it was taken, in microseconds.
    lateness: AtomicU64,
    state: Mutex<State>,
}

/// How much an engine has to do.
pub(super) struct Load {
    pub(super) held: u64,
    pub(super) running: u64,
    pub(super) share: u64,
    /// How much later than it could a run was started at worst.
    pub(super) lateness: Duration,
}

/// What is written rarely.
#[derive(Debug, Default)]
struct State {
    session: Option<(SessionId, Instant)>,
    beat: Option<Instant>,
    store_fault: Option<String>,
    stopped: bool,
}

impl Gauges {
    /// The scheduler turned its wheel.
    pub(super) fn beat(&self) {
        self.with(|state| state.beat = Some(Instant::now()));
    }

    /// The session holds until `deadline`, which the store has just written down.
    pub(super) fn joined(&self, session: SessionId, deadline: Instant) {
        self.with(|state| {
            state.session = Some((session, deadline));
            state.store_fault = None;
        });
        self.renewed.fetch_add(1, Relaxed);
    }

    /// There is no session for now.
    pub(super) fn left(&self) {
        self.with(|state| state.session = None);
    }

    /// The store refused a write, or takes them again.
    pub(super) fn store_fault(&self, fault: Option<String>) {
        self.with(|state| state.store_fault = fault);
    }

    /// The engine stopped.
    pub(super) fn stopped(&self) {
        self.with(|state| state.stopped = true);
    }

    /// A run started that much after its slot.
    pub(super) fn started(&self, after_slot: Duration) {
        self.running.fetch_add(1, Relaxed);
        if after_slot > LATE {
            self.late.fetch_add(1, Relaxed);
        }
    }

    /// A run started, or waits, that long after it could have started.
    pub(super) fn lags(&self, lateness: Duration) {
        self.lateness.fetch_max(u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// That many monitors are the engine's fair share.
    pub(super) fn shares(&self, share: u64) {
        self.share.store(share, Relaxed);
    }

    /// What there is to do, and the worst lateness since this was asked last.
    pub(super) fn take_load(&self) -> Load {
        Load {
            held: self.held.load(Relaxed),
            running: self.running.load(Relaxed),
            share: self.share.load(Relaxed),
            lateness: Duration::from_micros(self.lateness.swap(0, Relaxed)),
        }
    }

    /// A run ended.
    pub(super) fn ended(&self) {
        self.running.fetch_sub(1, Relaxed);
    }

    /// A run came to a verdict.
    pub(super) fn judged(&self) {
        self.judged.fetch_add(1, Relaxed);
    }

    /// The outbox was looked into for one channel.
    pub(super) fn looked(&self) {
        self.looked.fetch_add(1, Relaxed);
    }

    /// That many monitors are held.
    pub(super) fn holds(&self, held: usize) {
        self.held.store(held as u64, Relaxed);
    }

    /// Nothing is held and nothing runs: a session is over.
    pub(super) fn cleared(&self) {
        self.held.store(0, Relaxed);
        self.running.store(0, Relaxed);
    }

    /// How many monitors are held.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Runs were recorded, and with them slots as missed.
    pub(super) fn recorded(&self, runs: usize, missed: u64) {
        self.recorded.fetch_add(runs as u64, Relaxed);
        self.missed.fetch_add(missed, Relaxed);
    }

    /// Runs were refused.
    pub(super) fn lost(&self, runs: usize) {
        self.lost.fetch_add(runs as u64, Relaxed);
    }

    /// A channel took a notice.
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// Reads everything.
    pub(super) fn read(&self) -> Vitals {
        let (session, faults) = self.with(|state| (state.session.map(|(id, _)| id), state.faults()));
        Vitals {
            session,
            held: self.held.load(Relaxed),
            running: self.running.load(Relaxed),
            recorded: self.recorded.load(Relaxed),
            lost: self.lost.load(Relaxed),
            missed: self.missed.load(Relaxed),
            sent: self.sent.load(Relaxed),
            late: self.late.load(Relaxed),
            share: self.share.load(Relaxed),
            renewed: self.renewed.load(Relaxed),
            judged: self.judged.load(Relaxed),
            looked: self.looked.load(Relaxed),
            faults,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.stopped {
            faults.push("the engine has stopped".to_owned());
            return faults;
        }
        match self.beat {
            None => faults.push("the engine hasn't started".to_owned()),
            Some(beat) if beat.elapsed() > STALL => {
                faults.push(format!("the scheduler has stood still for {} s", beat.elapsed().as_secs()));
            }
            Some(_) => {}
        }
        match self.session {
            None => faults.push("the engine has no session with the store".to_owned()),
            Some((_, deadline)) if deadline <= Instant::now() => {
                faults.push("the engine's lease has run out".to_owned())
            }
            Some(_) => {}
        }
        faults.extend(self.store_fault.iter().map(|fault| format!("the store takes no writes: {fault}")));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_done_its_work_when_claims_results_and_outbox_moved_on() {
        let earlier = Vitals { renewed: 1, judged: 5, recorded: 4, looked: 9, ..Vitals::default() };
        let idle = Vitals { renewed: 2, recorded: 5, looked: 10, ..earlier.clone() };
        let busy = Vitals { judged: 9, recorded: 8, ..idle.clone() };
        let refused = Vitals { recorded: 4, lost: 1, ..idle.clone() };
        for well in [&idle, &busy, &refused] {
            assert!(well.stalled_since(&earlier, 1).is_empty(), "{well:?}");
        }
        for (ill, reason) in [
            (Vitals { renewed: 1, ..idle.clone() }, "the session wasn't renewed"),
            (Vitals { recorded: 4, ..idle.clone() }, "verdicts weren't recorded"),
            (Vitals { looked: 9, ..idle.clone() }, "the outbox wasn't looked into"),
            (Vitals { faults: vec!["the engine has stopped".to_owned()], ..idle.clone() }, "the engine has stopped"),
        ] {
            assert_eq!(ill.stalled_since(&earlier, 1), [reason]);
        }
        assert!(
            Vitals { looked: 9, ..idle }.stalled_since(&earlier, 0).is_empty(),
            "without channels there is no outbox"
        );
    }
}
