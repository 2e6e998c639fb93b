//! Deliveries as rows: what is written of them, and what is read. The outbox has the statements.

use pingmon_core::{id::DeliveryId, incident::Event, notification::Delivery};
use uuid::Uuid;

use crate::{
    codec::{from_json, instant, receipt, to_json, word},
    error,
};

/// A delivery to be stored.
pub(super) struct DeliveryRow {
    pub(super) id: Uuid,
    pub(super) monitor: Uuid,
    pub(super) incident: String,
    pub(super) event: Event,
    pub(super) channel: String,
    pub(super) at: i64,
    pub(super) sequence: u32,
    pub(super) due_at: i64,
    pub(super) expires_at: i64,
    pub(super) state: &'static str,
    pub(super) attempts: u32,
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
            incident: notification.incident.id.to_string(),
            event: notification.event,
            channel: notification.channel.clone(),
            at: notification.at.as_micros(),
            sequence: delivery.sequence,
            due_at: delivery.due_at.as_micros(),
            expires_at: delivery.expires_at.as_micros(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            last_error: delivery.last_error.clone(),
            group: delivery.group.clone(),
            notification: to_json("notification", notification)?,
        })
    }
}

/// A delivery as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct StoredDelivery {
    pub(super) sequence: u32,
    pub(super) due_at: i64,
    pub(super) expires_at: i64,
    pub(super) state: String,
    pub(super) attempts: u32,
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
            self.sequence,
            instant(self.due_at),
            instant(self.expires_at),
            word("state of a delivery", &self.state)?,
            self.attempts,
            self.last_error,
        );
        delivery.receipt = receipt(self.receipt);
        delivery.group = self.group_key;
        delivery.leader = self.leader.map(DeliveryId::from_uuid);
        Ok(delivery)
    }
}
