//! Deliveries as rows: what is written of them, and what is read. The outbox has the statements.

use chrono::{DateTime, Utc};
use pingmon_core::{
    id::DeliveryId,
    incident::Event,
    notification::{Delivery, DeliveryState},
};
use uuid::Uuid;

use crate::{
    codec::{from_json, receipt, to_json, word},
    error,
};

/// A delivery to be stored.
pub(super) struct DeliveryRow {
    pub(super) id: Uuid,
    pub(super) monitor: Uuid,
    pub(super) incident: Uuid,
    pub(super) event: Event,
    pub(super) channel: String,
    pub(super) at: DateTime<Utc>,
    pub(super) sequence: i64,
    pub(super) due_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) state: &'static str,
    pub(super) attempts: i64,
    pub(super) last_error: Option<String>,
    pub(super) group: Option<String>,
    pub(super) notification: String,
}

impl DeliveryRow {
    pub(super) fn from_delivery(delivery: &Delivery) -> error::Result<Self> {
        let notification = &delivery.notification;
        Ok(Self {
            id: *notification.id.as_uuid(),
            monitor: *notification.monitor.id.as_uuid(),
            incident: *notification.incident.id.as_uuid(),
            event: notification.event,
            channel: notification.channel.clone(),
            at: notification.at.to_datetime(),
            sequence: i64::from(delivery.sequence),
            due_at: delivery.due_at.to_datetime(),
            expires_at: delivery.expires_at.to_datetime(),
            state: delivery.state.as_str(),
            attempts: i64::from(delivery.attempts),
            last_error: delivery.last_error.as_deref().map(without_nul),
            group: delivery.group.as_deref().map(without_nul),
            notification: to_json("notification", notification)?,
        })
    }
}

/// A delivery as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct StoredDelivery {
    pub(super) sequence: i64,
    pub(super) due_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) state: String,
    pub(super) attempts: i64,
    pub(super) last_error: Option<String>,
    pub(super) receipt: Option<String>,
    pub(super) group_key: Option<String>,
    pub(super) leader: Option<Uuid>,
    pub(super) notification: String,
}

impl StoredDelivery {
    pub(super) fn into_delivery(self) -> error::Result<Delivery> {
        let mut delivery = Delivery::new(
            from_json("notification", &self.notification)?,
            u32::try_from(self.sequence).unwrap_or(u32::MAX),
            self.due_at.into(),
            self.expires_at.into(),
            word("state of a delivery", &self.state)?,
            u32::try_from(self.attempts).unwrap_or(u32::MAX),
            self.last_error,
        );
        delivery.receipt = receipt(self.receipt);
        delivery.group = self.group_key;
        delivery.leader = self.leader.map(DeliveryId::from_uuid);
        Ok(delivery)
    }
}

/// A delivery as it is taken: with what its channel was told and answered before.
#[derive(sqlx::FromRow)]
pub(super) struct TakenDelivery {
    #[sqlx(flatten)]
    pub(super) stored: StoredDelivery,
    pub(super) first_receipt: Option<String>,
    pub(super) opening: Option<String>,
}

impl TakenDelivery {
    pub(super) fn is_folded(&self) -> bool {
        self.stored.state == DeliveryState::Folded.as_str()
    }

    /// Whether it is the first of a group that is taken for the first time.
    pub(super) fn leads(&self) -> bool {
        self.stored.group_key.is_some() && self.stored.attempts == 1
    }

    pub(super) fn into_delivery(self) -> error::Result<Delivery> {
        let mut delivery = self.stored.into_delivery()?;
        delivery.notification.receipt = receipt(self.first_receipt);
        delivery.notification.opening = self.opening;
        Ok(delivery)
    }
}

/// What a channel said, without the one character that PostgreSQL can't hold.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
