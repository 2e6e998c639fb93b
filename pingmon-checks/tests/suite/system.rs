//! The `system` kind on the machine that runs the tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pingmon_checks::system::System;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind as _},
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};

async fn run(check: &dyn Check) -> Outcome {
    let cx = CheckContext::new(MonitorId::new(), "host", Timestamp::default(), Duration::from_secs(10));
    check.run(&cx).await.unwrap()
}

async fn measure(config: Value) -> Outcome {
    run(&*System::new().build(&config).unwrap()).await
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.metrics.iter().map(|metric| &*metric.name).collect()
}

#[tokio::test]
async fn without_a_word_all_is_measured_and_nothing_judged() {
    let outcome = measure(Value::Null).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    let names = names(&outcome);
    for name in ["cpu_used", "memory_used", "load_1", "load_5", "load_15", "disk_used"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let shares = outcome.metrics.iter().filter(|metric| metric.unit == "percent");
    assert!(shares.clone().all(|share| (0.0..=100.0).contains(&share.value)), "{outcome:?}");
    let root = outcome.metrics.iter().find(|metric| metric.labels.get("mount").is_some_and(|mount| mount == "/"));
    assert!(root.is_some_and(|root| root.value > 0.0), "{outcome:?}");
}

#[tokio::test]
async fn only_what_is_named_is_measured() {
    let outcome = measure(json!({ "memory": {} })).await;
    assert_eq!(names(&outcome), ["memory_used", "memory_used"]);
    assert!(outcome.message.starts_with("memory "), "{outcome:?}");
}

#[tokio::test]
async fn only_the_first_run_waits_for_a_second_sample_and_all_checks_of_a_kind_share_it() {
    let kind = System::new();
    let wait = Duration::from_millis(200);
    let started = Instant::now();
    run(&*kind.build(&json!({ "cpu": {} })).unwrap()).await;
    assert!(started.elapsed() >= wait);
    // A busy machine may take its time once or twice, a wait would be there each time.
    let later = kind.build(&json!({ "cpu": {}, "network": {} })).unwrap();
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        run(&*later).await;
        quickest = quickest.min(started.elapsed());
    }
    assert!(quickest < wait, "{quickest:?}");
}

#[tokio::test]
async fn a_figure_at_its_level_says_what_was_expected() {
    let outcome = measure(json!({ "memory": { "degraded": 0, "down": 100 } })).await;
    assert_eq!(outcome.status, Status::Degraded);
    assert!(outcome.message.starts_with("memory: expected < 0 percent, got "), "{outcome:?}");
    let outcome = measure(json!({ "cpu": { "down": 0 }, "load": { "degraded": 0 }, "swap": { "down": 100 } })).await;
    assert_eq!((outcome.status, outcome.failed.len()), (Status::Down, 2), "{outcome:?}");
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_down_and_those_that_are_get_named() {
    let outcome = measure(json!({ "disk": [{ "mount": "/" }, { "mount": "/no/such", "degraded": 80 }] })).await;
    assert_eq!(outcome.status, Status::Down);
    assert!(outcome.message.contains("no mount /no/such; there are /"), "{outcome:?}");
    let outcome = measure(json!({ "network": [{ "interface": "nope0" }] })).await;
    assert!(outcome.message.contains("no interface nope0; there "), "{outcome:?}");
}

#[tokio::test]
async fn a_process_is_found_by_name_and_by_number_and_missed_when_it_does_not_run() {
    let pid = std::process::id();
    let outcome = measure(json!({ "process": [{ "pid": pid, "memory": { "down": 1 } }] })).await;
    assert_eq!((outcome.status, outcome.failed.len()), (Status::Down, 1), "{outcome:?}");
    assert_eq!(outcome.failed[0].expectation, format!("process[{pid}].memory"));

    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    let outcome = measure(json!({ "process": [{ "name": name }] })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");

    let outcome = measure(json!({ "process": [{ "name": "no-such-program" }] })).await;
    assert_eq!(outcome.status, Status::Down);
    assert!(outcome.message.contains("no process no-such-program"), "{outcome:?}");
}

#[tokio::test]
async fn a_process_that_keeps_a_processor_busy_shows_it() {
    let busy = Arc::new(AtomicBool::new(true));
    let spinning = Arc::clone(&busy);
    let thread = std::thread::spawn(move || while spinning.load(Ordering::Relaxed) {});
    let check = System::new().build(&json!({ "process": [{ "pid": std::process::id() }] })).unwrap();
    let since = Instant::now();
    let mut used = 0.0;
    while used <= 5.0 && since.elapsed() < Duration::from_secs(20) {
        let outcome = run(&*check).await;
        used = outcome.metrics.iter().find(|metric| metric.name == "process_cpu").unwrap().value;
    }
    busy.store(false, Ordering::Relaxed);
    thread.join().unwrap();
    assert!(used > 5.0, "a busy thread never showed");
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (config, reason) in [
        (json!({ "cpus": {} }), "unknown field `cpus`"),
        (json!({ "cpu": { "degraded": 95, "down": 80 } }), "invalid cpu.down"),
        (json!({ "cpu": { "degraded": 120 } }), "cpu.degraded"),
        (json!({ "load": { "down": -1 } }), "load.down"),
        (json!({ "disk": 80 }), "a table of levels or a list of tables"),
        (json!({ "disk": [{ "mount": "/", "degraded": 90, "down": 80 }] }), "invalid disk[0].down"),
        (json!({ "disk": [{ "degraded": 90 }] }), "missing field `mount`"),
        (json!({ "network": { "degraded": -5 } }), "network.degraded"),
        (json!({ "process": [{}] }), "needs either name or pid"),
        (json!({ "process": [{ "name": "a", "pid": 1 }] }), "needs either name or pid"),
        (json!({ "process": [{ "pid": 1, "min": 2 }] }), "leave them out beside pid"),
        (json!({ "process": [{ "name": "a", "min": 3, "max": 2 }] }), "invalid process[0].max"),
    ] {
        let refusal = System::new().build(&config).err().expect("the config is refused").to_string();
        assert!(refusal.contains(reason), "{config}: {refusal}");
    }
}
