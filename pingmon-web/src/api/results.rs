//! `/api/v1/monitors/{id}/results` and `/gaps`: what runs found, and the slots that nobody ran.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{Json, extract::State};
use pingmon_core::{
    id::MonitorId,
    outcome::{Failure as Unmet, Metric, Status, millis},
    store::{
        claims::{Gap, GapReason},
        history::Record,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    face::Shared,
    failure::Failure,
    query::{Id, Limit, Params},
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    before: Option<Timestamp>,
    limit: Limit,
}

#[derive(Serialize)]
pub(super) struct Results {
    results: Vec<RunBody>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Timestamp>,
}

/// A recorded run, in the shape of `pingmon check --output json`.
#[derive(Serialize)]
pub(super) struct RunBody {
    slot: Timestamp,
    started_at: Timestamp,
    status: Status,
    latency_ms: Option<f64>,
    #[serde(serialize_with = "in_order")]
    phases_ms: Vec<(Cow<'static, str>, Duration)>,
    message: String,
    failed: Vec<Unmet>,
    metrics: Vec<Metric>,
    evidence: Map<String, Value>,
}

impl From<Record> for RunBody {
    fn from(record: Record) -> Self {
        let outcome = record.outcome;
        Self {
            slot: record.slot,
            started_at: record.started_at,
            status: outcome.status,
            latency_ms: outcome.latency.map(millis),
            phases_ms: outcome.phases,
            message: outcome.message,
            failed: outcome.failed,
            metrics: outcome.metrics,
            evidence: outcome.evidence,
        }
    }
}

fn in_order<S: Serializer>(phases: &[(Cow<'static, str>, Duration)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(phases.iter().map(|(name, took)| (name, millis(*took))))
}

#[derive(Serialize)]
pub(super) struct Gaps {
    gaps: Vec<GapBody>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Timestamp>,
}

/// Slots at and after `from` and before `until` that nobody ran.
#[derive(Serialize)]
struct GapBody {
    from: Timestamp,
    until: Timestamp,
    slots: u64,
    reason: GapReason,
}

impl From<Gap> for GapBody {
    fn from(gap: Gap) -> Self {
        Self { from: gap.from, until: gap.until, slots: gap.slots, reason: gap.reason }
    }
}

/// Runs, newest slot first.
pub(super) async fn results(
    State(shared): State<Arc<Shared>>,
    Id(id): Id<MonitorId>,
    Params(asked): Params<Asked>,
) -> Result<Json<Results>, Failure> {
    shared.store().monitor(id).await?;
    let limit = asked.limit.get();
    let mut rows = shared.store().records(id, asked.before, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| last.slot);
    Ok(Json(Results { results: rows.into_iter().map(RunBody::from).collect(), next }))
}

/// Gaps, newest first.
pub(super) async fn gaps(
    State(shared): State<Arc<Shared>>,
    Id(id): Id<MonitorId>,
    Params(asked): Params<Asked>,
) -> Result<Json<Gaps>, Failure> {
    shared.store().monitor(id).await?;
    let limit = asked.limit.get();
    let mut rows = shared.store().gaps(id, asked.before, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| last.from);
    Ok(Json(Gaps { gaps: rows.into_iter().map(GapBody::from).collect(), next }))
}
