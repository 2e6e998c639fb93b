//! A memory store with a clock that tests set, runs recorded through the contract, and requests to a face over it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request, response::Response};
use pingmon_core::{
    id::{MonitorId, SessionId},
    incident::{self, Judged},
    monitor::Definition,
    notification::{self, Subject},
    outcome::Outcome,
    schedule::Phase,
    store::{
        catalog::Catalog,
        claims::{Claim, Claims, Completion, SessionInfo},
    },
    time::{Clock, Timestamp},
};
use pingmon_store::memory::MemoryStore;
use pingmon_web::Face;
use tower::ServiceExt;

/// A clock that shows what it was set to.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn set(&self, at: Timestamp) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) session: SessionId,
}

impl World {
    /// An empty store at 2026-11-22T10:00:00Z, with one living session.
    pub(crate) async fn new() -> Self {
        Self::starting_at("2026-11-22T10:00:00Z".parse().unwrap()).await
    }

    pub(crate) async fn starting_at(now: Timestamp) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(now.as_micros())));
        let store = Arc::new(MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
        let session = SessionId::new();
        let info = SessionInfo::new(session, "host-1", "0.1.0", 1);
        store.renew(&info, Duration::from_secs(30 * 86_400)).await.unwrap();
        Self { store, clock, session }
    }

    /// Adds monitors of kind `http`, and claims them.
    pub(crate) async fn add(&self, definitions: impl IntoIterator<Item = Definition>) -> Vec<MonitorId> {
        let put = self.store.put(definitions.into_iter().collect()).await.unwrap();
        self.store.claim(self.session, &["http".into()], 1_000_000).await.unwrap();
        put.into_iter().map(|put| put.id).collect()
    }

    pub(crate) async fn add_one(&self, name: &str) -> MonitorId {
        self.add([Definition::new(name, "http")]).await[0]
    }

    /// Runs the pending slot of a monitor, 3 ms late, as an engine does; the clock moves to the run's end.
    pub(crate) async fn run(&self, id: MonitorId, outcome: Outcome) {
        let slot = self.store.monitor(id).await.unwrap().slot;
        let end = slot + Duration::from_millis(3) + outcome.latency.unwrap_or_default();
        self.run_at(id, end, outcome).await;
    }

    /// Runs the pending slot of a monitor, the run ending `at`.
    pub(crate) async fn run_at(&self, id: MonitorId, at: Timestamp, outcome: Outcome) {
        let overview = self.store.monitor(id).await.unwrap();
        let claim = Claim::new(overview.monitor, overview.health, overview.slot);
        let definition = &claim.monitor.definition;
        let started_at = claim.slot + Duration::from_millis(3);
        self.clock.set(at.max(self.clock.now()));
        let judged = Judged { monitor: id, slot: claim.slot, status: outcome.status, at };
        let (health, transitions) = incident::advance(&claim.health, judged, &definition.policy);
        let next = definition.schedule.next_after(claim.slot, Phase::of(id)).unwrap();
        let mut completion = Completion::new(&claim, started_at, outcome.clone(), next);
        let (subject, expiry) = (Subject::of(&claim.monitor), Duration::from_secs(3_600));
        completion.deliveries =
            notification::announce(&subject, &definition.notify, &transitions, Some(&outcome), expiry);
        // On the channel of that name all goes as one message.
        for delivery in completion.deliveries.iter_mut().filter(|delivery| delivery.notification.channel == "digest") {
            delivery.group = Some("all".to_owned());
        }
        completion.health = Some(health);
        completion.transitions = transitions;
        self.store.complete(self.session, &[completion]).await.unwrap();
    }

    /// Runs the next slots of a monitor with the same outcome.
    pub(crate) async fn run_times(&self, times: usize, id: MonitorId, outcome: &Outcome) {
        for _ in 0..times {
            self.run(id, outcome.clone()).await;
        }
    }

    pub(crate) fn face(&self) -> Face {
        Face::new(self.store.clone()).clock(self.clock.clone())
    }

    pub(crate) fn router(&self) -> Router {
        pingmon_web::router(self.face())
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    response: Response,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// GETs `path`.
pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

/// POSTs nothing to `path`, with that `Authorization` if there is one.
pub(crate) async fn post(router: &Router, path: &str, authorization: Option<&str>) -> Answer {
    let request =
        authorization.into_iter().fold(Request::post(path), |request, value| request.header("authorization", value));
    ask(router, request.body(Body::empty()).unwrap()).await
}

/// POSTs a body of that type to `path`, with an `Authorization`.
pub(crate) async fn post_body(router: &Router, path: &str, authorization: &str, kind: &str, body: &str) -> Answer {
    let request = Request::post(path).header("authorization", authorization).header("content-type", kind);
    ask(router, request.body(Body::from(body.to_owned())).unwrap()).await
}

/// DELETEs `path`, with that `Authorization`.
pub(crate) async fn delete(router: &Router, path: &str, authorization: &str) -> Answer {
    ask(router, Request::delete(path).header("authorization", authorization).body(Body::empty()).unwrap()).await
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let mut response = router.clone().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(std::mem::take(response.body_mut()), 64 << 20).await.unwrap();
    Answer { status: response.status().as_u16(), body: String::from_utf8(bytes.into()).unwrap(), response }
}

/// What stands in attributes `name` of a page, unescaped.
pub(crate) fn attributes(page: &str, name: &str) -> Vec<String> {
    let open = format!(" {name}=\"");
    let values = page.split(&open).skip(1).filter_map(|rest| rest.split('"').next());
    values.map(|value| value.replace("&#x2f;", "/").replace("&#x27;", "'").replace("&amp;", "&")).collect()
}
