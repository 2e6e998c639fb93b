//! `/api/v1/deliveries`: the outbox as operators need to see it.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use pingmon_core::{
    id::{DeliveryId, IncidentId, MonitorId},
    incident::Event,
    notification::{DEFAULT_EXPIRY, Delivery, DeliveryState},
    store::outbox::DeliveryFilter,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::MonitorRef;
use crate::{
    admin::Admin,
    face::Shared,
    failure::Failure,
    query::{Id, Limit, Params},
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    state: Option<DeliveryState>,
    monitor: Option<MonitorId>,
    limit: Limit,
}

impl Asked {
    fn filter(&self) -> DeliveryFilter {
        let filter = DeliveryFilter::all();
        let filter = self.state.map_or(filter, |state| filter.state(state));
        self.monitor.map_or(filter, |monitor| filter.of(monitor))
    }
}

#[derive(Serialize)]
pub(super) struct Deliveries {
    deliveries: Vec<DeliveryBody>,
}

#[derive(Serialize)]
struct DeliveryBody {
    /// Also the idempotency key.
    id: DeliveryId,
    channel: String,
    event: Event,
    at: Timestamp,
    headline: String,
    monitor: MonitorRef,
    incident: IncidentId,
    state: DeliveryState,
    attempts: u32,
    due_at: Timestamp,
    expires_at: Timestamp,
    last_error: Option<String>,
    /// In whose message it is told, when it goes with others.
    leader: Option<DeliveryId>,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id(),
            incident: delivery.incident(),
            headline: delivery.notification.headline(),
            channel: delivery.notification.channel,
            event: delivery.notification.event,
            at: delivery.notification.at,
            monitor: MonitorRef { id: delivery.notification.monitor.id, name: delivery.notification.monitor.name },
            state: delivery.state,
            attempts: delivery.attempts,
            due_at: delivery.due_at,
            expires_at: delivery.expires_at,
            last_error: delivery.last_error,
            leader: delivery.leader,
        }
    }
}

/// Deliveries, latest notice first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Params(asked): Params<Asked>,
) -> Result<Json<Deliveries>, Failure> {
    let rows = shared.store().deliveries(asked.filter(), asked.limit.get()).await?;
    Ok(Json(Deliveries { deliveries: rows.into_iter().map(DeliveryBody::from).collect() }))
}

/// Sends a dead letter again, for a day from now.
pub(super) async fn resend(
    _: Admin,
    State(shared): State<Arc<Shared>>,
    Id(id): Id<DeliveryId>,
) -> Result<StatusCode, Failure> {
    shared.store().resend(id, DEFAULT_EXPIRY).await?;
    tracing::info!(%id, "a dead letter is sent again at an administrator's request");
    Ok(StatusCode::NO_CONTENT)
}
