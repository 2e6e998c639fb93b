//! The reference: what a store must answer and hold after each move, in the plainest words. Everything is known by its
//! number in the story, time by its distance from the start.

use std::{collections::BTreeSet, time::Duration};

use super::{
    moves::{End, Move},
    view::{MonitorView, NoticeView, View},
};
use crate::{
    conformance::fixture::{EVERY, LEASE, following},
    incident::{Closed, Event},
    monitor::State,
    notification::DeliveryState,
    outcome::Status,
    schedule::Schedule,
    store::{
        catalog::Change,
        claims::{Gap, GapReason, Verdict},
    },
    time::{Span, Timestamp},
};

/// The channels that every monitor notifies.
pub(super) const CHANNELS: [&str; 2] = ["ops", "dev"];
/// How far the clock moves before each move: no two slots and no two notices of a channel ever lie at one instant.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// How long a retry waits.
pub(super) const RETRY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) sessions: Vec<Session>,
    pub(super) monitors: Vec<Monitor>,
    pub(super) claims: Vec<Claim>,
    pub(super) notices: Vec<Notice>,
    pub(super) takings: Vec<Taking>,
    /// What the last move must have answered.
    pub(super) answer: Answer,
}

/// What a store says to a move.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Answer {
    #[default]
    Done,
    SessionEnded,
    NotFound,
    Put(usize, Change),
    /// Monitors with their slots.
    Claimed(Vec<(usize, Timestamp)>),
    Verdict(Verdict),
    Skipped(usize),
    Taken(Vec<NoticeView>),
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) lease_until: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Monitor {
    pub(super) name: usize,
    pub(super) label: usize,
    revision: usize,
    state: State,
    deleted: bool,
    slot: Timestamp,
    owner: Option<usize>,
    records: Vec<(Timestamp, Status)>,
    gaps: Vec<Gap>,
    incidents: Vec<(Timestamp, Option<Closed>)>,
    resumed: BTreeSet<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    session: usize,
    monitor: usize,
    revision: usize,
    slot: Timestamp,
    /// When its run ended and with what, once it has.
    run: Option<(Timestamp, Status)>,
}

#[derive(Clone, Debug)]
pub(super) struct Notice {
    view: NoticeView,
    due_at: Timestamp,
    taken_by: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Taking {
    session: usize,
    notice: NoticeView,
}

impl Model {
    /// Makes one move and says what a store answers to it.
    pub(super) fn make(&mut self, next: Move) -> Answer {
        self.now = self.now + TICK;
        match next {
            Move::Advance(by) => self.now = self.now + by,
            Move::Join => self.sessions.push(Session { lease_until: self.now + LEASE }),
            Move::Leave { session } => {
                let until = &mut self.sessions[session].lease_until;
                *until = (*until).min(self.now);
            }
            Move::Release { session, monitor } => {
                let owner = &mut self.monitors[monitor].owner;
                *owner = owner.filter(|owner| *owner != session);
            }
            Move::PutBack { session, channel } => self.put_back(session, channel),
            Move::Put { name, label } => return self.put(name, label),
            Move::SetState { monitor, state } => return self.set_state(monitor, state),
            Move::Delete { monitor } => return self.delete(monitor),
            Move::Skip => return self.skip(),
            Move::Run { claim, status } => return self.run(claim, status),
            Move::Renew { session } if self.is_alive(session) => {
                self.sessions[session].lease_until = self.now + LEASE;
            }
            Move::Claim { session, limit } if self.is_alive(session) => return self.claim(session, limit),
            Move::Take { session, channel, limit } if self.is_alive(session) => {
                return self.take(session, channel, limit);
            }
            Move::Settle { taking, end } if self.is_alive(self.takings[taking].session) => self.settle(taking, end),
            Move::Renew { .. } | Move::Claim { .. } | Move::Take { .. } | Move::Settle { .. } => {
                return Answer::SessionEnded;
            }
        }
        Answer::Done
    }

    /// Whether a claim's slot has come: nothing is run before.
    pub(super) fn is_due(&self, claim: usize) -> bool {
        self.claims[claim].slot <= self.now
    }

    /// Claims, however old, whose slot has come.
    pub(super) fn due_claims(&self) -> Vec<usize> {
        (0..self.claims.len()).filter(|n| self.is_due(*n)).collect()
    }

    /// Those of them whose run would be accepted now.
    pub(super) fn held_claims(&self) -> Vec<usize> {
        let held = |claim: &Claim| self.is_held(claim) && self.monitors[claim.monitor].slot == claim.slot;
        self.due_claims().into_iter().filter(|n| held(&self.claims[*n])).collect()
    }

    /// Attempts that haven't ended.
    pub(super) fn open_takings(&self) -> Vec<usize> {
        (0..self.takings.len()).filter(|n| self.taken(&self.takings[*n]).is_some()).collect()
    }

    pub(super) fn is_alive(&self, session: usize) -> bool {
        self.sessions[session].lease_until > self.now
    }

    fn is_held(&self, claim: &Claim) -> bool {
        let monitor = &self.monitors[claim.monitor];
        let owned = monitor.owner == Some(claim.session) && self.is_alive(claim.session);
        owned && monitor.revision == claim.revision && !monitor.deleted
    }

