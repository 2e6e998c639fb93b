//! The standing definition of what is watched. What a run found lives in `outcome`, what follows in `incident`.

mod validation;

use std::{collections::BTreeMap, fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::validation::validate_all;
pub(crate) use self::validation::{count, labels, name};
use crate::{
    id::MonitorId,
    incident::{self, Closed, Health, Transition},
    notification::Step,
    policy::Policy,
    schedule::{Phase, Schedule},
    time::{Span, Timestamp},
};

/// Longest name of a monitor, kind, channel or label, in characters.
pub const MAX_NAME: usize = 200;
/// Most labels on one monitor.
pub const MAX_LABELS: usize = 32;
/// Most channels one monitor notifies.
pub const MAX_CHANNELS: usize = 32;
/// Most monitors that one monitor depends on.
pub const MAX_PARENTS: usize = 32;
/// Largest config of a check, in bytes of JSON.
pub const MAX_CONFIG: usize = 256 * 1024;
/// Shortest timeout of a run.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(1);
/// Longest timeout of a run.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Who a definition came from. Reconciling a source retires only what came from that source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// The config file of the `pingmon` binary.
    pub const FILE: &'static str = "file";
    /// Code that embeds the engine.
    pub const CODE: &'static str = "code";
    /// A row that a person wrote straight into the database, see
    /// [`Catalog::adopt`](crate::store::catalog::Catalog::adopt).
    pub const SQL: &'static str = "sql";

    /// An origin of the given name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What to check, how often, with which policy and channels: all that a person decides about a monitor.
///
/// ```
/// use std::time::Duration;
/// use pingmon_core::monitor::Definition;
/// use serde_json::json;
///
/// let shop = Definition::new("shop api", "http")
///     .every(Duration::from_secs(30))
///     .config(json!({ "url": "https://shop.example/health" }))
///     .notify(["ops"])
///     .label("team", "shop");
/// shop.validate().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Definition {
    /// Unique among the monitors that aren't retired.
    pub name: String,
    /// The check kind that reads `config`.
    pub kind: String,
    /// What the kind needs to know; an object, or null when it needs nothing. May hold references to secrets (`${VAR}`),
    /// which the engine's resolver replaces when the check is built, so that stores don't hold the secrets themselves.
    #[serde(default)]
    pub config: Value,
    /// When it is due.
    pub schedule: Schedule,
    /// How long a run may take.
    pub timeout: Span,
    /// How verdicts become incidents and notices.
    #[serde(default)]
    pub policy: Policy,
    /// Names of the channels that are told.
    #[serde(default)]
    pub notify: Vec<String>,
    /// Who else is told of an incident that goes on, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<Step>,
    /// Names of the monitors without which this one can't be well: while one of them is down, incidents are recorded and
    /// nobody is told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Free keys and values to group and route by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Who defined it.
    pub origin: Origin,
}

impl Definition {
    /// A monitor of the given check kind: every 60 s, timeout 10 s, default policy, nobody notified, origin `code`.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            config: Value::Null,
            schedule: Schedule::Every(Span(Duration::from_secs(60))),
            timeout: Span(Duration::from_secs(10)),
            policy: Policy::default(),
            notify: Vec::new(),
            escalation: Vec::new(),
            depends_on: Vec::new(),
            labels: BTreeMap::new(),
            origin: Origin::new(Origin::CODE),
        }
    }

    /// Sets the interval; a timeout longer than it is shortened to it.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.schedule = Schedule::Every(Span(interval));
        self.timeout.0 = self.timeout.0.min(interval);
        self
    }

    /// Sets the schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets how long a run may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Span(timeout);
        self
    }

    /// Sets what the check kind needs to know.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Names monitors without which this one can't be well.
    #[must_use]
    pub fn depends_on<I: Into<String>>(mut self, monitors: impl IntoIterator<Item = I>) -> Self {
        self.depends_on.extend(monitors.into_iter().map(Into::into));
        self
    }

    /// Sets the policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the channels that are told.
    #[must_use]
    pub fn notify<S: Into<String>>(mut self, channels: impl IntoIterator<Item = S>) -> Self {
        self.notify = channels.into_iter().map(Into::into).collect();
        self
    }

    /// Sets who else is told of an incident that goes on, and when.
    #[must_use]
    pub fn escalation(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.escalation = steps.into_iter().collect();
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets who defined it.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Whether a monitor is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is run at each slot.
    Active,
    /// It isn't run for now.
    Paused,
    /// It isn't run any more; its name is free and its history is kept.
    Retired,
}

impl State {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A stored monitor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Monitor {
    /// Its name for life.
    pub id: MonitorId,
    /// Counts edits and changes of state; part of the fence that refuses late writers.
    pub revision: i64,
    /// Whether it is run.
    pub state: State,
    /// What a person decided about it.
    pub definition: Definition,
}

impl Monitor {
    /// A monitor as read from a store.
    pub const fn new(id: MonitorId, revision: i64, state: State, definition: Definition) -> Self {
        Self { id, revision, state, definition }
    }
}

/// The pending slot after an edit: an overdue slot stays, an unchanged schedule keeps its slot, a new schedule moves
/// it, but never further away than it was.
pub fn slot_after_edit(old: &Schedule, new: &Schedule, pending: Timestamp, id: MonitorId, now: Timestamp) -> Timestamp {
    if old == new || pending <= now {
        return pending;
    }
    new.next_after(now, Phase::of(id)).unwrap_or(Timestamp::MAX).min(pending)
}

/// How far apart the first runs of monitors added in one call lie.
pub const FIRST_RUN_SPACING: Duration = Duration::from_millis(2);

/// The first slot of the monitor added as number `position` of one call: at once, then 2 ms apart, so that 10,000 added
/// together take 20 s and not one burst; never later than one interval. A cron monitor waits for its first instant.
pub fn first_slot(schedule: &Schedule, position: usize, now: Timestamp) -> Timestamp {
    let delay = FIRST_RUN_SPACING.saturating_mul(u32::try_from(position).unwrap_or(u32::MAX));
    match schedule {
        Schedule::Every(Span(interval)) => now + delay.min(*interval),
        Schedule::Cron(_) => schedule.next_after(now, Phase::ZERO).unwrap_or(Timestamp::MAX),
    }
}

/// What ending the watch on a monitor changes: its health, and the incidents that close because of it.
pub fn unwatch(monitor: &Monitor, health: &Health, why: Closed, at: Timestamp) -> (Health, Vec<Transition>) {
    incident::close(health, monitor.id, why, at, &monitor.definition.policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_never_moves_a_slot_further_away() {
        let (hourly, often) = (Duration::from_secs(3_600), Duration::from_secs(10));
        let (hourly, often) = (Schedule::every(hourly).unwrap(), Schedule::every(often).unwrap());
        let id = MonitorId::new();
        let now = Timestamp::from_micros(1_000_000_000_000);
        let pending = now + Duration::from_secs(1_800);
        let moved = slot_after_edit(&hourly, &often, pending, id, now);
        assert!(moved > now && moved <= now + Duration::from_secs(10));
        assert_eq!(
            slot_after_edit(&often, &hourly, now + Duration::from_secs(3), id, now),
            now + Duration::from_secs(3)
        );
        assert_eq!(
            slot_after_edit(&hourly, &often, now - Duration::from_secs(3), id, now),
            now - Duration::from_secs(3)
        );
    }
}
