//! The reference: what a store must answer and hold after each move, in the plainest words. Everything is known by its
//! number in the story, time by its distance from the start.

mod monitors;
mod notices;

use std::{collections::BTreeSet, time::Duration};

pub(super) use self::monitors::missed;
use super::{
    moves::Move,
    view::{MonitorView, NoticeView, View},
};
use crate::{
    conformance::fixture::LEASE,
    incident::Closed,
    monitor::State,
    outcome::Status,
    store::{
        catalog::Change,
        claims::{Gap, Verdict},
    },
    time::Timestamp,
};

/// The channels that every monitor notifies.
pub(super) const CHANNELS: [&str; 3] = ["ops", "dev", "digest"];
/// How far the clock moves before each move: no two slots and no two notices of a channel ever lie at one instant.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// The channel that is told of ends later than they happen, and how much later.
pub(super) const LATE: (&str, Duration) = (CHANNELS[1], Duration::from_secs(20));
/// The channel that is told of all that runs find in one message, and how long that waits.
pub(super) const TOGETHER: (&str, Duration) = (CHANNELS[2], Duration::from_secs(10));
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
    /// The number of its incident among those of its monitor.
    incident: usize,
    due_at: Timestamp,
    /// Whether it may go with others.
    is_grouped: bool,
    taken_by: Option<usize>,
    /// Whether it was folded into the one that its incident is resolved.
    is_told: bool,
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
