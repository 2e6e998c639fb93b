//! Several engines on one store: shares, takeover, late workers.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pingmon_core::{
    id::SessionId,
    store::{Store, claims::SessionInfo},
};

use crate::rig::{Engines, SECOND, Script, engine, id_of, monitor, pass, records, store};

const MILLISECOND: Duration = Duration::from_millis(1);

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
async fn a_joining_engine_has_its_share_within_two_leases_and_gets_it_little_by_little() {
    for lease in [3 * SECOND, 15 * SECOND, 60 * SECOND] {
        let (store, mut engines) = (store(), Engines::default());
        define(&store, 400).await;
        let script = Script::default();
        let first = engines.start(engine(&store, &script).lease(lease));
        pass(20 * SECOND).await;
        let joined_at = tokio::time::Instant::now();
        let second = engines.start(engine(&store, &script).lease(lease));
        let (mut held, mut most) = (0, 0);
        while held < 190 {
            pass(SECOND).await;
            let now = second.handle.vitals().held;
            (held, most) = (now, most.max(now - held));
        }
        assert!(joined_at.elapsed() <= 2 * lease, "{:?} at a lease of {lease:?}", joined_at.elapsed());
        let a_round = 2 * 400 / lease.as_secs();
        assert!(most <= a_round, "{most} at once at a lease of {lease:?}");
        engines.stop(first).await;
        engines.stop(second).await;
    }
}

#[tokio::test(start_paused = true)]
async fn engines_that_share_are_as_evenly_busy_as_one_alone() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 400).await;
    let (one, two) = (Script::default(), Script::default());
    let first = engines.start(engine(&store, &one));
    pass(30 * SECOND).await;
    let second = engines.start(engine(&store, &two));
    pass(60 * SECOND).await;
    let from = store.renew(&SessionInfo::new(SessionId::new(), "", "", 1), SECOND).await.unwrap().now;
    pass(10 * SECOND).await;
    for script in [&one, &two] {
        for half in [from, from + 5 * SECOND] {
            let window = half..half + 5 * SECOND;
            let count = script.runs.lock().unwrap().iter().filter(|(_, slot, _)| window.contains(slot)).count();
            assert!((65..=135).contains(&count), "{count} of 400 monitors in half a period on one of two engines");
        }
    }
    engines.stop(first).await;
    engines.stop(second).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_cannot_keep_up_gives_more_away_and_gets_it_back_when_it_can() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 100).await;
    // Each run takes 3 s, so 30 at a time make 100 in 10 s: five at a time can't make their half of it.
    let (slow, quick) = (Script::taking(3 * SECOND), Script::taking(3 * SECOND));
    let narrow = engines.start(engine(&store, &slow).concurrency(5));
    let wide = engines.start(engine(&store, &quick).concurrency(50));
    pass(300 * SECOND).await;
    let held = [narrow.handle.vitals().held, wide.handle.vitals().held];
    assert!(held[0] <= 25 && held[0] + held[1] == 100, "{held:?}");
    let sessions = store.sessions().await.unwrap();
    let weight = |running: &crate::rig::Running| {
        let session = running.handle.vitals().session;
        sessions.iter().find(|living| Some(living.info.id) == session).unwrap().info.weight
    };
    assert!(weight(&narrow) < 500 && weight(&wide) == 1_000, "{} {}", weight(&narrow), weight(&wide));
    engines.stop(narrow).await;
    engines.stop(wide).await;
}

#[tokio::test(start_paused = true)]
async fn the_monitors_of_a_dead_engine_wait_no_longer_because_their_next_owner_is_young() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 100).await;
    let (before, after) = (Script::default(), Script::default());
    let lease = 3 * SECOND;
    let doomed = engines.start(engine(&store, &before).lease(lease));
    pass(20 * SECOND).await;
    let witness = engines.start(engine(&store, &before).lease(lease));
    pass(20 * SECOND).await;
    engines.kill(doomed).await;
    pass(2 * SECOND).await;
    let young = engines.start(engine(&store, &after).lease(lease));
    pass(2_500 * MILLISECOND).await;
    let late = after.runs.lock().unwrap().iter().filter(|(_, slot, at)| at.since(*slot) > SECOND / 2).count();
    assert!(late > 0, "what the dead engine left was run by the young one as soon as it could");
    let all: Vec<_> = [&before, &after].into_iter().flat_map(|script| script.runs.lock().unwrap().clone()).collect();
    assert!(all.iter().all(|(_, slot, at)| at.since(*slot) < lease + 1_500 * MILLISECOND));
    engines.stop(witness).await;
    engines.stop(young).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_hole_each_monitor_runs_once_for_it_and_the_load_does_not_double() {
    let (store, mut engines) = (store(), Engines::default());
    define(&store, 500).await;
    let (before, after) = (Script::default(), Script::default());
    let running = engines.start(engine(&store, &before));
    pass(40 * SECOND).await;
    engines.kill(running).await;
    pass(45 * SECOND).await;
    let back = store.renew(&SessionInfo::new(SessionId::new(), "", "", 1), SECOND).await.unwrap().now;
    let running = engines.start(engine(&store, &after));
    pass(25 * SECOND).await;
    engines.stop(running).await;
    let runs = after.runs.lock().unwrap().clone();
    for second in 0..20 {
        let window = back + second * SECOND..back + (second + 1) * SECOND;
        let started = runs.iter().filter(|(.., started_at)| window.contains(started_at)).count();
        assert!(started < 100, "{started} runs in second {second}, where 50 are usual");
    }
    for n in 0..500 {
        let name = format!("m{n}");
        let caught_up = runs.iter().filter(|(of, slot, _)| *of == name && *slot < back).count();
        assert_eq!(caught_up, 1, "runs of {name} for the time of the hole");
        let gaps = store.gaps(id_of(&store, &name).await, None, 10).await.unwrap();
        assert!(gaps.len() == 1 && gaps[0].slots >= 3, "{gaps:?}");
    }
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
    pass(1_100 * MILLISECOND).await;
    assert_eq!(staying.handle.vitals().held, 40, "within a poll");
    engines.stop(staying).await;
    assert_eq!(repeated(&[&one, &two]).1, 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_room_for_is_run_all_the_same_within_some_polls() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    define(&store, 40).await;
    // Engines that died as soon as they had joined: until their sessions end, half of the monitors are theirs to take.
    let dead = SessionInfo::new(SessionId::new(), "", "", 1);
    store.renew(&dead, 600 * SECOND).await.unwrap();
    let running = engines.start(engine(&store, &script));
    pass(15 * SECOND).await;
    for n in 0..40 {
        assert!(script.runs_of(&format!("m{n}")) > 0, "m{n} was never run");
    }
    engines.stop(running).await;
}
