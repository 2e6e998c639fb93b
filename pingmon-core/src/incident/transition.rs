//! What changes about an incident, and what it's called. Which changes a run makes is said in `advance`.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Closed, Incident, Open};
use crate::{id::MonitorId, time::Timestamp};

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
    /// It is still open, and nobody has acknowledged it in the time that a step of its escalation waits.
    Escalated,
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
            Self::Escalated => "escalated",
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
    /// Whether an incident about the target opened.
    pub fn opens_target(&self) -> bool {
        self.event == Event::Opened && self.about == About::Target
    }

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
            acknowledged_at: None,
            acknowledged_by: None,
        }
    }
}
