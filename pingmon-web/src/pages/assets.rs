//! What pages load beside themselves: one style sheet and one icon.

use std::sync::Arc;

use axum::{Router, http::header, response::IntoResponse, routing::get};

use crate::face::Shared;

const STYLE: &str = include_str!("../../assets/pingmon.css");
const ICON: &str = include_str!("../../assets/pingmon.svg");

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/pingmon.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/pingmon.svg", get(|| async { asset("image/svg+xml", ICON) }))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}
