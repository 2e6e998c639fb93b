//! Incidents, and what is known of a monitor between runs. The one pure function that leads from verdicts to incidents
//! is in `advance`; nothing here reads a clock or stores anything.
//!
//! An incident about the **target** opens when failure is confirmed and closes when success is. An incident about the
//! **monitoring** opens when we couldn't judge for too long and closes at the first run that could. `unknown` neither
//! counts as failure nor interrupts one: it freezes the streaks.

mod advance;
mod holding;
mod opinion;
#[cfg(test)]
mod tests;
mod transition;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    advance::{advance, close},
    holding::{Cause, Parent, announced, cause, defer},
    opinion::{Witness, advance_confirmed},
    transition::{Event, Transition},
};
use crate::{
    error::{Error, Result},
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
    /// When somebody said to see to it; none while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
}

impl Incident {
    /// A closed or open incident as read from a store, which nobody has acknowledged.
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
        let (acknowledged_at, acknowledged_by) = (None, None);
        Self {
            id,
            monitor,
            about,
            level,
            failing_since,
            opened_at,
            opened_slot,
            message,
            closed_at,
            closed,
            acknowledged_at,
            acknowledged_by,
        }
    }
}

/// Refuses what is no level of an incident.
pub(crate) fn levels(field: &str, levels: &[Status]) -> Result<()> {
    if levels.contains(&Status::Up) {
        return Err(Error::config(field, "up is no level of an incident: degraded, down or unknown"));
    }
    Ok(())
}

/// Longest name of whoever acknowledges an incident, in characters.
pub const MAX_ACKNOWLEDGER: usize = 200;

/// The name of whoever acknowledges an incident, without the space around it.
///
/// # Errors
/// [`Error::Config`] naming `by` when it is empty, too long, or holds control characters.
pub fn acknowledger(by: &str) -> Result<&str> {
    let by = by.trim();
    let refused = match by.chars().count() {
        0 => "is empty: say who".to_owned(),
        _ if by.chars().any(char::is_control) => "holds control characters".to_owned(),
        1..=MAX_ACKNOWLEDGER => return Ok(by),
        _ => format!("is longer than {MAX_ACKNOWLEDGER} characters"),
    };
    Err(Error::config("by", refused))
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
    /// Whether somebody has said to see to it: then nobody is reminded of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acknowledged: bool,
    /// Whether nobody has been told of it yet, see [`Health::held_because`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
    /// When it came to be announced, if it was held until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Whether it was down before, and announced as such: that it worsens again is no news then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub eased: bool,
}

impl Open {
    /// Since when people could know of it.
    pub fn told_since(&self) -> Timestamp {
        self.released_at.unwrap_or(self.opened_at)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
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
    /// The workers that saw the present failure, when more than one is to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
    /// Whether the incident would open if another worker saw the failure too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub second_opinion: bool,
    /// Why nobody has been told of what is open: "maintenance \"deploy\"", "db is down".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_because: Option<String>,
    /// Since when an incident waits for a look at what its monitor depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred_since: Option<Timestamp>,
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

/// Takes back that the incident about the target opened with the run between `before` and `after`. Answers whether it had.
fn take_back_opening(before: &Health, after: &mut Health, transitions: &mut Vec<Transition>) -> bool {
    let Some(opened) = transitions.iter().position(Transition::opens_target) else { return false };
    transitions.remove(opened);
    after.target = None;
    after.changes.clone_from(&before.changes);
    true
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

    /// The health once somebody has acknowledged that incident; none when it isn't open, or was acknowledged before.
    pub fn acknowledged(&self, incident: IncidentId) -> Option<Self> {
        let mut after = self.clone();
        let both = [after.target.as_mut(), after.monitoring.as_mut()];
        let open = both.into_iter().flatten().find(|open| open.id == incident && !open.acknowledged)?;
        open.acknowledged = true;
        Some(after)
    }

    /// The open incidents, the target's first.
    pub fn open(&self) -> impl Iterator<Item = (About, &Open)> {
        let target = self.target.iter().map(|open| (About::Target, open));
        target.chain(self.monitoring.iter().map(|open| (About::Monitoring, open)))
    }
}
