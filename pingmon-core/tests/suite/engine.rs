//! One engine: slots, limits, faults of checks, holes, edits, shutdown.

use std::{
    future,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use pingmon_core::{
    check,
    engine::Engine,
    error::Error,
    monitor::State,
    outcome::{Outcome, Status},
    store::claims::{GapReason, SessionInfo},
};
use serde_json::json;

use crate::rig::{Engines, SECOND, Script, engine, id_of, monitor, pass, records, store};

#[tokio::test(start_paused = true)]
async fn every_due_slot_is_run_once_at_its_instant_and_recorded_once() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let running = engines.start((0..50).fold(engine(&store, &script), |e, n| e.monitor(monitor(&format!("m{n}")))));
    pass(121 * SECOND).await;
    engines.stop(running).await;
    for n in 0..50 {
        let records = records(&store, &format!("m{n}")).await;
        assert!((12..=13).contains(&records.len()), "m{n}: {} records in 121 s", records.len());
        assert!(records.windows(2).skip(1).all(|pair| pair[1].slot.since(pair[0].slot) == 10 * SECOND));
        let lateness = records.iter().map(|record| record.started_at.since(record.slot)).max();
        assert!(lateness <= Some(Duration::from_millis(2)), "{lateness:?}");
        assert_eq!(script.runs_of(&format!("m{n}")), records.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_or_never_returns_is_unknown_and_delays_no_other() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let builder = engine(&store, &script)
        .kind(check::from_fn("panics", |_| async { panic!("oh no") }).cooperative())
        .kind(check::from_fn("hangs", |_| future::pending()).cooperative())
        .monitor(monitor("good"))
        .monitor(pingmon_core::monitor::Definition::new("bad", "panics").every(SECOND))
        .monitor(pingmon_core::monitor::Definition::new("endless", "hangs").every(SECOND));
    let running = engines.start(builder);
    pass(61 * SECOND).await;
    assert!(running.handle.vitals().is_ready(), "{:?}", running.handle.vitals().faults);
    engines.stop(running).await;
    for (name, error) in [("bad", "check_panicked"), ("endless", "check_timeout")] {
        let records = records(&store, name).await;
        assert!(records.len() >= 30, "{name}: {}", records.len());
        assert!(records.iter().all(|r| r.outcome.status == Status::Unknown && r.outcome.evidence["error"] == error));
    }
    let good = records(&store, "good").await;
    assert!(good.iter().all(|record| record.started_at.since(record.slot) <= Duration::from_millis(2)));
}

#[tokio::test(start_paused = true)]
async fn limits_hold_overall_and_per_kind_and_what_waited_is_run_in_slot_order() {
    let (store, mut engines) = (store(), Engines::default());
    let (many, few) = (Script::taking(SECOND), Script::taking(SECOND));
    let builder = Engine::builder(Arc::clone(&store))
        .kind(many.kind("many"))
        .kind(few.kind("few"))
        .concurrency(7)
        .concurrency_of("few", 2);
    let define = |name: String, kind| pingmon_core::monitor::Definition::new(name, kind).every(60 * SECOND);
    let builder = (0..20).fold(builder, |b, n| b.monitor(define(format!("m{n}"), "many")));
    let running = engines.start((0..20).fold(builder, |b, n| b.monitor(define(format!("f{n}"), "few"))));
    pass(30 * SECOND).await;
    engines.stop(running).await;
    assert_eq!(few.most.load(SeqCst), 2);
    assert_eq!(many.most.load(SeqCst), 7, "the rest of the room is free for the other kind");
    let slots: Vec<_> = few.runs.lock().unwrap().iter().map(|(_, slot, _)| *slot).collect();
    assert_eq!(slots.len(), 20);
    assert!(slots.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn after_a_hole_a_monitor_runs_once_and_the_rest_is_one_gap_with_its_reason() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let first = engines.start(engine(&store, &script).monitor(monitor("m")));
    pass(15 * SECOND).await;
    engines.stop(first).await;
    let before = records(&store, "m").await.len();
    pass(600 * SECOND).await;
    let second = engines.start(engine(&store, &script));
    pass(35 * SECOND).await;
    engines.stop(second).await;
    let after = records(&store, "m").await;
    assert!((before + 3..=before + 4).contains(&after.len()), "{before} -> {}", after.len());
    let gaps = store.gaps(id_of(&store, "m").await, None, 10).await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].reason, GapReason::NoEngine);
    assert!((59..=61).contains(&gaps[0].slots), "{gaps:?}");
    assert_eq!(
        gaps[0].from.since(after[before].slot),
        10 * SECOND,
        "the gap begins right after the slot that was run late"
    );
    assert_eq!(gaps[0].until, after[before + 1].slot, "and ends where runs go on");
}

#[tokio::test(start_paused = true)]
async fn an_edited_monitor_runs_with_its_new_definition_and_a_paused_one_not_at_all() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let running = engines.start(engine(&store, &script).monitor(monitor("m").every(3_600 * SECOND)));
    pass(5 * SECOND).await;
    assert_eq!(script.runs_of("m"), 1);
    store.put(vec![monitor("m").every(5 * SECOND)]).await.unwrap();
    pass(30 * SECOND).await;
    assert!((6..=8).contains(&script.runs_of("m")), "{}", script.runs_of("m"));
    store.set_state(id_of(&store, "m").await, State::Paused).await.unwrap();
    pass(2 * SECOND).await;
    let runs = script.runs_of("m");
    pass(60 * SECOND).await;
    assert_eq!(script.runs_of("m"), runs);
    store.set_state(id_of(&store, "m").await, State::Active).await.unwrap();
    pass(2 * SECOND).await;
    assert_eq!(script.runs_of("m"), runs + 1, "a resumed monitor is due at once");
    engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_config_that_its_kind_refuses_is_unknown_and_says_why() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    store.put(vec![monitor("m").config(json!({ "colour": "red" }))]).await.unwrap();
    let running = engines.start(engine(&store, &script));
    pass(5 * SECOND).await;
    engines.stop(running).await;
    let records = records(&store, "m").await;
    assert_eq!(records[0].outcome.status, Status::Unknown);
    assert!(records[0].outcome.message.contains("colour"), "{}", records[0].outcome.message);
}

