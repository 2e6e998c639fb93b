//! Plug-ins that mean harm: each run ends in time with `unknown` and a reason, within its memory, and disturbs nobody.

use std::time::Duration;

use pingmon_core::outcome::{MAX_METRICS, Outcome, Status};
use serde_json::json;
use tokio::time::{Instant, sleep};

use pingmon_checks::wasm::Plugins;

use super::{Monitor, compiler, component, fixture, hostile, settings};
use crate::found::verdict;

/// What of it is used: this process's resident memory, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Runs a monitor and holds it against its time.
async fn in_time(monitor: Monitor) -> Outcome {
    let started = Instant::now();
    let outcome = monitor.run().await;
    let took = started.elapsed();
    assert!(took <= monitor.timeout + Duration::from_millis(250), "{took:?}: {outcome:?}");
    outcome
}

#[tokio::test]
async fn whatever_a_plugin_does_its_run_ends_in_time_as_unknown_and_says_why() {
    let short = Duration::from_millis(500);
    let long = Duration::from_secs(10);
    for (does, times, timeout, error, says) in [
        ("loop", 0, short, "plugin_timeout", "didn't end within 450ms"),
        ("sleep", 0, short, "plugin_timeout", "didn't end within 450ms"),
        ("recurse", 0, long, "plugin_trap", "out of bounds"),
        ("memory", 0, long, "plugin_limit", "more memory than the 67108864 bytes of wasm.max_memory"),
        ("return", 5_000_000, long, "plugin_trap", "broke"),
        ("metrics", 100_000, long, "plugin_trap", "broke"),
        ("stderr", 1_000, long, "plugin_trap", "broke"),
        ("panic", 0, long, "plugin_trap", "unreachable"),
        ("exit", 0, long, "plugin_trap", "exited with"),
        ("nonsense", 0, long, "plugin_failed", "it can't do nonsense"),
    ] {
        let outcome = in_time(hostile(json!({ "does": does, "times": times })).await.within(timeout)).await;
        assert_eq!(verdict(&outcome), (Status::Unknown, error), "{does}: {outcome:?}");
        assert!(outcome.message.contains(says), "{does}: {}", outcome.message);
    }
}

#[tokio::test]
async fn a_panic_shows_its_last_words() {
    let outcome = hostile(json!({ "does": "panic", "with": "the queue is a lie" })).await.run().await;
    assert!(outcome.evidence["stderr"].as_str().unwrap().contains("the queue is a lie"), "{outcome:?}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped_and_harms_nothing() {
    let outcome = in_time(hostile(json!({ "does": "log", "times": 50_000 })).await).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "logged"));
}

#[tokio::test]
async fn numbers_that_were_measured_are_kept_within_their_limit_when_the_run_breaks() {
    let outcome = in_time(hostile(json!({ "does": "add-metrics", "times": 10_000 })).await).await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_trap"));
    assert_eq!((outcome.metrics.len(), outcome.metrics[1].value), (MAX_METRICS, 1.0));
}

#[tokio::test]
async fn memory_that_plugins_took_is_bounded_and_comes_back() {
    let before = resident();
    let mut most = 0;
    for _ in 0..5 {
        let (outcome, ()) = tokio::join!(in_time(hostile(json!({ "does": "memory" })).await), async {
            sleep(Duration::from_millis(5)).await;
            most = most.max(resident());
        });
        assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_limit"));
    }
    let after = resident();
    // Other tests of this process take some too.
    let room = 256 * 1024 * 1024;
    assert!(most < before + room && after < before + room / 2, "{before}, at most {most}, {after} in the end");
}

#[tokio::test]
async fn others_hardly_notice_a_plugin_that_computes_without_end() {
    let monitor = hostile(json!({ "does": "loop" })).await.within(Duration::from_secs(2));
    let mut late = Vec::new();
    let watch = async {
        for _ in 0..300 {
            let started = Instant::now();
            sleep(Duration::from_millis(1)).await;
            late.push(started.elapsed());
        }
    };
    let (outcome, ()) = tokio::join!(in_time(monitor), watch);
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_timeout"));
    late.sort_unstable();
    let (median, p99) = (late[late.len() / 2], late[late.len() * 99 / 100]);
    assert!(median < Duration::from_millis(30) && p99 < Duration::from_millis(150), "{median:?}, p99 {p99:?}");
}

