//! Several engines on one store: shares, takeover, late workers.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pingmon_core::store::Store;

use crate::rig::{Engines, SECOND, Script, engine, monitor, pass, records, store};

/// The slots that were run in total, and how many of them more than once.
fn repeated(scripts: &[&Script]) -> (usize, usize) {
    let runs: Vec<_> = scripts.iter().flat_map(|script| script.runs.lock().unwrap().clone()).collect();
    let distinct: HashSet<_> = runs.iter().map(|(name, slot, _)| (name, slot)).collect();
    (runs.len(), runs.len() - distinct.len())
}

async fn define(store: &Arc<dyn Store>, count: usize) {
    let definitions = (0..count).map(|n| monitor(&format!("m{n}"))).collect();
    store.put(definitions).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn engines_share_monitors_fairly_and_run_no_slot_twice() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 90).await;
    let scripts = [Script::default(), Script::default(), Script::default()];
    let first = engines.start(engine(&store, &scripts[0]));
    pass(20 * SECOND).await;
    assert_eq!(first.handle.vitals().held, 90);
    let second = engines.start(engine(&store, &scripts[1]));
    let third = engines.start(engine(&store, &scripts[2]).capacity(1));
    pass(60 * SECOND).await;
    for running in [&first, &second, &third] {
        let held = running.handle.vitals().held;
        assert!((28..=33).contains(&held), "{held} of 90 held by one of three");
    }
    for running in [first, second, third] {
        engines.stop(running).await;
    }
    let (runs, repeated) = repeated(&scripts.each_ref());
    assert!(runs > 90 * 7, "{runs}");
    assert_eq!(repeated, 0, "of {runs} runs");
}

#[tokio::test(start_paused = true)]
async fn capacity_weighs_the_shares() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 100).await;
    let script = Script::default();
    let small = engines.start(engine(&store, &script));
    let large = engines.start(engine(&store, &script).capacity(3));
    pass(90 * SECOND).await;
    let held = [small.handle.vitals().held, large.handle.vitals().held];
    assert!((24..=27).contains(&held[0]) && (73..=76).contains(&held[1]), "{held:?}");
    engines.stop(small).await;
    engines.stop(large).await;
}

#[tokio::test(start_paused = true)]
async fn the_monitors_of_a_dead_engine_run_elsewhere_within_lease_and_poll_and_the_same_slot_is_run() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 20).await;
    let (slow, quick) = (Script::taking(4 * SECOND), Script::default());
    let doomed = engines.start(engine(&store, &slow));
    pass(12 * SECOND).await;
    let survivor = engines.start(engine(&store, &quick));
    pass(SECOND).await;
    let killed_at = tokio::time::Instant::now();
    engines.kill(doomed).await;
    while survivor.handle.vitals().held < 20 {
        pass(Duration::from_millis(100)).await;
    }
    assert!(killed_at.elapsed() <= 16 * SECOND + Duration::from_millis(500), "{:?}", killed_at.elapsed());
    pass(60 * SECOND).await;
    engines.stop(survivor).await;
    for n in 0..20 {
        let name = format!("m{n}");
        let slots: Vec<_> = records(&store, &name).await.iter().map(|record| record.slot).collect();
        let started: HashSet<_> =
            slow.runs.lock().unwrap().iter().filter(|run| run.0 == name).map(|run| run.1).collect();
        assert!(started.iter().all(|slot| slots.contains(slot)), "what the dead engine had begun was run by another");
        assert_eq!(slots.iter().collect::<HashSet<_>>().len(), slots.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaving_engine_hands_over_at_once() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 40).await;
    let (one, two) = (Script::default(), Script::default());
    let leaving = engines.start(engine(&store, &one));
    let staying = engines.start(engine(&store, &two));
    pass(60 * SECOND).await;
    engines.stop(leaving).await;
    pass(6 * SECOND).await;
    assert_eq!(staying.handle.vitals().held, 40, "within a renewal and a poll");
    engines.stop(staying).await;
    assert_eq!(repeated(&[&one, &two]).1, 0);
}