#[tokio::test(start_paused = true)]
async fn slots_of_a_kind_that_no_engine_knows_are_recorded_as_missed() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    store.put(vec![pingmon_core::monitor::Definition::new("m", "exotic").every(10 * SECOND)]).await.unwrap();
    let running = engines.start(engine(&store, &script));
    pass(200 * SECOND).await;
    engines.stop(running).await;
    assert!(records(&store, "m").await.is_empty());
    let mut gaps = store.gaps(id_of(&store, "m").await, None, 100).await.unwrap();
    gaps.reverse();
    assert!(gaps.windows(2).all(|pair| pair[0].until == pair[1].from), "the gaps leave no hole between them");
    assert!(gaps.iter().map(|gap| gap.slots).sum::<u64>() >= 14, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::NoEngine));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_runs_within_the_grace_period_and_hands_everything_back() {
    let (store, script, mut engines) = (store(), Script::taking(3 * SECOND), Engines::default());
    let running = engines.start((0..200).fold(engine(&store, &script), |e, n| e.monitor(monitor(&format!("m{n}")))));
    pass(2 * SECOND).await;
    assert!(running.handle.vitals().running > 150);
    let (summary, took) = engines.stop(running).await;
    assert!(took <= 4 * SECOND, "{took:?}");
    assert_eq!((summary.recorded, summary.abandoned, summary.released), (200, 0, 200));
    let other = SessionInfo::new(pingmon_core::id::SessionId::new(), "", "", 1);
    store.renew(&other, 15 * SECOND).await.unwrap();
    assert_eq!(store.claim(other.id, &["script".into()], 1_000).await.unwrap().len(), 200, "others have them at once");
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_off_what_outlasts_the_grace_period_and_those_slots_are_run_again() {
    let (store, script, mut engines) = (store(), Script::taking(9 * SECOND), Engines::default());
    let running = engines.start(engine(&store, &script).monitor(monitor("m")).grace(2 * SECOND));
    pass(SECOND).await;
    let (summary, took) = engines.stop(running).await;
    assert_eq!((summary.recorded, summary.abandoned), (0, 1));
    assert!(took <= 3 * SECOND, "{took:?}");
    let quick = Script::default();
    let running = engines.start(engine(&store, &quick));
    pass(10 * SECOND).await;
    engines.stop(running).await;
    assert_eq!(records(&store, "m").await[0].slot, script.runs.lock().unwrap()[0].1, "the very slot that was cut off");
}

#[tokio::test(start_paused = true)]
async fn re_checks_come_faster_until_a_failure_is_confirmed() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let mut definition = monitor("m").every(60 * SECOND);
    definition.policy.retry_every = Some((5 * SECOND).into());
    definition.policy.open_after = pingmon_core::policy::Threshold::Count(3);
    script.set("m", [Outcome::up("")].into_iter().chain((0..20).map(|_| Outcome::down("no"))));
    let running = engines.start(engine(&store, &script).monitor(definition));
    pass(240 * SECOND).await;
    engines.stop(running).await;
    let slots: Vec<_> = records(&store, "m").await.iter().map(|record| record.slot).collect();
    let distance = |n: usize| slots[n + 1].since(slots[n]).as_secs_f64().round();
    assert_eq!((distance(1), distance(2)), (5.0, 5.0), "two re-checks after the first failure");
    assert_eq!(distance(4), 60.0, "confirmed: back to the usual interval");
    assert_eq!(slots[4].since(slots[1]), 60 * SECOND, "re-checks replace no regular slot");
}

#[tokio::test]
async fn an_engine_refuses_settings_and_monitors_that_could_never_work() {
    let script = Script::default();
    let refused = |builder: pingmon_core::engine::Builder| match builder.build() {
        Err(Error::Config { field, reason }) => format!("{field}: {reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    };
    let builder = || engine(&store(), &script);
    assert!(refused(builder().concurrency(0)).starts_with("concurrency: 0 is out of range"));
    assert!(refused(builder().lease(Duration::ZERO)).starts_with("lease: 0s is out of range"));
    assert!(refused(builder().kind(script.kind("script"))).contains("two check kinds are named \"script\""));
    assert!(refused(builder().monitor(monitor("m").notify(["ops"]))).contains("no channel \"ops\""));
    let strange = pingmon_core::monitor::Definition::new("m", "htpp");
    assert!(refused(builder().monitor(strange)).contains("no check kind \"htpp\" was added; known are: script"));
}
