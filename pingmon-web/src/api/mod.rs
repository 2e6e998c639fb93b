//! The JSON API, version 1: one file a resource. Answers are structs of their own, so that what a definition holds in
//! secret can't slip out and names stay when the nouns inside change.

mod deliveries;
mod engine;
mod incidents;
mod monitors;
mod results;
mod silences;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use pingmon_core::id::MonitorId;
use serde::Serialize;

use crate::{face::Shared, failure::Failure, reading};

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/monitors", get(monitors::list))
        .route("/api/v1/monitors/{id}", get(monitors::one))
        .route("/api/v1/monitors/{id}/results", get(results::results))
        .route("/api/v1/monitors/{id}/gaps", get(results::gaps))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/api/v1/deliveries", get(deliveries::list))
        .route("/api/v1/deliveries/{id}/resend", post(deliveries::resend))
        .route("/api/v1/silences", get(silences::list).post(silences::silence))
        .route("/api/v1/silences/{id}", delete(silences::end))
        .route("/api/v1/engine", get(engine::engine))
        .route_layer(middleware::from_fn(|request, next| guard(reading::DEADLINE, request, next)))
}

/// Ends what takes too long, and keeps answers out of caches.
async fn guard(deadline: Duration, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| Failure::Unavailable.into_response());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A monitor as others refer to it.
#[derive(Serialize)]
struct MonitorRef {
    id: MonitorId,
    name: String,
}
