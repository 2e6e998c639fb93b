//! What becomes of monitors: defined, claimed, run, missed, put aside.

use std::collections::BTreeSet;

use super::{Answer, Claim, Model, Monitor};
use crate::{
    conformance::fixture::{EVERY, following},
    incident::{Closed, Event},
    monitor::State,
    outcome::Status,
    schedule::Schedule,
    store::{
        catalog::Change,
        claims::{Gap, GapReason, Verdict},
    },
    time::{Span, Timestamp},
};

impl Model {
    pub(super) fn put(&mut self, name: usize, label: usize) -> Answer {
        let is_there = |monitor: &Monitor| monitor.name == name && monitor.state != State::Retired && !monitor.deleted;
        let Some(n) = self.monitors.iter().position(is_there) else {
            self.monitors.push(Monitor::new(name, label, self.now));
            return Answer::Put(self.monitors.len() - 1, Change::Added);
        };
        let monitor = &mut self.monitors[n];
        if monitor.label == label {
            return Answer::Put(n, Change::Unchanged);
        }
        monitor.label = label;
        monitor.set_state(monitor.state);
        Answer::Put(n, Change::Changed)
    }

    pub(super) fn set_state(&mut self, n: usize, state: State) -> Answer {
        let monitor = &mut self.monitors[n];
        match (monitor.state, state) {
            _ if monitor.deleted => return Answer::NotFound,
            (old, new) if old == new => return Answer::Done,
            (State::Retired, _) => return Answer::NotFound,
            (_, State::Active) => monitor.resume(self.now),
            (_, State::Paused) => self.close(n, Closed::Paused, self.now),
            (_, State::Retired) => self.close(n, Closed::Retired, self.now),
        }
        self.monitors[n].set_state(state);
        Answer::Done
    }

    pub(super) fn delete(&mut self, n: usize) -> Answer {
        if std::mem::replace(&mut self.monitors[n].deleted, true) {
            return Answer::NotFound;
        }
        self.hand_on(n);
        self.notices.retain(|notice| notice.view.monitor != n);
        Answer::Done
    }

    pub(super) fn claim(&mut self, session: usize, limit: usize) -> Answer {
        let mut claimed = Vec::new();
        for n in self.free().into_iter().take(limit) {
            let monitor = &mut self.monitors[n];
            monitor.owner = Some(session);
            let (revision, slot) = (monitor.revision, monitor.slot);
            self.claims.push(Claim { session, monitor: n, revision, slot, run: None });
            claimed.push((n, slot));
        }
        Answer::Claimed(claimed)
    }

    pub(super) fn run(&mut self, n: usize, status: Status) -> Answer {
        let (at, status) = *self.claims[n].run.get_or_insert((self.now, status));
        let claim = self.claims[n].clone();
        let (gap, next_slot) = following(&Schedule::Every(Span(EVERY)), claim.slot, at);
        let pending = self.monitors[claim.monitor].slot;
        if !self.is_alive(claim.session) {
            return Answer::SessionEnded;
        }
        if !self.is_held(&claim) || ![claim.slot, next_slot].contains(&pending) {
            return Answer::Verdict(Verdict::Lost);
        }
        if pending == claim.slot {
            let monitor = &mut self.monitors[claim.monitor];
            monitor.records.push((claim.slot, status));
            monitor.gaps.extend(gap);
            monitor.slot = next_slot;
            match status {
                Status::Down => self.open(claim.monitor, claim.slot, at),
                Status::Up => self.close(claim.monitor, Closed::Recovered, at),
                _ => {}
            }
            self.claims.push(Claim { slot: next_slot, run: None, ..claim });
        }
        Answer::Verdict(Verdict::Accepted)
    }

    fn open(&mut self, n: usize, slot: Timestamp, at: Timestamp) {
        let incidents = &mut self.monitors[n].incidents;
        if incidents.iter().all(|(_, closed)| closed.is_some()) {
            incidents.push((slot, None));
            self.tell(n, Event::Opened, at, true);
        }
    }

    fn close(&mut self, n: usize, why: Closed, at: Timestamp) {
        if let Some((_, closed @ None)) = self.monitors[n].incidents.last_mut() {
            *closed = Some(why);
            self.tell(n, Event::Resolved, at, why == Closed::Recovered);
        }
    }

    pub(super) fn skip(&mut self) -> Answer {
        let overdue: Vec<_> = self.free().into_iter().filter(|n| self.monitors[*n].slot < self.now).collect();
        for n in &overdue {
            let monitor = &mut self.monitors[*n];
            let gap = missed(monitor.slot, self.now);
            monitor.gaps.push(gap);
            monitor.slot = gap.until;
        }
        Answer::Skipped(overdue.len())
    }
}

/// The gap from an overdue slot to the next one.
pub(in super::super) fn missed(slot: Timestamp, now: Timestamp) -> Gap {
    let (_, until) = following(&Schedule::Every(Span(EVERY)), slot, now);
    let slots = (until.since(slot).as_micros() / EVERY.as_micros()) as u64;
    Gap::new(slot, until, slots, GapReason::NoEngine)
}

impl Monitor {
    fn new(name: usize, label: usize, slot: Timestamp) -> Self {
        Self {
            name,
            label,
            revision: 0,
            state: State::Active,
            deleted: false,
            slot,
            owner: None,
            records: Vec::new(),
            gaps: Vec::new(),
            incidents: Vec::new(),
            resumed: BTreeSet::new(),
        }
    }

    fn set_state(&mut self, state: State) {
        self.state = state;
        self.revision += 1;
        self.owner = None;
    }

    fn resume(&mut self, now: Timestamp) {
        if self.slot < now {
            let slots = now.since(self.slot).as_micros().div_ceil(EVERY.as_micros()) as u64;
            self.gaps.push(Gap::new(self.slot, now, slots, GapReason::Paused));
        }
        self.slot = now;
        self.resumed.insert(now);
    }
}
