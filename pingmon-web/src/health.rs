//! `/healthz` and `/readyz`: whether this process answers, and whether it does its work.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::face::Shared;

/// How long the store may take to answer a small read before it counts as hung.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(readyz))
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    /// Why it isn't, each in one line.
    faults: Vec<String>,
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let mut faults = shared.vitals().map(|vitals| vitals.faults).unwrap_or_default();
    faults.extend(store_fault(&shared).await);
    let ready = faults.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(Readiness { ready, faults })).into_response()
}

async fn store_fault(shared: &Shared) -> Option<String> {
    match tokio::time::timeout(STORE_DEADLINE, shared.store().monitors(None, 1)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => {
            tracing::warn!(error = error.chain(), "failed to read the store for a readiness answer");
            Some("the store can't be read".into())
        }
        Err(_) => Some(format!("the store didn't answer within {} s", STORE_DEADLINE.as_secs())),
    }
}
