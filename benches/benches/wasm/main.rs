//! What a run of a plug-in costs, beside what it's made of: a store, an instance and a call of the same component by wasmtime
//! alone; beside extism; and beside a process for each check. How long a compiled plug-in takes to load, and what 1,000
//! monitors of one weigh; how late others are beside one that computes without end. Each such line ends with what is aimed at.
//! Last, what the samples cost, language by language.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that can't go on is to fail")]

mod peers;
mod raw;
mod samples;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use pingmon_benches::ground::process::Usage;
use pingmon_checks::wasm::{Compiler, Plugins, Settings, Wasm};
use pingmon_core::{
    check::{Check, CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::json;
use tokio::runtime::Runtime;

use self::{
    peers::{Extism, Linked, Process},
    raw::Raw,
};

const RUNS: u32 = 500;
const ROUNDS: usize = 100;
const EXTISM_RUNS: u32 = 300;
const PEER_ROUNDS: usize = 15;
const LOADS: usize = 50;
/// A plug-in that does nothing, one that does something, and one that imports all there is.
const LOADED: [&str; 3] = ["idle.wasm", "queue_depth.wasm", "hostile.wasm"];
const MONITORS: usize = 1_000;
const TIMERS: usize = 400;
/// What the plug-in is told to do.
const CONFIG: &str = r#"{"does":"nothing"}"#;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/fixtures").join(name);
    std::fs::read(path).expect("the fixture")
}

/// Processor time of this process.
fn cpu() -> Duration {
    Usage::of(std::process::id()).expect("Linux").cpu
}

fn micros(took: Duration, count: u32) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(count)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// One line: what was measured, what came out, what is aimed at.
fn tell(what: &str, found: &str, aim: &str, met: bool) {
    let verdict = if met { "met" } else { "MISSED" };
    println!("{what:<44} {found:<44} aim {aim}: {verdict}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let mut settings = Settings::default();
    // The samples of languages that bring an engine along are large, and take long to compile on a busy machine.
    settings.compile_seconds = 600;
    settings.cache = Some(directory.path().join("plugins"));
    for name in LOADED.into_iter().rev() {
        load(&runtime, &settings, name);
    }
    let plugins = ready(&runtime, &settings, &fixture("idle.wasm")).0;
    let kind = Wasm::new(DialPolicy::open(), plugins.clone()).expect("the kind");
    let config = json!({ "plugin": "it", "config": { "does": "nothing" } });
    let check = kind.build(&config).expect("a check");
    let processes =
        [Process::build(directory.path(), Linked::Dynamically), Process::build(directory.path(), Linked::Statically)];
    run(&runtime, &check, &Raw::new(&fixture("idle.wasm")));
    peers(&runtime, &check, &processes);
    weigh(&runtime, &kind, &config);
    disturb(&runtime, &settings);
    settings.cache = None;
    samples::measure(&runtime, settings);
}

/// How long a plug-in takes until it is ready, compiled before by another process.
fn load(runtime: &Runtime, settings: &Settings, name: &str) {
    let wasm = fixture(name);
    let compiled = ready(runtime, settings, &wasm).1;
    let cached = median((0..LOADS).map(|_| micros(ready(runtime, settings, &wasm).1, 1)).collect());
    println!("{:<44} {compiled:.1?}", format!("compiling {name}, {} KiB", wasm.len() / 1_024));
    tell("loading it from the cache", &format!("{cached:.0} us"), "< 1,000", cached < 1_000.0);
}

/// Plug-ins among which is one, and how long that took to load.
fn ready(runtime: &Runtime, settings: &Settings, wasm: &[u8]) -> (Plugins, Duration) {
    let plugins = Plugins::new(settings.clone(), Compiler::InProcess).expect("plug-ins");
    // The first one makes the engine.
    runtime.block_on(plugins.load("other", &fixture("board.wasm"), None)).expect("a plug-in");
    let started = Instant::now();
    plugins.install(runtime.block_on(plugins.load("it", wasm, None)).expect("a plug-in"));
    (plugins, started.elapsed())
}

/// A run, held against wasmtime alone in short turns, since the machine is never the same for long.
fn run(runtime: &Runtime, check: &Arc<dyn Check>, raw: &Raw) {
    let cx = context();
    let (mut whole, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut ours = || whole.push(timed(runtime, async || assert_eq!(status(check, &cx).await, Status::Up)));
        let mut theirs = || bare.push(timed(runtime, async || raw.run().await));
        // Whoever is first finds a machine that did something else.
        match round % 2 {
            0 => (ours(), theirs()),
            _ => (theirs(), ours()),
        };
        ratios.push(whole[round] / bare[round]);
    }
    let (whole, bare, ratio) = (median(whole), median(bare), median(ratios));
    let rate = 1e6 / whole;
    tell("a run", &format!("{whole:.1} us, {rate:.0} a second on one core"), ">= 25,000", rate >= 25_000.0);
    tell("wasmtime alone", &format!("{bare:.1} us; a run takes {ratio:.2} times that"), "<= 1.15", ratio <= 1.15);
}

/// What takes many times as long.
fn peers(runtime: &Runtime, check: &Arc<dyn Check>, processes: &[Process; 2]) {
    let cx = context();
    let mut extism = Extism::start();
    let (mut extisms, mut dynamic, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
    let mut whole = Vec::new();
    for round in 0..PEER_ROUNDS {
        whole.push(timed(runtime, async || assert_eq!(status(check, &cx).await, Status::Up)));
        extisms.extend(extism.as_mut().map(|extism| extism.run(EXTISM_RUNS) / whole[round]));
        dynamic.push(processes[0].run() / whole[round]);
        fixed.push(processes[1].run() / whole[round]);
    }
    let whole = median(whole);
    match extisms.is_empty() {
        true => println!("extism wasn't built: see benches/README.md"),
        false => against("extism, fresh", whole, median(extisms), 8.0),
    }
    against("a process for each check, in Rust", whole, median(dynamic), 20.0);
    let fixed = median(fixed);
    println!("{:<44} {:.0} us, {fixed:.1} times a run", "the same, linked statically", whole * fixed);
}

/// Microseconds of one of many.
fn timed(runtime: &Runtime, once: impl AsyncFn()) -> f64 {
    let started = Instant::now();
    runtime.block_on(async {
        for _ in 0..RUNS {
            once().await;
        }
    });
    micros(started.elapsed(), RUNS)
}

fn context() -> CheckContext {
    CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), Duration::from_secs(5))
}

async fn status(check: &Arc<dyn Check>, cx: &CheckContext) -> Status {
    check.run(cx).await.expect("a run").status
}

fn against(what: &str, whole: f64, ratio: f64, aim: f64) {
    tell(what, &format!("{:.0} us, {ratio:.1} times a run", whole * ratio), &format!(">= {aim}"), ratio >= aim);
}

fn weigh(runtime: &Runtime, kind: &Wasm, config: &serde_json::Value) {
    let resident = || Usage::of(std::process::id()).expect("Linux").rss_kib;
    let before = resident();
    let checks: Vec<_> = (0..MONITORS).map(|_| kind.build(config).expect("a check")).collect();
    let built = resident().saturating_sub(before);
    let cx = context();
    let started = cpu();
    runtime.block_on(async {
        let runs = checks.iter().map(|check| check.run(&cx));
        for ran in futures_util::future::join_all(runs).await {
            assert_eq!(ran.expect("a run").status, Status::Up);
        }
    });
    let spent = micros(cpu() - started, MONITORS as u32);
    let whole = resident();
    println!("{:<44} {built} KiB more when built", format!("{MONITORS} monitors of it"));
    println!("{:<44} {whole} KiB resident, {spent:.0} us of CPU each", "after all ran at once");
}

/// How late a timer is on a thread where a plug-in computes without end.
fn disturb(runtime: &Runtime, settings: &Settings) {
    let plugins = ready(runtime, settings, &fixture("hostile.wasm")).0;
    let kind = Wasm::new(DialPolicy::open(), plugins).expect("the kind");
    let check = kind.build(&json!({ "plugin": "it", "config": { "does": "loop" } })).expect("a check");
    let cx = context();
    let mut late = Vec::new();
    runtime.block_on(async {
        let timer = async {
            for _ in 0..TIMERS {
                let due = Instant::now() + Duration::from_millis(1);
                tokio::time::sleep_until(due.into()).await;
                late.push(due.elapsed().as_secs_f64() * 1e3);
            }
        };
        tokio::select! {
            () = timer => {}
            ran = check.run(&cx) => assert_eq!(ran.expect("a run").status, Status::Unknown),
        }
    });
    late.sort_by(f64::total_cmp);
    let p99 = late[late.len() * 99 / 100];
    let found = format!("p50 {:.1} ms, p99 {p99:.1} ms late", late[late.len() / 2]);
    tell("others beside an endless loop", &found, "<= 30 ms", p99 <= 30.0);
}
