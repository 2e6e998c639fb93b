//! The face of pingmon: an [`axum::Router`] with a status page, a JSON API and health answers, to nest anywhere in a
//! service's own router.
//!
//! It reads a [`Store`](pingmon_core::store::Store), and writes only for whoever bears the token that the host set. It binds no port, has no fallback and puts no
//! layer on what is not its own. Every link on its pages is relative to the page, so that it works under any prefix and
//! behind a proxy that strips one, without being told.
//!
//! | path | answers |
//! |---|---|
//! | `/` | status page: what is open, and every monitor with its last 60 runs |
//! | `/monitors/{id}` | one monitor: runs, phases, metrics, incidents, gaps, evidence of the last failure |
//! | `/incidents` | open incidents, then the past ones |
//! | `/api/v1/monitors`, `/api/v1/monitors/{id}` | monitors, never their `config` |
//! | `/api/v1/monitors/{id}/results`, `/api/v1/monitors/{id}/gaps` | runs and missed slots, newest first |
//! | `/api/v1/incidents`, `/api/v1/incidents/{id}` | incidents, latest opened first |
//! | `/notices` | notices given up, and those on their way |
//! | `/acknowledge/{id}` | what a signed link in a notice leads to: says who sees to an incident |
//! | `POST /api/v1/incidents/{id}/acknowledge` | the same for whoever has the administrator's token: `{"by": "anna"}` |
//! | `/silence/{id}` | what another signed link leads to: silences a monitor for an hour |
//! | `/api/v1/silences` | what people don't want to be told of for a time |
//! | `POST /api/v1/silences` | silences monitors; with the administrator's token: `{"monitors": ["shop"], "for": "1h", "by": "anna"}` |
//! | `DELETE /api/v1/silences/{id}` | ends a silence; with the administrator's token |
//! | `/api/v1/deliveries` | notices on their way, sent, given up and folded |
//! | `POST /api/v1/deliveries/{id}/resend` | sends a notice again that was given up; with the administrator's token |
//! | `/api/v1/engine` | vitals of this engine, sessions of all |
//! | `/healthz` | 200: this process answers |
//! | `/readyz` | 200 when the engine does its work and the store can be read, 503 with the reasons otherwise |
//!
//! The API answers errors as `{"error": "…"}`: 400 names the query field, 401 and 403 say what is missing to change anything,
//! 404 what wasn't found, 503 says that the store
//! can't be read; its cause goes to `tracing`, never to the reader.
//!
//! Who may see all this is the host's decision: put its own authentication layer around the router.
//!
//! ```
//! use std::sync::Arc;
//! use axum::Router;
//! use pingmon_core::store::Store;
//! use pingmon_web::Face;
//!
//! fn app(store: Arc<dyn Store>) -> Router {
//!     Router::new().nest("/status", pingmon_web::router(Face::new(store).title("Shop")))
//! }
//! ```

mod admin;
mod api;
mod face;
mod failure;
mod health;
mod links;
mod pages;
mod query;
mod reading;
mod signer;

use std::sync::Arc;

use axum::Router;

use crate::face::Shared;
pub use crate::{face::Face, signer::Signer};

/// The router of `face`, its state applied: mounts into a host of any state with `nest` or `merge`.
pub fn router<S>(face: Face) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shared = Arc::new(Shared::new(face));
    Router::new().merge(pages::router(&shared)).merge(api::router()).merge(health::router()).with_state(shared)
}
