//! From verdicts to incidents: one pure function that says what a run changes. It reads no clock and stores nothing.
//!
//! An incident about the **target** opens when failure is confirmed and closes when success is. An incident about the
//! **monitoring** opens when we couldn't judge for too long and closes at the first run that could. `unknown` neither
//! counts as failure nor interrupts one: it freezes the streaks.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{IncidentId, MonitorId},
    outcome::Status,
    policy::{Policy, Threshold},
    time::Timestamp,
};

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// The watched target failed.
    Target,
    /// The target couldn't be judged: the monitoring itself has a problem.
    Monitoring,
}

impl About {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Monitoring => "monitoring",
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an incident closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Closed {
    /// Success was confirmed.
    Recovered,
    /// The monitor was paused: nobody watches the target any more.
    Paused,
    /// The monitor was retired.
    Retired,
}

impl Closed {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }
}

/// An incident as stores keep it: from confirmed failure to confirmed recovery of one monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Incident {
    /// Derived from monitor, subject and opening slot.
    pub id: IncidentId,
    /// Whose incident it is.
    pub monitor: MonitorId,
    /// The target or the monitoring.
    pub about: About,
    /// How bad it is now: `degraded`, `down`, or `unknown` when it is about the monitoring.
    pub level: Status,
    /// When the failure that was confirmed began.
    pub failing_since: Timestamp,
    /// When it was confirmed.
    pub opened_at: Timestamp,
    /// The slot whose run confirmed it.
    pub opened_slot: Timestamp,
    /// What that run said.
    pub message: String,
    /// When recovery was confirmed; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// Why it closed.
    pub closed: Option<Closed>,
}

impl Incident {
    /// A closed or open incident as read from a store.
    #[allow(clippy::too_many_arguments, reason = "one argument a column, in the order of the fields")]
    pub fn new(
        id: IncidentId,
        monitor: MonitorId,
        about: About,
        level: Status,
        failing_since: Timestamp,
        opened_at: Timestamp,
        opened_slot: Timestamp,
        message: String,
        closed_at: Option<Timestamp>,
        closed: Option<Closed>,
    ) -> Self {
        Self { id, monitor, about, level, failing_since, opened_at, opened_slot, message, closed_at, closed }
    }
}

/// Consecutive runs of one sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// When the first of them ended.
    pub since: Timestamp,
    /// How many, counted no further than the policy's limit so that a steady state stays equal to itself.
    pub count: u32,
}

/// An open incident as the state machine needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Which one.
    pub id: IncidentId,
    /// How bad it is now.
    pub level: Status,
    /// When the failure began.
    pub failing_since: Timestamp,
    /// When it was confirmed.
    pub opened_at: Timestamp,
    /// The slot that confirmed it.
    pub opened_slot: Timestamp,
    /// When it was last announced.
    pub announced_at: Timestamp,
    /// How many changes it has had, the opening included: numbers its notices.
    pub sequence: u32,
}

/// What is known of a monitor's state between runs. Steady states are equal to themselves, run after run, so that
/// stores needn't rewrite them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Health {
    /// The verdict of the last run; none before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Since when runs have said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Runs that said `up`, without one that said worse between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passing: Option<Streak>,
    /// Runs that said `degraded` or `down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Streak>,
    /// Runs that said `down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<Streak>,
    /// Runs that said no worse than `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub easing: Option<Streak>,
    /// Runs that couldn't judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blind: Option<Streak>,
    /// The open incident about the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Open>,
    /// The open incident about the monitoring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Open>,
    /// When incidents lately opened or resolved, oldest first: what flap damping looks at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Timestamp>,
}

/// One judged run, as the state machine sees it.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Whose run.
    pub monitor: MonitorId,
    /// Which slot.
    pub slot: Timestamp,
    /// The verdict.
    pub status: Status,
    /// When the run ended, by the store's clock.
    pub at: Timestamp,
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Failure was confirmed.
    Opened,
    /// It was degraded and is down now.
    Worsened,
    /// It was down and is degraded now; recorded, not announced.
    Eased,
    /// It is still open.
    Reminder,
    /// Success was confirmed, or nobody watches any more.
    Resolved,
}

impl Event {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Eased => "eased",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One change of one incident: what stores write and notices announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What happened.
    pub event: Event,
    /// What the incident is about.
    pub about: About,
    /// The incident after the change.
    pub incident: Open,
    /// Why it closed, when it did.
    pub closed: Option<Closed>,
    /// When it happened, by the store's clock.
    pub at: Timestamp,
    /// How long flap damping holds the notice back.
    pub hold: Duration,
}

