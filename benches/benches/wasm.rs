//! What a run of a plug-in costs, beside what it's made of: an instance and a call of the same component by wasmtime alone;
//! and beside a process per check. How long a compiled plug-in takes to load, and what 1,000 monitors of one weigh.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that can't go on is to fail")]

use std::{
    hint::black_box,
    path::PathBuf,
    process::{Command, Stdio},
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
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const RUNS: u32 = 2_000;
const ROUNDS: usize = 15;
const PROCESSES: u32 = 100;
const MONITORS: usize = 1_000;

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../pingmon-checks/wit/check", world: "check", exports: { default: async } });
}

/// What wasmtime needs to run a component that was made for WASI, and no more.
struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Wasmtime alone: the same pool, no limits, no timeout, nothing granted.
struct Raw {
    engine: Engine,
    instances: bindings::CheckPre<Bare>,
}

impl Raw {
    fn new(wasm: &[u8]) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(256).total_core_instances(2_048).total_memories(256).total_tables(1_024);
        pool.total_stacks(256).max_unused_warm_slots(32).max_memory_size(64 * 1024 * 1024);
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
        }
        let mut config = Config::new();
        config.concurrency_support(false).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wasm).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        linker.define_unknown_imports_as_traps(&component).expect("the rest");
        let instances = linker.instantiate_pre(&component).and_then(bindings::CheckPre::new).expect("our interface");
        Self { engine, instances }
    }

    async fn run(&self, config: &str) {
        let mut store =
            Store::new(&self.engine, Bare { wasi: WasiCtx::builder().build(), table: ResourceTable::new() });
        let context = bindings::pingmon::check::types::Context { monitor: "shop".into(), slot: 0, timeout: 5_000 };
        let instance = self.instances.instantiate_async(&mut store).await.expect("an instance");
        let ran = instance.pingmon_check_guest().call_run(&mut store, config, &context).await.expect("no trap");
        black_box(ran).expect("an outcome");
    }
}

fn fixture() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/fixtures/hostile.wasm");
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

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let wasm = fixture();
    let cache = tempfile::tempdir().expect("a directory");
    let mut settings = Settings::default();
    settings.cache = Some(cache.path().join("plugins"));
    let plugins = Plugins::new(settings, Compiler::InProcess).expect("plug-ins");
    loading(&runtime, &plugins, &wasm);
    let kind = Wasm::new(DialPolicy::open(), plugins).expect("the kind");
    let config = json!({ "plugin": "it", "config": { "does": "nothing" } });
    running(&runtime, &kind.build(&config).expect("a check"), &wasm);
    weighing(&runtime, &kind, &config);
}

fn loading(runtime: &Runtime, plugins: &Plugins, wasm: &[u8]) {
    let load = || {
        let started = Instant::now();
        let plugin = runtime.block_on(plugins.load("it", wasm, None)).expect("a plug-in");
        (plugin, started.elapsed())
    };
    let (_, compiled) = load();
    let cached = median((0..50).map(|_| micros(load().1, 1)).collect());
    println!("{} bytes: compiled in {compiled:.1?}, loaded from the cache in {cached:.0} us", wasm.len());
    plugins.install(load().0);
}

fn running(runtime: &Runtime, check: &Arc<dyn Check>, wasm: &[u8]) {
    let raw = Raw::new(wasm);
    let cx = CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), Duration::from_secs(5));
    let (mut whole, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        runtime.block_on(async {
            for _ in 0..RUNS {
                assert_eq!(check.run(&cx).await.expect("a run").status, Status::Up);
            }
        });
        whole.push(micros(started.elapsed(), RUNS));
        let started = Instant::now();
        runtime.block_on(async {
            for _ in 0..RUNS {
                raw.run(r#"{"does":"nothing"}"#).await;
            }
        });
        bare.push(micros(started.elapsed(), RUNS));
        ratios.push(whole[whole.len() - 1] / bare[bare.len() - 1]);
    }
    let process = median((0..5).map(|_| processes()).collect());
    let (whole, bare) = (median(whole), median(bare));
    println!("a run {whole:.1} us, {:.0} a second on one core", 1e6 / whole);
    println!("wasmtime alone {bare:.1} us: {:.2} times that", median(ratios));
    println!("a process that does nothing (/bin/true) {process:.0} us: {:.0} times a run", process / whole);
}

/// As Nagios has it: a process for each check, here one that does nothing at all.
fn processes() -> f64 {
    let started = Instant::now();
    for _ in 0..PROCESSES {
        let ended = Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::piped()).output();
        assert!(ended.expect("/bin/true").status.success());
    }
    micros(started.elapsed(), PROCESSES)
}

fn weighing(runtime: &Runtime, kind: &Wasm, config: &serde_json::Value) {
    let resident = || Usage::of(std::process::id()).expect("Linux").rss_kib;
    let before = resident();
    let checks: Vec<_> = (0..MONITORS).map(|_| kind.build(config).expect("a check")).collect();
    let built = resident() - before;
    let cx = CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), Duration::from_secs(5));
    let started = cpu();
    runtime.block_on(async {
        let runs = checks.iter().map(|check| check.run(&cx));
        for ran in futures_util::future::join_all(runs).await {
            assert_eq!(ran.expect("a run").status, Status::Up);
        }
    });
    let spent = micros(cpu() - started, MONITORS as u32);
    println!(
        "{MONITORS} monitors: {built} KiB more when built, {} KiB in all after each ran once ({spent:.0} us CPU each)",
        resident()
    );
}
