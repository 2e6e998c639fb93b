//! The second opinion: another engine sees a failure too before its incident opens.

use std::sync::Arc;

use pingmon_core::{
    engine::Builder,
    monitor::Definition,
    outcome::Outcome,
    policy::{Policy, Threshold},
    store::{Store, incidents::IncidentFilter},
};

use crate::rig::{Engines, Inbox, SECOND, Script, engine, id_of, monitor, pass, records, store};

/// Fails for good from the second run on.
fn failing() -> Script {
    let script = Script::default();
    script.set("shop", std::iter::once(Outcome::up("fine")).chain((0..500).map(|_| Outcome::down("refused"))));
    script
}

fn shop(confirm_by: u32) -> Definition {
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    policy.confirm_by = confirm_by;
    monitor("shop").notify(["ops"]).policy(policy)
}

fn worker(store: &Arc<dyn Store>, script: &Script, ops: &Arc<Inbox>, host: &str) -> Builder {
    engine(store, script).host(host).notifier("ops", Arc::clone(ops) as _)
}

/// Plays one monitor among thirty on three engines; the last that many find it up.
async fn play(confirm_by: u32, dissenters: usize) -> (Arc<dyn Store>, Arc<Inbox>) {
    let (store, ops, mut engines) = (store(), Arc::new(Inbox::default()), Engines::default());
    store.put((0..30).map(|n| monitor(&format!("m{n}"))).chain([shop(confirm_by)]).collect()).await.unwrap();
    let shared = failing();
    let scripts: Vec<_> = (0..3).map(|n| if n < 3 - dissenters { shared.clone() } else { Script::default() }).collect();
    let mut running = Vec::new();
    for (n, script) in scripts.iter().enumerate() {
        running.push(engines.start(worker(&store, script, &ops, &format!("host {n}"))));
    }
    pass(90 * SECOND).await;
    for running in running {
        engines.stop(running).await;
    }
    (store, ops)
}

#[tokio::test(start_paused = true)]
async fn an_incident_opens_once_as_many_engines_as_asked_for_have_seen_the_failure() {
    for confirm_by in [2, 3] {
        let (store, ops) = play(confirm_by, 0).await;
        assert_eq!(ops.lines(), ["opened shop"], "{confirm_by}");
        let mut saw = ops.got.lock().unwrap()[0].confirmed_by.clone();
        saw.sort();
        saw.dedup();
        assert_eq!(saw.len(), confirm_by as usize, "{saw:?}");
        let records = records(&store, "shop").await;
        let first_down = records.iter().position(|record| record.outcome.message == "refused").unwrap();
        let looks = &records[first_down..first_down + confirm_by as usize];
        let took = looks[looks.len() - 1].started_at.since(looks[0].started_at);
        assert!(took <= 2 * SECOND * (confirm_by - 1), "the others looked {took:?} later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_no_other_engine_sees_opens_nothing() {
    let (store, ops) = play(3, 2).await;
    assert!(ops.lines().is_empty(), "{:?}", ops.lines());
    assert!(store.incidents(IncidentFilter::all(), 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_engine_alone_opens_by_itself() {
    let (store, ops, mut engines) = (store(), Arc::new(Inbox::default()), Engines::default());
    store.put(vec![shop(2)]).await.unwrap();
    let running = engines.start(worker(&store, &failing(), &ops, "alone"));
    pass(30 * SECOND).await;
    engines.stop(running).await;
    assert_eq!(ops.lines(), ["opened shop"]);
    assert_eq!(ops.got.lock().unwrap()[0].confirmed_by, ["alone"]);
}

#[tokio::test(start_paused = true)]
async fn where_no_other_engine_knows_the_kind_the_first_opens_after_a_lease() {
    let (store, ops, mut engines) = (store(), Arc::new(Inbox::default()), Engines::default());
    store.put(vec![shop(2)]).await.unwrap();
    let first = engines.start(worker(&store, &failing(), &ops, "knows it"));
    let stranger = pingmon_core::engine::Engine::builder(Arc::clone(&store)).kind(Script::default().kind("other"));
    let stranger = engines.start(stranger.lease(15 * SECOND));
    pass(60 * SECOND).await;
    assert_eq!(ops.lines(), ["opened shop"]);
    let records = records(&store, "shop").await;
    let looks: Vec<_> = records.iter().filter(|record| record.outcome.message == "refused").take(2).collect();
    let waited = looks[1].started_at.since(looks[0].started_at);
    assert!(waited <= 15 * SECOND + 2 * SECOND, "{waited:?}");
    assert!(store.monitor(id_of(&store, "shop").await).await.unwrap().health.target.is_some());
    engines.stop(first).await;
    engines.stop(stranger).await;
}
