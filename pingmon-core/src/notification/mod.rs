//! Notices: what the receivers are told, as facts. Rendering is the channels' work; the durable rows that carry notices
//! are in `delivery`.

mod audience;
mod delivery;
mod escalation;
mod facts;
mod grouping;
mod summary;
mod timing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::escalation::validate as validate_escalation;
pub use self::{
    audience::Audience,
    delivery::{DEFAULT_EXPIRY, Delivery, DeliveryState, Fold, MAX_GROUP_KEY, announce, announce_end},
    escalation::{MAX_STEPS, Step},
    facts::Facts,
    grouping::{Digest, Grouping, group},
    summary::{Part, Summary},
    timing::{MAX_QUIET, Timing},
};
use crate::{
    id::{DeliveryId, MonitorId},
    incident::{Closed, Event, Incident},
    monitor::Monitor,
    outcome::Outcome,
    time::{Span, Timestamp},
};

/// The monitor a notice is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// Its id.
    pub id: MonitorId,
    /// Its name when the notice was written.
    pub name: String,
    /// Its check kind.
    pub kind: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Subject {
    /// The monitor as notices name it.
    pub fn of(monitor: &Monitor) -> Self {
        let definition = &monitor.definition;
        Self {
            id: monitor.id,
            name: definition.name.clone(),
            kind: definition.kind.clone(),
            labels: definition.labels.clone(),
        }
    }
}

/// One notice to one channel: facts, not text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notification {
    /// The idempotency key: the same for every repeat of this notice.
    pub id: DeliveryId,
    /// The channel it goes to.
    pub channel: String,
    /// What happened.
    pub event: Event,
    /// When it happened, by the store's clock.
    pub at: Timestamp,
    /// What is watched.
    pub monitor: Subject,
    /// The incident after the event.
    pub incident: Incident,
    /// The run that made it happen; none when the monitor was paused or retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Who saw the failure, by host, when more than one worker had to; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed_by: Vec<String>,
    /// What depends on its monitor, when it opens.
    #[serde(default, skip_serializing_if = "Affected::is_empty")]
    pub affected: Affected,
    /// What else is announced with it, in its order; stored nowhere, but worked out whenever it is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Companion>,
    /// Where more is to be seen and done: the monitor's page, acknowledging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What the run said that opened the incident, in a notice that it is resolved when the one that it had opened was
    /// folded into it: then this one is to tell of the whole outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
    /// What the channel answered to the first notice of this incident: tells it which message to update or to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// The monitors that depend on one, straight or through others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Affected {
    /// How many.
    pub count: u64,
    /// Their names, as many as were asked for, in their order.
    pub names: Vec<String>,
}

impl Affected {
    /// So many monitors, some of them by name.
    pub const fn new(count: u64, names: Vec<String>) -> Self {
        Self { count, names }
    }

    /// Whether nothing depends on it.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Another incident that is announced in the same notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Companion {
    /// What is watched.
    pub monitor: Subject,
    /// What happened.
    pub event: Event,
    /// When it happened, by the store's clock.
    pub at: Timestamp,
    /// The incident after the event.
    pub incident: Incident,
    /// As [`Notification::opening`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
}

impl Companion {
    /// What a notice tells, as part of another.
    pub fn of(notice: &Notification) -> Self {
        let Notification { monitor, event, at, incident, opening, .. } = notice.clone();
        Self { monitor, event, at, incident, opening }
    }
}

/// A place on the web that a notice leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// What is to be found there, as in "Acknowledge".
    pub text: String,
    /// Its address.
    pub url: String,
}

impl Link {
    /// A place and what is to be found there.
    pub fn new(text: impl Into<String>, url: impl Into<String>) -> Self {
        Self { text: text.into(), url: url.into() }
    }
}

/// What a channel answered to a notice it took, as far as a later one needs it: the id of a chat message, say. At most
/// [`Receipt::MAX_LEN`] bytes, of the channel's own form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(String);

impl Receipt {
    /// The longest receipt that is kept, in bytes.
    pub const MAX_LEN: usize = 1_024;

    /// What the channel answered; none when it is longer than what is kept.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= Self::MAX_LEN).then_some(Self(text))
    }

    /// As the channel put it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Notification {
    /// One line for people: `shop api is down: status: expected 2xx, got 500`.
    pub fn headline(&self) -> String {
        if let Some(summary) = self.summary() {
            return summary.line();
        }
        let name = &self.monitor.name;
        let level = self.incident.level;
        let message = &self.incident.message;
        match (self.event, self.incident.closed) {
            (Event::Resolved, Some(Closed::Paused)) => format!("{name} is paused, its incident is closed"),
            (Event::Resolved, Some(Closed::Retired)) => format!("{name} is retired, its incident is closed"),
            (Event::Resolved, _) => match &self.opening {
                Some(opening) => format!("{name} was {level} for {} and has recovered: {opening}", self.lasted()),
                None => format!("{name} has recovered after {}", self.lasted()),
            },
            (Event::Escalated, _) => {
                format!("{name} is {level} and nobody has seen to it for {}: {message}", self.lasted())
            }
            (Event::Reminder, _) => format!("{name} is still {level} after {}: {message}", self.lasted()),
            _ => format!("{name} is {level}: {message}"),
        }
    }

    /// How long the failure has lasted up to this event, to the second.
    pub fn lasted(&self) -> Span {
        self.own().lasted()
    }
}
