//! `/api/v1/engine`: the vitals of this process's engine, and the sessions of all engines.

use std::sync::Arc;

use axum::{Json, extract::State};
use pingmon_core::{engine::vitals::Vitals, id::SessionId, outcome::millis, store::claims::Session, time::Timestamp};
use serde::Serialize;

use crate::{face::Shared, failure::Failure};

#[derive(Serialize)]
pub(super) struct Engines {
    /// The engine in this process; null when it has none.
    engine: Option<EngineBody>,
    /// Every engine that the store counts as alive.
    sessions: Vec<SessionBody>,
}

#[derive(Serialize)]
struct EngineBody {
    ready: bool,
    session: Option<SessionId>,
    held: u64,
    running: u64,
    recorded: u64,
    lost: u64,
    missed: u64,
    sent: u64,
    late: u64,
    faults: Vec<String>,
}

impl From<Vitals> for EngineBody {
    fn from(vitals: Vitals) -> Self {
        Self {
            ready: vitals.is_ready(),
            session: vitals.session,
            held: vitals.held,
            running: vitals.running,
            recorded: vitals.recorded,
            lost: vitals.lost,
            missed: vitals.missed,
            sent: vitals.sent,
            late: vitals.late,
            faults: vitals.faults,
        }
    }
}

#[derive(Serialize)]
struct SessionBody {
    id: SessionId,
    host: String,
    version: String,
    capacity: u32,
    weight: u32,
    running: u32,
    concurrency: u32,
    share: u64,
    held: u32,
    lateness_ms: f64,
    joined_at: Timestamp,
    lease_until: Timestamp,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.info.id,
            host: session.info.host,
            version: session.info.version,
            capacity: session.info.capacity,
            weight: session.info.weight,
            running: session.info.running,
            concurrency: session.info.concurrency,
            share: session.info.share,
            held: session.info.held,
            lateness_ms: millis(session.info.lateness.0),
            joined_at: session.joined_at,
            lease_until: session.lease_until,
        }
    }
}

/// How the engines are doing.
pub(super) async fn engine(State(shared): State<Arc<Shared>>) -> Result<Json<Engines>, Failure> {
    let sessions = shared.store().sessions().await?.into_iter().map(SessionBody::from).collect();
    Ok(Json(Engines { engine: shared.vitals().map(EngineBody::from), sessions }))
}