impl Transition {
    /// The incident's row after this change, with the message of the run that made it.
    pub fn to_incident(&self, monitor: MonitorId, message: &str) -> Incident {
        Incident {
            id: self.incident.id,
            monitor,
            about: self.about,
            level: self.incident.level,
            failing_since: self.incident.failing_since,
            opened_at: self.incident.opened_at,
            opened_slot: self.incident.opened_slot,
            message: message.to_owned(),
            closed_at: self.closed.map(|_| self.at),
            closed: self.closed,
        }
    }
}

impl Health {
    /// Whether a failure or a recovery has begun that `policy` would confirm: when `retry_every` applies.
    pub fn is_unconfirmed(&self, policy: &Policy) -> bool {
        let counts = |streak: Option<Streak>, threshold| streak.is_some() && threshold != Threshold::Never;
        match &self.target {
            None => counts(self.down, policy.open_after) || counts(self.failing, policy.degraded_after()),
            Some(_) => self.passing.is_some(),
        }
    }

    /// The open incidents, the target's first.
    pub fn open(&self) -> impl Iterator<Item = (About, &Open)> {
        let target = self.target.iter().map(|open| (About::Target, open));
        target.chain(self.monitoring.iter().map(|open| (About::Monitoring, open)))
    }

    fn slot_of(&mut self, about: About) -> &mut Option<Open> {
        match about {
            About::Target => &mut self.target,
            About::Monitoring => &mut self.monitoring,
        }
    }
}

/// What a run changes: the health after it, and the incident changes in the order they happened (at most one about the
/// monitoring and one about the target). Runs are to be handed over in slot order.
pub fn advance(health: &Health, run: Judged, policy: &Policy) -> (Health, Vec<Transition>) {
    let mut step = Step { health: health.clone(), transitions: Vec::new(), run, policy };
    step.note_status();
    match run.status {
        Status::Unknown => step.judge_blindness(),
        status => {
            step.health.blind = None;
            step.resolve(About::Monitoring, Closed::Recovered);
            step.count(status);
            match step.health.target {
                None => step.judge_failure(),
                Some(open) => step.judge_recovery(open),
            }
        }
    }
    step.remind();
    (step.health, step.transitions)
}

/// Closes whatever is open because nobody watches any more (paused or retired), and forgets all streaks.
pub fn close(
    health: &Health,
    monitor: MonitorId,
    why: Closed,
    at: Timestamp,
    policy: &Policy,
) -> (Health, Vec<Transition>) {
    let run = Judged { monitor, slot: at, status: Status::Unknown, at };
    let mut step = Step { health: health.clone(), transitions: Vec::new(), run, policy };
    step.resolve(About::Monitoring, why);
    step.resolve(About::Target, why);
    let changes = std::mem::take(&mut step.health.changes);
    (Health { changes, ..Health::default() }, step.transitions)
}

/// The working state of one `advance`.
struct Step<'a> {
    health: Health,
    transitions: Vec<Transition>,
    run: Judged,
    policy: &'a Policy,
}

