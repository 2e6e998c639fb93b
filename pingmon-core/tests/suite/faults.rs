//! A store that fails for a while: nothing recorded is lost, readiness tells, and no restart is needed.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use pingmon_core::{
    engine::Builder,
    outcome::Outcome,
    store::{Store, claims::GapReason, incidents::IncidentFilter},
};

use crate::{
    faulty::Faulty,
    rig::{Engines, Inbox, SECOND, Script, engine, id_of, monitor, pass, records, store},
};

fn over(faulty: &Arc<Faulty>, script: &Script) -> Builder {
    let store: Arc<dyn Store> = Arc::clone(faulty) as _;
    engine(&store, script)
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_of_the_store_loses_no_run_and_leaves_no_gap() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let running = engines.start(over(&faulty, &script).monitor(monitor("m")));
    pass(25 * SECOND).await;
    faulty.down.store(true, SeqCst);
    pass(8 * SECOND).await;
    let faults = running.handle.vitals().faults;
    assert!(faults.iter().any(|fault| fault.contains("no space left on device")), "{faults:?}");
    faulty.down.store(false, SeqCst);
    pass(60 * SECOND).await;
    assert!(running.handle.vitals().is_ready(), "{:?}", running.handle.vitals().faults);
    engines.stop(running).await;
    assert!(store.gaps(id_of(&store, "m").await, None, 10).await.unwrap().is_empty());
    let records = records(&store, "m").await;
    assert!(records.windows(2).skip(1).all(|pair| pair[1].slot.since(pair[0].slot) == 10 * SECOND));
    assert_eq!(script.runs_of("m"), records.len());
}