#[tokio::test]
async fn hand_made_components_are_stopped_by_the_same_limits() {
    let grow = "(drop (table.grow 0 (ref.null func) (i32.const 100000))) (loop (br 0)) unreachable";
    let lie = |status: &str, text: &str| {
        let data = format!(r#"(data (i32.const 2048) "\00\00\00\00\00\00\00\00{status}\00\00\00{text}")"#);
        component::running("(i32.const 2048)", &data)
    };
    let long = Duration::from_secs(10);
    let short = Duration::from_millis(500);
    for (what, wasm, timeout, error, says) in [
        ("table", component::running(grow, "(table 1 funcref)"), long, "plugin_limit", "wasm.max_table"),
        ("out of memory", component::running("(i32.const -8)", ""), long, "plugin_trap", "broke"),
        ("no such status", lie("\\09", ""), long, "plugin_trap", "broke"),
        ("not UTF-8", lie("\\00", "\\14\\08\\00\\00\\04\\00\\00\\00\\ff\\fe\\fd\\fc"), long, "plugin_trap", "broke"),
        ("endless text", lie("\\00", "\\00\\00\\00\\00\\ff\\ff\\ff\\ff"), long, "plugin_trap", "broke"),
        (
            "stack",
            component::running("(call $deeper) unreachable", "(func $deeper (call $deeper))"),
            long,
            "plugin_limit",
            "wasm.max_stack",
        ),
        ("loop", component::running("(loop (br 0)) unreachable", ""), short, "plugin_timeout", "didn't end"),
    ] {
        let plugins = Plugins::new(settings(), compiler()).unwrap();
        plugins.install(plugins.load(what, &wasm, None).await.unwrap_or_else(|error| panic!("{what}: {error}")));
        let outcome = in_time(Monitor::of(&plugins, what, json!({})).within(timeout)).await;
        assert_eq!(verdict(&outcome), (Status::Unknown, error), "{what}: {outcome:?}");
        assert!(outcome.message.contains(says), "{what}: {}", outcome.message);
    }
}

#[tokio::test]
async fn runs_beyond_the_slots_wait_for_their_turn_and_say_so_when_it_does_not_come() {
    let mut one = settings();
    one.max_runs = 1;
    let plugins = Plugins::new(one, compiler()).unwrap();
    plugins.install(plugins.load("hostile", &fixture("hostile.wasm"), None).await.unwrap());
    let busy = Monitor::of(&plugins, "hostile", json!({ "does": "loop" })).within(Duration::from_secs(2));
    let late = Monitor::of(&plugins, "hostile", json!({ "does": "nothing" })).within(Duration::from_millis(300));
    let patient = Monitor::of(&plugins, "hostile", json!({ "does": "nothing" }));
    let (busy, late, patient) = tokio::join!(in_time(busy), in_time(late), in_time(patient));
    assert_eq!(verdict(&busy), (Status::Unknown, "plugin_timeout"));
    assert_eq!(verdict(&late), (Status::Unknown, "plugin_limit"));
    assert!(late.message.contains("wasm.max_runs"), "{}", late.message);
    assert_eq!(patient.status, Status::Up);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_got_its_turn_finds_room_however_soon_it_follows() {
    let mut one = settings();
    one.max_runs = 1;
    let plugins = Plugins::new(one, compiler()).unwrap();
    plugins.install(plugins.load("hostile", &fixture("hostile.wasm"), None).await.unwrap());
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let monitor = Monitor::of(&plugins, "hostile", json!({ "does": "nothing" }));
        crowd.spawn(async move {
            for _ in 0..250 {
                let outcome = monitor.run().await;
                assert_eq!(outcome.status, Status::Up, "{outcome:?}");
            }
        });
    }
    crowd.join_all().await;
}

#[tokio::test]
async fn all_slots_have_room_for_the_largest_plugin() {
    let mut few = settings();
    few.max_runs = 3;
    let plugins = Plugins::new(few, compiler()).unwrap();
    let wasm = component::running("(loop (br 0)) unreachable", &"(table 1 funcref)".repeat(8));
    plugins.install(plugins.load("large", &wasm, None).await.unwrap());
    let monitors = [0; 3].map(|_| Monitor::of(&plugins, "large", json!({})).within(Duration::from_millis(500)));
    for outcome in futures_util::future::join_all(monitors.map(in_time)).await {
        assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_timeout"), "{outcome:?}");
    }
}
