//! `/api/v1/incidents`: from confirmed failure to confirmed recovery.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use pingmon_core::{
    id::{IncidentId, MonitorId},
    incident::{About, Closed, Incident},
    outcome::Status,
    store::incidents::IncidentFilter,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::MonitorRef;
use crate::{
    admin::Admin,
    face::Shared,
    failure::Failure,
    query::{Cursor, Id, Limit, Params},
    reading,
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    /// Only those that are open; false is the same as leaving it out.
    open: bool,
    monitor: Option<MonitorId>,
    before: Option<Cursor>,
    limit: Limit,
}

impl Asked {
    fn filter(&self) -> IncidentFilter {
        let filter = IncidentFilter::all();
        let filter = if self.open { filter.open() } else { filter };
        self.monitor.map_or(filter, |monitor| filter.of(monitor))
    }
}

#[derive(Serialize)]
pub(super) struct Incidents {
    incidents: Vec<IncidentBody>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Cursor>,
}

#[derive(Serialize)]
pub(super) struct IncidentBody {
    id: IncidentId,
    monitor: MonitorRef,
    about: About,
    level: Status,
    /// When the failure that was confirmed began.
    failing_since: Timestamp,
    opened_at: Timestamp,
    opened_slot: Timestamp,
    message: String,
    closed_at: Option<Timestamp>,
    closed: Option<Closed>,
    acknowledged_at: Option<Timestamp>,
    acknowledged_by: Option<String>,
}

impl IncidentBody {
    fn new(incident: Incident, name: Option<&String>) -> Self {
        Self {
            id: incident.id,
            monitor: MonitorRef { id: incident.monitor, name: name.cloned().unwrap_or_default() },
            about: incident.about,
            level: incident.level,
            failing_since: incident.failing_since,
            opened_at: incident.opened_at,
            opened_slot: incident.opened_slot,
            message: incident.message,
            closed_at: incident.closed_at,
            closed: incident.closed,
            acknowledged_at: incident.acknowledged_at,
            acknowledged_by: incident.acknowledged_by,
        }
    }
}

/// Incidents, latest opened first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Params(asked): Params<Asked>,
) -> Result<Json<Incidents>, Failure> {
    let limit = asked.limit.get();
    let mut rows = reading::incidents(shared.store().as_ref(), asked.filter(), asked.before, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = Cursor::behind(&reading::opened(&rows), asked.before).filter(|_| more);
    let names = reading::names(shared.store(), rows.iter().map(|incident| incident.monitor)).await?;
    let body = |incident: Incident| {
        let name = names.get(&incident.monitor);
        IncidentBody::new(incident, name)
    };
    Ok(Json(Incidents { incidents: rows.into_iter().map(body).collect(), next }))
}

/// One incident.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentBody>, Failure> {
    let incident = shared.store().incident(id).await?;
    let names = reading::names(shared.store(), std::iter::once(incident.monitor)).await?;
    let name = names.get(&incident.monitor);
    Ok(Json(IncidentBody::new(incident, name)))
}

/// Who says to see to an incident.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledgement {
    by: String,
}

/// Says who sees to an open incident.
pub(super) async fn acknowledge(
    _: Admin,
    State(shared): State<Arc<Shared>>,
    Id(id): Id<IncidentId>,
    asked: Result<Json<Acknowledgement>, JsonRejection>,
) -> Result<Json<IncidentBody>, Failure> {
    let Json(Acknowledgement { by }) = asked.map_err(|rejection| Failure::Refused(rejection.body_text()))?;
    let incident = shared.store().acknowledge(id, &by).await?;
    let names = reading::names(shared.store(), std::iter::once(incident.monitor)).await?;
    let name = names.get(&incident.monitor);
    Ok(Json(IncidentBody::new(incident, name)))
}
