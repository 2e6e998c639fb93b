//! Workers that share monitors. Start it twice, each in a terminal of its own, on the same store:
//!
//! ```sh
//! cargo run -p pingmon-examples --bin two_workers -- sqlite:workers.db anna
//! cargo run -p pingmon-examples --bin two_workers -- sqlite:workers.db bert
//! ```
//! Each prints what it runs: the twelve beacons are shared out, and none is run twice. Stop one with Ctrl-C and the
//! other has its beacons at once; kill it with `kill -9` and the other has them when the lease of 3 s has run out.
#![allow(clippy::print_stdout, reason = "a program that tells people what it does")]

use std::{env, sync::Arc, time::Duration};

use pingmon_core::{
    check,
    engine::Engine,
    error::{Error, Result},
    monitor::Definition,
    outcome::Outcome,
    store::Store,
};
use pingmon_examples::{Failure, asked_to_stop};
use pingmon_store::{postgres::PgStore, sqlite::SqliteStore};

const BEACONS: usize = 12;

/// What the workers share. Everything else in this program is the same whatever the store.
async fn open_store(url: &str) -> Result<Arc<dyn Store>> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(SqliteStore::open(url).await?)),
        Some(("postgres" | "postgresql", _)) => {
            let store = PgStore::connect(url).await?;
            // An SQLite file is brought up to date when it is opened. A shared database isn't: who changes its tables,
            // and when, is a decision of its own.
            store.migrate().await?;
            Ok(Arc::new(store))
        }
        _ => Err(Error::config(
            "store url",
            "names no store that is known: write \"sqlite:workers.db\" or \"postgres://…\"",
        )),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = env::args().skip(1);
    let (Some(url), Some(name)) = (args.next(), args.next()) else {
        return Err("usage: two_workers <store url> <name of this worker>".into());
    };

    // A check that says who runs it, and for which slot.
    let worker = name.clone();
    let beacon = check::from_fn("beacon", move |cx| {
        println!("{worker} runs {} for {}", cx.name, cx.slot);
        async { Ok(Outcome::up("seen")) }
    });

    // Both define the same monitors: whoever comes second changes nothing.
    let beacons = (1..=BEACONS).map(|n| Definition::new(format!("beacon {n}"), "beacon").every(Duration::from_secs(1)));
    let engine = Engine::builder(open_store(&url).await?)
        .kind(beacon.cooperative())
        .host(&name)
        .lease(Duration::from_secs(3))
        .poll(Duration::from_millis(250));
    let engine = beacons.fold(engine, |engine, beacon| engine.monitor(beacon)).build()?;

    println!("{name} works on {url}");
    let stop = async {
        if let Err(error) = asked_to_stop().await {
            println!("{name} can't be asked to stop, so it stops: {error}");
        }
    };
    let summary = engine.run(stop).await?;
    println!("{name} stopped: {summary}");
    Ok(())
}
