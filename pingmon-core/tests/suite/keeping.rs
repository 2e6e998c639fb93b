//! What checks keep from run to run: it follows the monitor, and is as old as the last recorded run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use pingmon_core::{
    check::{self, CheckContext, CheckKind},
    engine::{Builder, Engine},
    error::Result,
    monitor::Definition,
    outcome::Outcome,
    store::Store,
};

use crate::{
    faulty::Faulty,
    rig::{Engines, SECOND, id_of, pass, records, store},
};

/// A kind that counts its runs in what its monitors keep.
fn counting() -> impl CheckKind {
    async fn count(cx: CheckContext) -> Result<Outcome> {
        let last = cx.kept().await?.map_or(0, |bytes| bytes[0]);
        Ok(Outcome::up(format!("{}", last + 1)).keep([last + 1]))
    }
    check::from_fn("count", count).cooperative()
}

fn engine(store: &Arc<dyn Store>) -> Builder {
    let monitor = Definition::new("m", "count").every(10 * SECOND);
    Engine::builder(Arc::clone(store)).kind(counting()).lease(15 * SECOND).monitor(monitor)
}

/// What the runs said, oldest first.
async fn said(store: &Arc<dyn Store>) -> Vec<String> {
    records(store, "m").await.into_iter().map(|record| record.outcome.message).collect()
}

fn counted(runs: usize) -> Vec<String> {
    (1..=runs).map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_monitor_goes_on_with_what_it_kept_after_a_stop_and_after_a_death() {
    let (store, mut engines) = (store(), Engines::default());
    for killed in [false, true, false] {
        let running = engines.start(engine(&store));
        pass(60 * SECOND).await;
        match killed {
            true => engines.kill(running).await,
            false => drop(engines.stop(running).await),
        }
    }
    let said = said(&store).await;
    assert!(said.len() > 12, "{said:?}");
    assert_eq!(said, counted(said.len()), "each run found what the one before it kept");
    let kept = store.kept(id_of(&store, "m").await).await.unwrap().unwrap();
    assert_eq!(kept, [said.len() as u8]);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_would_keep_that_is_not_recorded_is_not_kept() {
    let (store, mut engines) = (store(), Engines::default());
    let faulty = Faulty::over(&store);
    let over: Arc<dyn Store> = Arc::clone(&faulty) as _;
    let running = engines.start(engine(&over));
    pass(25 * SECOND).await;
    faulty.down.store(true, SeqCst);
    pass(100 * SECOND).await;
    faulty.down.store(false, SeqCst);
    pass(60 * SECOND).await;
    engines.stop(running).await;
    let said = said(&store).await;
    assert_eq!(said, counted(said.len()), "no run counted one that nobody knows of");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_whose_kept_bytes_can_not_be_read_is_unknown_and_they_stay() {
    let (store, mut engines) = (store(), Engines::default());
    let running = engines.start(engine(&store));
    pass(25 * SECOND).await;
    engines.stop(running).await;
    let before = said(&store).await.len();

    let faulty = Faulty::over(&store);
    let over: Arc<dyn Store> = Arc::clone(&faulty) as _;
    faulty.unreadable.store(true, SeqCst);
    let running = engines.start(engine(&over));
    pass(25 * SECOND).await;
    faulty.unreadable.store(false, SeqCst);
    pass(10 * SECOND).await;
    engines.stop(running).await;
    let mut said = said(&store).await.split_off(before);
    let after = said.pop().unwrap();
    assert!(
        !said.is_empty() && said.iter().all(|said| said.contains("failed to read what a monitor keeps")),
        "{said:?}"
    );
    assert_eq!(after, (before + 1).to_string());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_asks_for_nothing_has_nothing_read() {
    let (store, mut engines) = (store(), Engines::default());
    let faulty = Faulty::over(&store);
    faulty.unreadable.store(true, SeqCst);
    let over: Arc<dyn Store> = Arc::clone(&faulty) as _;
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let kind = check::from_fn("plain", move |_| {
        asks.store(true, SeqCst);
        async { Ok(Outcome::up("fine")) }
    });
    let builder = Engine::builder(over).kind(kind.cooperative()).monitor(Definition::new("m", "plain"));
    let running = engines.start(builder);
    pass(5 * SECOND).await;
    engines.stop(running).await;
    assert!(asked.load(SeqCst));
    assert_eq!(said(&store).await, ["fine"]);
}
