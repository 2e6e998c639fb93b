//! Deliveries: the durable rows of the outbox, each of which carries one notice to one channel.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Affected, Notification, Receipt, Subject};
use crate::{
    id::{DeliveryId, IncidentId},
    incident::{Event, Transition},
    outcome::Outcome,
    time::Timestamp,
};

/// How long a delivery is tried before it is given up, unless the engine says otherwise: a day.
pub const DEFAULT_EXPIRY: Duration = Duration::from_secs(86_400);

/// Longest name of a group of deliveries, in bytes.
pub const MAX_GROUP_KEY: usize = 200;

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
    /// Not sent because it isn't needed any more; its `last_error` is the reason, one of [`Fold`].
    Folded,
}

/// Why a delivery isn't needed any more. Only what was never attempted is folded: of the rest the far end may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fold {
    /// A later notice of the incident tells its channel more than this one would.
    Superseded,
    /// The notice that the incident is resolved tells its channel of the whole outage.
    Resolved,
    /// It says that an incident is resolved of which its channel has heard nothing.
    Unheard,
    /// The incident was resolved before it came to be escalated.
    Over,
    /// Somebody has acknowledged the incident: it isn't escalated, nor is anybody reminded of it.
    Acknowledged,
}

impl Fold {
    /// The reason in words, as it is stored.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Superseded => "superseded by a later notice",
            Self::Resolved => "told with the notice that it is resolved",
            Self::Unheard => "the channel heard nothing of this incident",
            Self::Over => "the incident was over before",
            Self::Acknowledged => "the incident was acknowledged",
        }
    }
}

impl DeliveryState {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Folded => "folded",
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
    /// What went wrong last, or why it was folded.
    pub last_error: Option<String>,
    /// What the channel answered when it took it.
    pub receipt: Option<Receipt>,
    /// With which others of its channel it may go as one message: those that say the same here, at most
    /// [`MAX_GROUP_KEY`] bytes. None goes alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In whose message it is told, once it has been taken with others: it shares what becomes of that delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<DeliveryId>,
}

impl Delivery {
    /// A delivery as read from a store, without a receipt and with no others.
    pub const fn new(
        notification: Notification,
        sequence: u32,
        due_at: Timestamp,
        expires_at: Timestamp,
        state: DeliveryState,
        attempts: u32,
        last_error: Option<String>,
    ) -> Self {
        let (receipt, group, leader) = (None, None, None);
        Self { notification, sequence, due_at, expires_at, state, attempts, last_error, receipt, group, leader }
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
    let announced = transitions.iter().filter(|change| change.event != Event::Eased && !change.incident.held);
    announced.flat_map(|transition| notices(subject, channels, *transition, outcome, expiry)).collect()
}

/// The deliveries that tell of an incident's end which no run brought about: its monitor was paused or retired. `told` are
/// the channels for which the outbox has deliveries of the incident, whoever had them written, each with the latest time
/// that one which waits there is due at (escalations aside, which are over): the end isn't told before it.
pub fn announce_end(
    subject: &Subject,
    end: Transition,
    told: impl IntoIterator<Item = (String, Option<Timestamp>)>,
) -> Vec<Delivery> {
    let (channels, waits): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let mut deliveries = announce(subject, &channels, &[end], None, DEFAULT_EXPIRY);
    for (delivery, due_at) in deliveries.iter_mut().zip(waits) {
        delivery.due_at = due_at.map_or(delivery.due_at, |due_at| due_at.max(delivery.due_at));
        delivery.expires_at = delivery.due_at + DEFAULT_EXPIRY;
    }
    deliveries
}

/// One delivery to each of `channels` that tells of `transition`.
pub(super) fn notices<'c>(
    subject: &Subject,
    channels: impl IntoIterator<Item = &'c String>,
    transition: Transition,
    outcome: Option<&Outcome>,
    expiry: Duration,
) -> impl Iterator<Item = Delivery> {
    let message = outcome.map_or("", |outcome| outcome.message.as_str());
    channels.into_iter().map(move |channel| {
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
            affected: Affected::default(),
            also: Vec::new(),
            links: Vec::new(),
            opening: None,
            receipt: None,
        };
        let due_at = transition.at + transition.hold;
        Delivery::new(notification, sequence, due_at, due_at + expiry, DeliveryState::Pending, 0, None)
    })
}