    /// Active monitors that nobody living owns, earliest slot first.
    fn free(&self) -> Vec<usize> {
        let is_free = |monitor: &Monitor| {
            monitor.state == State::Active
                && !monitor.deleted
                && !monitor.owner.is_some_and(|owner| self.is_alive(owner))
        };
        let mut free: Vec<_> = (0..self.monitors.len()).filter(|n| is_free(&self.monitors[*n])).collect();
        free.sort_by_key(|n| self.monitors[*n].slot);
        free
    }

    fn put(&mut self, name: usize, label: usize) -> Answer {
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

    fn set_state(&mut self, n: usize, state: State) -> Answer {
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

    fn delete(&mut self, n: usize) -> Answer {
        if std::mem::replace(&mut self.monitors[n].deleted, true) {
            return Answer::NotFound;
        }
        self.notices.retain(|notice| notice.view.monitor != n);
        Answer::Done
    }

    fn claim(&mut self, session: usize, limit: usize) -> Answer {
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

    fn run(&mut self, n: usize, status: Status) -> Answer {
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
            self.tell(n, Event::Opened, at);
        }
    }

    fn close(&mut self, n: usize, why: Closed, at: Timestamp) {
        if let Some((_, closed @ None)) = self.monitors[n].incidents.last_mut() {
            *closed = Some(why);
            self.tell(n, Event::Resolved, at);
        }
    }

    fn tell(&mut self, monitor: usize, event: Event, at: Timestamp) {
        for channel in CHANNELS {
            let view = NoticeView { at, monitor, channel, event, state: DeliveryState::Pending, attempts: 0 };
            self.notices.push(Notice { view, due_at: at, taken_by: None });
        }
        self.notices.sort_by_key(|notice| notice.view.at);
    }

    fn skip(&mut self) -> Answer {
        let overdue: Vec<_> = self.free().into_iter().filter(|n| self.monitors[*n].slot < self.now).collect();
        for n in &overdue {
            let monitor = &mut self.monitors[*n];
            let gap = missed(monitor.slot, self.now);
            monitor.gaps.push(gap);
            monitor.slot = gap.until;
        }
        Answer::Skipped(overdue.len())
    }

    fn take(&mut self, session: usize, channel: usize, limit: usize) -> Answer {
        let mut seen = BTreeSet::new();
        let mut taken = Vec::new();
        for n in 0..self.notices.len() {
            let Notice { view, due_at, taken_by } = &self.notices[n];
            let queued = view.channel == CHANNELS[channel] && view.state == DeliveryState::Pending;
            let first = queued && seen.insert(view.monitor);
            let is_free = !taken_by.is_some_and(|taker| self.is_alive(taker));
            if !first || !is_free || *due_at > self.now || taken.len() == limit {
                continue;
            }
            let notice = &mut self.notices[n];
            notice.taken_by = Some(session);
            notice.view.attempts += 1;
            self.takings.push(Taking { session, notice: notice.view.clone() });
            taken.push(notice.view.clone());
        }
        Answer::Taken(taken)
    }

    fn put_back(&mut self, session: usize, channel: usize) {
        for notice in self.notices.iter_mut().filter(|notice| notice.view.channel == CHANNELS[channel]) {
            notice.taken_by = notice.taken_by.filter(|taker| *taker != session);
        }
    }

    /// The notice that an attempt still holds.
    fn taken(&self, taking: &Taking) -> Option<usize> {
        let is_taken = |stored: &Notice| stored.view == taking.notice && stored.taken_by == Some(taking.session);
        self.notices.iter().position(is_taken)
    }

    fn settle(&mut self, taking: usize, end: End) {
        let Some(n) = self.taken(&self.takings[taking]) else { return };
        let stored = &mut self.notices[n];
        stored.taken_by = None;
        match end {
            End::Sent => stored.view.state = DeliveryState::Sent,
            End::Dead => stored.view.state = DeliveryState::Dead,
            End::Retry => stored.due_at = self.now + RETRY,
        }
    }

    /// All that a store must show.
    pub(super) fn view(&self) -> View {
        View {
            sessions: (0..self.sessions.len()).filter(|session| self.is_alive(*session)).collect(),
            monitors: self.there().map(|n| (n, self.monitor_view(&self.monitors[n]))).collect(),
            free: self.free(),
            notices: self.notices.iter().map(|notice| notice.view.clone()).collect(),
        }
    }

    /// The monitors that aren't deleted.
    pub(super) fn there(&self) -> impl Iterator<Item = usize> {
        (0..self.monitors.len()).filter(|n| !self.monitors[*n].deleted)
    }

    fn monitor_view(&self, monitor: &Monitor) -> MonitorView {
        MonitorView {
            state: monitor.state,
            slot: monitor.slot,
            owner: monitor.owner.filter(|owner| self.is_alive(*owner)),
            records: monitor.records.clone(),
            gaps: monitor.gaps.clone(),
            incidents: monitor.incidents.clone(),
        }
    }

    /// When a monitor was resumed: there its line of slots begins anew.
    pub(super) fn resumed(&self, n: usize) -> &BTreeSet<Timestamp> {
        &self.monitors[n].resumed
    }
}

/// The gap from an overdue slot to the next one.
pub(super) fn missed(slot: Timestamp, now: Timestamp) -> Gap {
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