#[tokio::test(start_paused = true)]
async fn a_long_failure_ends_the_session_stops_runs_and_leaves_a_gap_that_says_why() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let running = engines.start(over(&faulty, &script).monitor(monitor("m")));
    pass(25 * SECOND).await;
    faulty.down.store(true, SeqCst);
    pass(20 * SECOND).await;
    let runs = script.runs_of("m");
    pass(100 * SECOND).await;
    assert_eq!(script.runs_of("m"), runs, "no run starts past the lease");
    assert!(!running.handle.vitals().is_ready());
    faulty.down.store(false, SeqCst);
    pass(30 * SECOND).await;
    assert!(running.handle.vitals().is_ready(), "{:?}", running.handle.vitals().faults);
    engines.stop(running).await;
    let gaps = store.gaps(id_of(&store, "m").await, None, 10).await.unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].reason, GapReason::StoreDown);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_lost_is_stored_once_and_announced_once() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let inbox = Arc::new(Inbox::default());
    script.set("m", [Outcome::up("")].into_iter().chain((0..50).map(|_| Outcome::down("no"))));
    let builder = over(&faulty, &script).notifier("ops", Arc::clone(&inbox) as _);
    let running = engines.start(builder.monitor(monitor("m").notify(["ops"])));
    pass(6 * SECOND).await;
    for _ in 0..8 {
        faulty.mute.store(true, SeqCst);
        pass(6 * SECOND).await;
        faulty.mute.store(false, SeqCst);
        pass(6 * SECOND).await;
    }
    engines.stop(running).await;
    let records = records(&store, "m").await;
    assert!(records.windows(2).skip(1).all(|pair| pair[1].slot.since(pair[0].slot) == 10 * SECOND), "{records:?}");
    let incidents = store.incidents(IncidentFilter::all(), 10).await.unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:?} {records:?}");
    assert_eq!(inbox.got.lock().unwrap().iter().map(|n| n.id).collect::<std::collections::HashSet<_>>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_cut_off_finds_its_monitors_elsewhere_and_what_it_ran_is_refused() {
    let (store, mut engines) = (store(), Engines::default());
    let faulty = Faulty::over(&store);
    let (slow, quick) = (Script::taking(9 * SECOND), Script::default());
    let inbox = Arc::new(Inbox::default());
    slow.set("m", (0..100).map(|_| Outcome::down("seen by the late one")));
    let cut_off = engines.start(over(&faulty, &slow).notifier("ops", Arc::clone(&inbox) as _).lease(SECOND));
    store.put(vec![monitor("m").notify(["ops"])]).await.unwrap();
    pass(2 * SECOND).await;
    assert_eq!(slow.runs_of("m"), 1);
    faulty.down.store(true, SeqCst);
    let other = engines.start(engine(&store, &quick).lease(SECOND));
    pass(4 * SECOND).await;
    assert_eq!(other.handle.vitals().held, 1);
    faulty.down.store(false, SeqCst);
    pass(30 * SECOND).await;
    assert!(records(&store, "m").await.iter().all(|record| record.outcome.message == "fine"));
    assert!(inbox.got.lock().unwrap().is_empty());
    engines.stop(other).await;
    engines.stop(cut_off).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_failover_lost_is_run_again_and_stored_once() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let running = engines.start(over(&faulty, &script).monitor(monitor("m")));
    pass(25 * SECOND).await;
    let session = running.handle.vitals().session;
    faulty.doomed.store(true, SeqCst);
    pass(14 * SECOND).await;
    let kept = records(&store, "m").await.len();
    assert!(script.runs_of("m") > kept, "some runs were lost");
    faulty.doomed.store(false, SeqCst);
    pass(30 * SECOND).await;
    assert!(running.handle.vitals().is_ready(), "{:?}", running.handle.vitals().faults);
    assert_ne!(running.handle.vitals().session, session, "a session that was forgotten is left");
    assert_eq!(store.sessions().await.unwrap().len(), 1);
    engines.stop(running).await;
    let (records, gaps) = (records(&store, "m").await, store.gaps(id_of(&store, "m").await, None, 10).await.unwrap());
    let covered = records.len() as u64 + gaps.iter().map(|gap| gap.slots).sum::<u64>();
    assert!(records.len() >= kept + 2 && covered >= 7, "{records:?} {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_whose_run_is_refused_is_claimed_anew_within_two_polls() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let running = engines.start(over(&faulty, &script).lease(60 * SECOND).monitor(monitor("m")));
    pass(25 * SECOND).await;
    faulty.doomed.store(true, SeqCst);
    // One run, and no renewal.
    pass(10 * SECOND).await;
    faulty.doomed.store(false, SeqCst);
    let lost = running.handle.vitals().lost;
    while running.handle.vitals().lost == lost {
        pass(SECOND / 10).await;
    }
    pass(2 * SECOND).await;
    assert_eq!(running.handle.vitals().held, 1);
    engines.stop(running).await;
    let records = records(&store, "m").await;
    let slots: std::collections::HashSet<_> = records.iter().map(|record| record.slot).collect();
    assert!(slots.len() == records.len() && script.runs_of("m") > records.len(), "{records:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_never_answered_costs_no_session() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    let running = engines.start(over(&faulty, &script).monitor(monitor("m")));
    pass(25 * SECOND).await;
    let session = running.handle.vitals().session;
    faulty.stuck.store(true, SeqCst);
    pass(60 * SECOND).await;
    assert!(!faulty.stuck.load(SeqCst));
    assert_eq!(running.handle.vitals().session, session);
    engines.stop(running).await;
    assert!(store.gaps(id_of(&store, "m").await, None, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_failover_hands_back_to_an_engine_that_had_given_it_up_is_given_up_again() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let faulty = Faulty::over(&store);
    store.put((0..20).map(|n| monitor(&format!("m{n}"))).collect()).await.unwrap();
    let first = engines.start(over(&faulty, &script).lease(60 * SECOND));
    pass(25 * SECOND).await;
    // The first gives up what is the second's part, between two of its renewals, and that is forgotten.
    faulty.doomed.store(true, SeqCst);
    let second = engines.start(engine(&store, &script).lease(60 * SECOND));
    pass(10 * SECOND).await;
    assert!(first.handle.vitals().held < 18, "{:?}", first.handle.vitals());
    faulty.doomed.store(false, SeqCst);
    pass(60 * SECOND).await;
    assert_eq!(first.handle.vitals().held + second.handle.vitals().held, 20);
    engines.stop(first).await;
    engines.stop(second).await;
}
