//! The pages: drawn on the server, complete without JavaScript, under a content security policy that allows none.

mod acknowledge;
mod assets;
mod chart;
mod incidents;
mod mark;
mod monitor;
mod notices;
mod overview;
mod silence;
mod silences;
pub(crate) mod templates;
mod wording;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use crate::{face::Shared, failure::Failure, links::Links, reading};

/// Everything comes from where the page comes from, and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";
/// As on every page, but that this one may send its own form.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                           frame-ancestors 'none'";

pub(crate) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/monitors/{id}", get(monitor::page))
        .route("/incidents", get(incidents::page))
        .route("/notices", get(notices::page))
        .route("/acknowledge/{id}", get(acknowledge::ask).post(acknowledge::acknowledge))
        .route("/silence/{id}", get(silence::ask).post(silence::silence))
        .route_layer(middleware::from_fn_with_state(Arc::clone(shared), dress))
        .merge(assets::router())
}

/// Ends what takes too long, shows failures as a page, and sets the headers that every page has.
async fn dress(State(shared): State<Arc<Shared>>, links: Links, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(reading::DEADLINE, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| Failure::Unavailable.into_response());
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure_page(&shared, &links, &failure).unwrap_or_else(Failure::into_response);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        // A page may have a policy of its own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A page with a form.
fn form(page: Html<String>) -> Response {
    let mut response = page.into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FORM_POLICY));
    response
}

#[derive(Serialize)]
struct FailurePage {
    heading: &'static str,
    sentence: String,
}

fn failure_page(shared: &Shared, links: &Links, failure: &Failure) -> Result<Response, Failure> {
    let heading = match failure.status() {
        StatusCode::BAD_REQUEST => "This address can't be understood",
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "This link can't be used",
        _ => "This page can't be shown",
    };
    let page = FailurePage { heading, sentence: format!("Error: {failure}.") };
    let html = shared.templates.render("failure.html", shared, links, &page)?;
    Ok((failure.status(), html).into_response())
}
