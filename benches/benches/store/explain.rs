//! How PostgreSQL carries out each busy statement of the store, as it says itself (auto_explain) while the store runs it.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, PoisonError},
};

use pingmon_core::store::{claims::Claims as _, history::History as _, outbox::Outbox as _};
use pingmon_store::postgres::PgStore;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt as _},
    registry,
};

use crate::{
    server::Server,
    work::{KIND, Worker, define},
};

/// What has each connection tell how it did what it was asked.
const PARAMETERS: [(&str, &str); 8] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_buffers", "on"),
    ("auto_explain.log_timing", "on"),
    ("auto_explain.log_level", "notice"),
    ("client_min_messages", "notice"),
    ("jit", "off"),
];
const SIZE: usize = 1_000;
/// Pending notices of one channel.
const DELIVERIES: &str = "INSERT INTO pingmon.deliveries
    SELECT gen_random_uuid(), id, 'ops', now(), 0, now(), now() + interval '1 day', 'pending', 0, NULL, NULL, '{}'
    FROM pingmon.monitors; ANALYZE pingmon.deliveries";
/// Slots that have a row already.
const RESULTS: &str = "INSERT INTO pingmon.results SELECT monitor, slot, slot, 1, 'up', '', NULL FROM pingmon.schedule
    ON CONFLICT DO NOTHING";

/// Keeps what the server says.
struct Notices;

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            event.record(&mut Message);
        }
    }
}

struct Message;

impl Visit for Message {
    fn record_str(&mut self, _: &Field, text: &str) {
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Prints the plans of what was said since the last time.
fn show(title: &str) {
    println!("\n## {title}");
    for heard in HEARD.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        if let Some((took, plan)) = heard.split_once("plan:\n") {
            println!("\n```text\n{}\n{}\n```", took.trim(), plan.trim_end());
        }
    }
}

/// Does what an engine does, and prints how.
pub(crate) async fn print() {
    let listening = registry().with(Notices);
    tracing::subscriber::set_global_default(listening).unwrap();
    let server = Server::start().await;
    define(&PgStore::open(&server.url()).await.unwrap()).await;
    server.execute("VACUUM ANALYZE").await;
    let parameters: Vec<_> = PARAMETERS.iter().map(|(name, value)| format!("options[{name}]={value}")).collect();
    let store = PgStore::connect(&format!("{}?{}", server.url(), parameters.join("&"))).await.unwrap();
    let mut worker = Worker::join(&store, SIZE).await;
    show("claim: 1,000 of 100,000 free monitors");
    store.claim(worker.session, &[Cow::Borrowed("unknown")], SIZE).await.unwrap();
    show("claim: none of 99,000 free monitors is of a kind that is asked for");
    let batch = worker.due(SIZE);
    store.complete(worker.session, &batch).await.unwrap();
    show("complete: 1,000 runs (the results follow by COPY)");
    store.complete(worker.session, &batch).await.unwrap();
    show("complete: 1,000 runs that were stored before");
    worker.done(SIZE);
    server.execute(RESULTS).await;
    store.complete(worker.session, &worker.due(SIZE)).await.unwrap();
    show("complete: 1,000 runs whose slots have rows already, the second way");
    let held = store.owned(worker.session).await.unwrap();
    show("owned: 1,000 monitors");
    store.records(held[0], None, 100).await.unwrap();
    show("records: the latest 100 of a monitor");
    store.release(worker.session, &held[..100]).await.unwrap();
    show("release: 100 monitors");
    server.execute(DELIVERIES).await;
    // The notices are none, so that reading them fails once they are taken.
    let _ = store.take(worker.session, "ops", 16).await;
    show("take: 16 of 100,000 deliveries");
    store.claim(worker.session, &[Cow::Borrowed(KIND)], 100).await.unwrap();
    show("claim: 100 of 99,100 free monitors");
    store.leave(worker.session).await.unwrap();
    show("leave: 1,000 monitors become free");
}
