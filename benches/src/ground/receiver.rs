//! Where the notices go: takes every webhook and keeps a log of what came, repeats included.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use pingmon_core::time::{Clock as _, SystemClock, Timestamp};
use serde::Deserialize;

use super::server::Server;
use crate::Result;

/// A notice as it came.
#[derive(Clone)]
pub(crate) struct Notice {
    pub(crate) key: String,
    pub(crate) event: String,
    pub(crate) monitor: String,
    pub(crate) incident: String,
    pub(crate) received_at: Timestamp,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    event: String,
    monitor: Monitor,
    incident: Incident,
}

#[derive(Deserialize)]
struct Monitor {
    name: String,
}

#[derive(Deserialize)]
struct Incident {
    id: String,
}

type Log = Arc<Mutex<Vec<Notice>>>;

pub(crate) struct Receiver {
    server: Server,
    log: Log,
}

impl Receiver {
    pub(crate) async fn open() -> Result<Self> {
        let log = Log::default();
        let router = Router::new().route("/notices", post(take)).with_state(Arc::clone(&log));
        Ok(Self { server: Server::open(router).await?, log })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/notices", self.server.address)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(log): State<Log>, Json(body): Json<Body>) -> StatusCode {
    let notice = Notice {
        key: body.id,
        event: body.event,
        monitor: body.monitor.name,
        incident: body.incident.id,
        received_at: SystemClock.now(),
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    StatusCode::NO_CONTENT
}
