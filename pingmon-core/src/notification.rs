//! Notices and their deliveries: what the receivers are told, as facts, and one durable row per channel that carries it.
//! Rendering is the channels' work.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{DeliveryId, IncidentId, MonitorId},
    incident::{Closed, Event, Incident, Transition},
    monitor::Monitor,
    outcome::Outcome,
    time::Timestamp,
};

/// How long a delivery is tried before it is given up, unless the engine says otherwise: a day.
pub const DEFAULT_EXPIRY: Duration = Duration::from_secs(86_400);

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
    /// What else is announced with it: what its channel groups with it, or what depends on its monitor and fails too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Companion>,
    /// Where more is to be seen and done: the monitor's page, acknowledging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What the channel answered to the first notice of this incident: tells it which message to update or to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
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
        let name = &self.monitor.name;
        let level = self.incident.level;
        let message = &self.incident.message;
        match (self.event, self.incident.closed) {
            (Event::Resolved, Some(Closed::Paused)) => format!("{name} is paused, its incident is closed"),
            (Event::Resolved, Some(Closed::Retired)) => format!("{name} is retired, its incident is closed"),
            (Event::Resolved, _) => format!("{name} has recovered after {}", self.lasted()),
            (Event::Reminder, _) => format!("{name} is still {level} after {}: {message}", self.lasted()),
            _ => format!("{name} is {level}: {message}"),
        }
    }

    /// How long the failure has lasted up to this event, to the second.
    fn lasted(&self) -> humantime::FormattedDuration {
        let lasted = self.at.since(self.incident.failing_since);
        humantime::format_duration(Duration::from_secs(lasted.as_secs()))
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// To be sent, or being sent.
    Pending,
    /// The channel took it.
    Sent,
    /// Given up: expired, refused for good, or out of attempts. A dead letter.
    Dead,
}

impl DeliveryState {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

/// A row of the durable outbox: one notice to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivery {
    /// What is sent; its id is this row's id.
    pub notification: Notification,
    /// Orders the notices of one incident.
    pub sequence: u32,
    /// Not sent before.
    pub due_at: Timestamp,
    /// Not sent after: then it is a dead letter.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it has been taken for sending.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Delivery {
    /// A delivery as read from a store.
    pub const fn new(
        notification: Notification,
        sequence: u32,
        due_at: Timestamp,
        expires_at: Timestamp,
        state: DeliveryState,
        attempts: u32,
        last_error: Option<String>,
    ) -> Self {
        Self { notification, sequence, due_at, expires_at, state, attempts, last_error }
    }

    /// Its id, which is its idempotency key.
    pub const fn id(&self) -> DeliveryId {
        self.notification.id
    }

    /// The incident it tells of.
    pub const fn incident(&self) -> IncidentId {
        self.notification.incident.id
    }
}

/// The deliveries that `transitions` of `monitor` call for: one per channel and announced event. `outcome` is the run
/// behind them, none when the monitor was paused or retired; its message becomes the incident's.
pub fn announce(
    subject: &Subject,
    channels: &[String],
    transitions: &[Transition],
    outcome: Option<&Outcome>,
    expiry: Duration,
) -> Vec<Delivery> {
    let announced = transitions.iter().filter(|transition| transition.event != Event::Eased);
    let message = outcome.map_or("", |outcome| outcome.message.as_str());
    announced
        .flat_map(|transition| {
            channels.iter().map(move |channel| {
                let incident = transition.to_incident(subject.id, message);
                let event = transition.event;
                let sequence = transition.incident.sequence;
                let notification = Notification {
                    id: DeliveryId::derive(incident.id, event.as_str(), sequence, channel),
                    channel: channel.clone(),
                    event,
                    at: transition.at,
                    monitor: subject.clone(),
                    incident,
                    outcome: outcome.cloned(),
                    confirmed_by: Vec::new(),
                    also: Vec::new(),
                    links: Vec::new(),
                    receipt: None,
                };
                let due_at = transition.at + transition.hold;
                Delivery::new(notification, sequence, due_at, due_at + expiry, DeliveryState::Pending, 0, None)
            })
        })
        .collect()
}
