//! The durable outbox: deliveries are written with the run that calls for them, taken by one session at a time, and
//! settled. At least once, with the same idempotency key on a repeat.
//!
//! What nobody needs to hear any more is **folded**, in the transaction that makes it so, unless it was attempted:
//!
//! * When a delivery is written, earlier reminders and worsenings of its incident on its channel are
//!   [superseded](Fold::Superseded), and so is an escalation by another of the same instant. When it says that the incident is resolved, the one that it had opened is folded too, all
//!   of them as [told with it](Fold::Resolved).
//! * When one that says "resolved" is written, its incident's [escalations](Fold::Over) on whatever channel are over.
//! * When a delivery that says "resolved" comes to be taken and nothing of its incident was sent on its channel or is told
//!   with it, it is folded instead: [nothing was heard](Fold::Unheard) there that could be resolved.
//!
//! A delivery may be due long after its notice, when it fell into quiet hours or its monitor flaps, and whatever follows on
//! its channel about its monitor waits for it. So that nothing urgent does, what waits is **brought forward**: when a delivery
//! is written, those before it (of its channel and monitor, whatever their incident) that were never attempted are due no
//! later than it is. Those that were attempted keep the time that their channel may have asked for. A reminder brings
//! nothing forward: it is no more urgent than what it reminds of. What is brought forward leaves its group, of which the others
//! may wait.
//!
//! Deliveries of a [group](Delivery::group) go as one message. When the first of them is taken, it **leads**: those that
//! can go with it are tied to it for good, and from then on share all that becomes of it: attempts, retry, the end. What was
//! attempted joins no group any more. So a repeat says the same under the same key, whoever died meanwhile.

use std::time::Duration;

use async_trait::async_trait;

#[cfg(doc)]
use crate::notification::Fold;
use crate::{
    error::Result,
    id::{DeliveryId, MonitorId, SessionId},
    notification::{Delivery, DeliveryState, Receipt},
    time::Timestamp,
};

/// Most deliveries that go as one message.
pub const MAX_GROUP: usize = 100;

/// How an attempt ended. Exhaustive: a store must know what each end means.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The channel took it, and answered this.
    Sent(Option<Receipt>),
    /// It is to be tried again at `due_at`.
    Retry {
        /// Not before.
        due_at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// It wasn't tried, as nobody is to hear of it now: it is looked at again at `due_at`. To have taken it counts as no
    /// attempt, and it expires as much later.
    Held {
        /// Not before.
        due_at: Timestamp,
    },
    /// It is given up.
    Dead {
        /// Why.
        error: String,
    },
}

/// One attempt's end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settlement {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The number of the attempt, as it was taken: with the session it fences the settlement.
    pub attempt: u32,
    /// How it ended.
    pub settled: Settled,
}

impl Settlement {
    /// How the attempt at `delivery` ended.
    pub const fn new(delivery: &Delivery, settled: Settled) -> Self {
        Self { delivery: delivery.id(), attempt: delivery.attempts, settled }
    }
}

/// Which deliveries are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryFilter {
    /// Only those of this monitor.
    pub monitor: Option<MonitorId>,
    /// Only those that stand so.
    pub state: Option<DeliveryState>,
}

impl DeliveryFilter {
    /// All deliveries.
    pub const fn all() -> Self {
        Self { monitor: None, state: None }
    }

    /// Only those of this monitor.
    #[must_use]
    pub const fn of(mut self, monitor: MonitorId) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Only those that stand so.
    #[must_use]
    pub const fn state(mut self, state: DeliveryState) -> Self {
        self.state = Some(state);
        self
    }
}

/// The notices on their way.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes up to `limit` pending deliveries of `channel` that are due and that no living session has taken, in the
    /// order (`notification.at`, `sequence`), and counts the attempt. A delivery waits while an earlier one of the same
    /// channel and monitor is pending, taken or not: a "resolved" never overtakes its "opened".
    ///
    /// The first of a group that is taken, when it never was before, takes the group with it: up to [`MAX_GROUP`] in all,
    /// in the order of all, of those that come later, were never attempted and have happened (`notification.at`), due or
    /// not. One stays behind when another of its monitor is pending before it and doesn't go along. They are tied to it by
    /// their [`leader`](Delivery::leader): they are never taken by themselves; whoever takes their leader finds them in its
    /// [`also`](crate::notification::Notification::also), and they stand as it stands, their attempts counted with it.
    /// Deleting a leader's monitor has the next of them lead the others.
    ///
    /// Their notifications bear the earliest receipt of their incident and channel; and where the notice that the incident
    /// had opened was folded into the one that it is resolved, [`opening`](crate::notification::Notification::opening).
    ///
    /// # Errors
    /// `SessionEnded`; store errors.
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>>;

    /// Puts back what the session has taken of `channel` and not settled: how an engine undoes a [`take`](Self::take)
    /// whose answer was lost. The attempts stay counted. Nothing happens for a session that has ended.
    ///
    /// # Errors
    /// Store errors.
    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()>;

    /// Records how attempts ended, in one transaction, with the receipts of those that were sent. A
    /// settlement whose delivery the session hasn't taken, or has taken again since, changes nothing. Retry, held and
    /// dead free the delivery; `last_error` keeps the error. What is told with a delivery ends with it, but has no receipt.
    ///
    /// # Errors
    /// `SessionEnded`; store errors.
    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()>;

    /// Turns up to `limit` pending deliveries that expired, and that no living session has taken, into dead letters;
    /// answers how many. Their error says that they expired. What is told with them expires with them, uncounted.
    ///
    /// # Errors
    /// Store errors.
    async fn expire(&self, limit: usize) -> Result<u64>;

    /// Makes a dead letter pending again: the same id, due now, for `expiry` from now. Its attempts stay counted. With a
    /// leader come those that are told with it; one of these by itself leaves it, and goes alone.
    ///
    /// # Errors
    /// `NotFound` when there is no dead letter of that id; store errors.
    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()>;

    /// Deliveries, latest notice first (then higher sequence first), at most `limit`.
    ///
    /// # Errors
    /// Store errors.
    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>>;
}
