//! `/api/v1/monitors`: what is watched and how it stands.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use pingmon_core::{
    id::{IncidentId, MonitorId},
    monitor,
    outcome::Status,
    schedule::Schedule,
    store::catalog::Overview,
    time::{Span, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::results::RunBody;
use crate::{
    face::Shared,
    failure::Failure,
    query::{Id, Limit, Params},
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    after: Option<String>,
    limit: Limit,
}

#[derive(Serialize)]
pub(super) struct Monitors {
    monitors: Vec<MonitorBody>,
    /// What to ask for as `after` to go on; null at the end.
    next: Option<String>,
}

/// A monitor without its `config`.
#[derive(Serialize)]
struct MonitorBody {
    id: MonitorId,
    name: String,
    kind: String,
    state: monitor::State,
    /// The verdict of the last run; null before the first.
    status: Option<Status>,
    /// Since when runs have said so.
    since: Option<Timestamp>,
    /// The slot that is due next; null while it isn't run.
    next_slot: Option<Timestamp>,
    /// Its open incidents.
    incidents: Vec<IncidentId>,
    /// Why nobody has been told of them; null when somebody has.
    held_because: Option<String>,
    schedule: Schedule,
    timeout: Span,
    notify: Vec<String>,
    depends_on: Vec<String>,
    labels: BTreeMap<String, String>,
    origin: String,
    revision: i64,
}

#[derive(Serialize)]
pub(super) struct OneMonitor {
    #[serde(flatten)]
    monitor: MonitorBody,
    /// Its latest run; null before the first.
    last: Option<RunBody>,
}

impl From<Overview> for MonitorBody {
    fn from(overview: Overview) -> Self {
        let Overview { monitor, health, slot, .. } = overview;
        let definition = monitor.definition;
        Self {
            id: monitor.id,
            name: definition.name,
            kind: definition.kind,
            state: monitor.state,
            status: health.status,
            since: health.since,
            next_slot: (monitor.state == monitor::State::Active).then_some(slot),
            incidents: health.open().map(|(_, open)| open.id).collect(),
            held_because: health.held_because,
            schedule: definition.schedule,
            timeout: definition.timeout,
            notify: definition.notify,
            depends_on: definition.depends_on,
            labels: definition.labels,
            origin: definition.origin.as_str().to_owned(),
            revision: monitor.revision,
        }
    }
}

/// Monitors that aren't retired, by name.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Params(asked): Params<Asked>,
) -> Result<Json<Monitors>, Failure> {
    let limit = asked.limit.get();
    let mut rows = shared.store().monitors(asked.after.as_deref(), limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| last.monitor.definition.name.clone());
    Ok(Json(Monitors { monitors: rows.into_iter().map(MonitorBody::from).collect(), next }))
}

/// One monitor, a retired one too.
pub(super) async fn one(State(shared): State<Arc<Shared>>, Id(id): Id<MonitorId>) -> Result<Json<OneMonitor>, Failure> {
    let overview = shared.store().monitor(id).await?;
    let last = shared.store().records(id, None, 1).await?.pop().map(RunBody::from);
    Ok(Json(OneMonitor { monitor: overview.into(), last }))
}
