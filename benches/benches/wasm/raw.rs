//! Wasmtime alone: the same engine settings, the same pool, the same component; no limits, no timeout, nothing granted.

use std::hint::black_box;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::CONFIG;

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

pub(crate) struct Raw {
    engine: Engine,
    instances: bindings::CheckPre<Bare>,
}

impl Raw {
    pub(crate) fn new(wasm: &[u8]) -> Self {
        let engine = Engine::new(&config()).expect("an engine");
        let component = Component::new(&engine, wasm).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        linker.define_unknown_imports_as_traps(&component).expect("the rest");
        let instances = linker.instantiate_pre(&component).and_then(bindings::CheckPre::new).expect("our interface");
        Self { engine, instances }
    }

    /// A store, an instance and a call.
    pub(crate) async fn run(&self) {
        let mut store =
            Store::new(&self.engine, Bare { wasi: WasiCtx::builder().build(), table: ResourceTable::new() });
        // Nobody advances the epoch here.
        store.set_epoch_deadline(1);
        let context = bindings::pingmon::check::types::Context { monitor: "shop".into(), slot: 0, timeout: 5_000 };
        let instance = self.instances.instantiate_async(&mut store).await.expect("an instance");
        let ran = instance.pingmon_check_guest().call_run(&mut store, CONFIG, &context).await.expect("no trap");
        black_box(ran).expect("an outcome");
    }
}

/// As `pingmon_checks::wasm` sets it.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(256).total_core_instances(2_048).total_memories(256).total_tables(1_024);
    pool.total_stacks(256).max_unused_warm_slots(32).max_memory_size(64 * 1024 * 1024).table_elements(65_536);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
    }
    let mut config = Config::new();
    config.epoch_interruption(true).wasm_memory64(false).wasm_multi_memory(false).relaxed_simd_deterministic(true);
    config.concurrency_support(false).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config.max_wasm_stack(512 * 1024).async_stack_size(1_536 * 1024);
    config
}