impl Step<'_> {
    fn note_status(&mut self) {
        if self.health.status != Some(self.run.status) {
            self.health.status = Some(self.run.status);
            self.health.since = Some(self.run.at);
        }
    }

    /// Lengthens the streaks a verdict belongs to and ends the others.
    fn count(&mut self, status: Status) {
        let at = self.run.at;
        let policy = self.policy;
        let open = self.health.target.is_some();
        let extend = |streak: &mut Option<Streak>, belongs: bool, limit: Threshold| {
            *streak = belongs.then(|| lengthened(*streak, at, limit));
        };
        // A success with nothing open is the ordinary state: no streak is kept, so that it stays equal to itself.
        extend(&mut self.health.passing, open && status == Status::Up, policy.close_after);
        extend(&mut self.health.easing, open && status != Status::Down, policy.close_after);
        extend(&mut self.health.failing, status != Status::Up, policy.degraded_after());
        extend(&mut self.health.down, status == Status::Down, policy.open_after);
    }

    fn judge_failure(&mut self) {
        if let Some(streak) = self.health.down.filter(|streak| reached(*streak, self.policy.open_after, self.run.at)) {
            self.open(About::Target, Status::Down, streak.since);
        } else if let Some(streak) =
            self.health.failing.filter(|streak| reached(*streak, self.policy.degraded_after(), self.run.at))
        {
            self.open(About::Target, Status::Degraded, streak.since);
        }
    }

    fn judge_recovery(&mut self, open: Open) {
        let now = self.run.at;
        let reached = |streak: Option<Streak>, threshold| streak.is_some_and(|streak| reached(streak, threshold, now));
        if reached(self.health.passing, self.policy.close_after) {
            self.resolve(About::Target, Closed::Recovered);
        } else if open.level == Status::Degraded && reached(self.health.down, self.policy.open_after) {
            self.relevel(Event::Worsened, Status::Down);
        } else if open.level == Status::Down
            && self.run.status == Status::Degraded
            && reached(self.health.easing, self.policy.close_after)
        {
            self.relevel(Event::Eased, Status::Degraded);
        }
    }

    fn judge_blindness(&mut self) {
        let streak = lengthened(self.health.blind, self.run.at, self.policy.unknown_after);
        self.health.blind = Some(streak);
        if self.health.monitoring.is_none() && reached(streak, self.policy.unknown_after, self.run.at) {
            self.open(About::Monitoring, Status::Unknown, streak.since);
        }
    }

    fn open(&mut self, about: About, level: Status, failing_since: Timestamp) {
        let at = self.run.at;
        let incident = Open {
            id: IncidentId::derive(self.run.monitor, about.as_str(), self.run.slot),
            level,
            failing_since,
            opened_at: at,
            opened_slot: self.run.slot,
            announced_at: at,
            sequence: 1,
        };
        *self.health.slot_of(about) = Some(incident);
        let hold = self.note_change();
        self.transitions.push(Transition { event: Event::Opened, about, incident, closed: None, at, hold });
    }

    fn resolve(&mut self, about: About, why: Closed) {
        let Some(mut incident) = self.health.slot_of(about).take() else { return };
        incident.sequence += 1;
        if about == About::Target {
            self.health.passing = None;
            self.health.easing = None;
        }
        let hold = self.note_change();
        let at = self.run.at;
        self.transitions.push(Transition { event: Event::Resolved, about, incident, closed: Some(why), at, hold });
    }

    fn relevel(&mut self, event: Event, level: Status) {
        let at = self.run.at;
        let Some(open) = &mut self.health.target else { return };
        open.level = level;
        open.sequence += 1;
        if event == Event::Worsened {
            open.announced_at = at;
        }
        let incident = *open;
        let hold = self.flap_hold();
        self.transitions.push(Transition { event, about: About::Target, incident, closed: None, at, hold });
    }

    /// Announces again what has been open and silent for `remind_every`.
    fn remind(&mut self) {
        let Some(every) = self.policy.remind_every else { return };
        let at = self.run.at;
        for about in [About::Target, About::Monitoring] {
            let Some(open) = self.health.slot_of(about) else { continue };
            if at.since(open.announced_at) < every.0 {
                continue;
            }
            open.announced_at = at;
            open.sequence += 1;
            let incident = *open;
            let hold = Duration::ZERO;
            self.transitions.push(Transition { event: Event::Reminder, about, incident, closed: None, at, hold });
        }
    }

    /// Remembers that something opened or resolved now, and says how long its notice is held.
    fn note_change(&mut self) -> Duration {
        let flap = self.policy.flap;
        if flap.changes == 0 {
            self.health.changes.clear();
            return Duration::ZERO;
        }
        let hold = self.flap_hold();
        let at = self.run.at;
        self.health.changes.retain(|change| at.since(*change) < flap.within.0);
        self.health.changes.push(at);
        let surplus = self.health.changes.len().saturating_sub(flap.changes as usize);
        self.health.changes.drain(..surplus);
        hold
    }

    fn flap_hold(&self) -> Duration {
        let flap = self.policy.flap;
        let recent = self.health.changes.iter().filter(|change| self.run.at.since(**change) < flap.within.0).count();
        if flap.changes > 0 && recent >= flap.changes as usize { flap.hold.0 } else { Duration::ZERO }
    }
}

/// The streak with one more run in it, its count standing still at the threshold.
fn lengthened(streak: Option<Streak>, at: Timestamp, threshold: Threshold) -> Streak {
    let limit = match threshold {
        Threshold::Count(count) => count,
        Threshold::For(_) | Threshold::Never => 1,
    };
    match streak {
        None => Streak { since: at, count: 1 },
        Some(streak) => Streak { count: (streak.count + 1).min(limit), ..streak },
    }
}

fn reached(streak: Streak, threshold: Threshold, now: Timestamp) -> bool {
    match threshold {
        Threshold::Count(count) => streak.count >= count,
        Threshold::For(duration) => now.since(streak.since) >= duration,
        Threshold::Never => false,
    }
}
