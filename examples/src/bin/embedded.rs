//! A shop that watches its own dependencies and shows how they are at `/status`.
//!
//! ```sh
//! cargo run -p pingmon-examples --bin embedded                       # on a free port, in memory
//! cargo run -p pingmon-examples --bin embedded -- 127.0.0.1:3000 sqlite:shop.db
//! curl -X POST http://127.0.0.1:3000/orders                          # fill the queue: 5 orders and it is degraded
//! ```
#![allow(clippy::print_stdout, reason = "a program that tells people what it does")]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use pingmon_core::{
    check::{self, CheckKind},
    engine::Engine,
    monitor::Definition,
    outcome::{Metric, Outcome},
    store::Store,
};
use pingmon_examples::{Failure, asked_to_stop};
use pingmon_store::{memory::MemoryStore, sqlite::SqliteStore};
use pingmon_web::Face;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The service: takes orders into a queue that something else empties.
#[derive(Default)]
struct Shop {
    queue: AtomicU32,
}

async fn order(State(shop): State<Arc<Shop>>) -> String {
    format!("{} orders waiting\n", shop.queue.fetch_add(1, Relaxed) + 1)
}

/// A check is a closure that looks once. When, how often and what follows is the engine's business.
fn queue_depth(shop: &Arc<Shop>) -> impl CheckKind + use<> {
    let shop = Arc::clone(shop);
    let look = move |_| {
        let waiting = shop.queue.load(Relaxed);
        let message = format!("{waiting} orders waiting");
        let outcome = if waiting < 5 { Outcome::up(message) } else { Outcome::degraded(message) };
        let outcome = outcome.metric(Metric::new("orders_waiting", waiting.into(), ""));
        async { Ok(outcome) }
    };
    // It never blocks its thread, so it needs none of its own.
    check::from_fn("queue_depth", look).cooperative()
}

/// What a check needs, it brings along: here an address, elsewhere a connection pool or a client of the service.
fn payments(provider: String) -> impl CheckKind {
    check::from_fn("payments", move |_| {
        let provider = provider.clone();
        async move {
            Ok(match tokio::net::TcpStream::connect(&provider).await {
                Ok(_) => Outcome::up(format!("{provider} takes connections")),
                Err(error) => Outcome::down(format!("{provider} takes no connection: {error}")),
            })
        }
    })
    .cooperative()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = env::args().skip(1);
    let listener = TcpListener::bind(args.next().as_deref().unwrap_or("127.0.0.1:0")).await?;
    let store: Arc<dyn Store> = match args.next() {
        Some(url) => Arc::new(SqliteStore::open(&url).await?),
        None => Arc::new(MemoryStore::new()),
    };
    let address = listener.local_addr()?;
    let shop = Arc::new(Shop::default());

    // 1. The engine: what is watched, and how often. The payment provider of this example is the shop itself.
    let engine = Engine::builder(Arc::clone(&store))
        .kind(queue_depth(&shop))
        .kind(payments(address.to_string()))
        .monitor(Definition::new("order queue", "queue_depth").every(Duration::from_secs(1)))
        .monitor(Definition::new("payment provider", "payments").every(Duration::from_secs(5)))
        .host("shop")
        .build()?;
    let handle = engine.handle();

    // 2. The page, among the service's own routes. Put your own authentication around it.
    let page = pingmon_web::router(Face::new(store).engine(move || handle.vitals()).title("Shop"));
    let app = Router::new().route("/orders", post(order)).with_state(shop).nest("/status", page);
    println!("the shop's status is at http://{address}/status");

    // 3. One token stops both; neither leaves anything behind.
    let stop = CancellationToken::new();
    let serve = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let (summary, (), ()) = tokio::try_join!(
        async { engine.run(stop.cancelled()).await.map_err(Failure::from) },
        async { serve.await.map_err(Failure::from) },
        async { asked_to_stop().await.map(|()| stop.cancel()).map_err(Failure::from) },
    )?;
    println!("stopped: {summary}");
    Ok(())
}
