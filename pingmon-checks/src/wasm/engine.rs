//! How plug-ins are compiled and kept apart: one engine, a pool of slots from which each run gets a fresh instance.

use pingmon_core::error::{Error, Result};
use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, Engine as Wasmtime, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker,
};

use super::{bindings::Check, host::Session, settings::Settings, ticker::Ticker};

/// Memory that a free slot keeps, so that the next run needn't ask the system for it.
const KEEP_RESIDENT: usize = 1024 * 1024;
/// Free slots that keep memory though another plug-in used them last.
const WARM_SLOTS: u32 = 32;
/// Most core instances of a plug-in: one in Python has 38.
const CORE_INSTANCES: u32 = 64;
/// Most tables of a plug-in.
const TABLES: u32 = 8;
/// What the host's own functions may use of a stack.
const HOST_STACK: usize = 1024 * 1024;

/// What all plug-ins run in.
pub(super) struct Engine {
    pub(super) wasmtime: Wasmtime,
    pub(super) linker: Linker<Session>,
    pub(super) ticker: Ticker,
    /// Free slots of the pool.
    pub(super) slots: Semaphore,
    pub(super) settings: Settings,
}

impl Engine {
    /// Sets up the pool and starts the clock.
    ///
    /// # Errors
    /// [`Error::Probe`] when this machine can't run plug-ins, as without address space for the pool.
    pub(super) fn new(settings: Settings) -> Result<Self> {
        let mut config = code(settings.fuel.is_some());
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&settings)));
        config.max_wasm_stack(settings.max_stack);
        config.async_stack_size(settings.max_stack + HOST_STACK);
        let broken = |error: wasmtime::Error| Error::probe(format!("plug-ins can't be run here: {error:#}"));
        let wasmtime = Wasmtime::new(&config).map_err(broken)?;
        let mut linker = Linker::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(broken)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(broken)?;
        // Channels import nothing else.
        Check::add_to_linker::<_, wasmtime::component::HasSelf<Session>>(&mut linker, |session| session)
            .map_err(broken)?;
        let ticker = Ticker::start(&wasmtime)?;
        let slots = Semaphore::new(settings.max_runs as usize);
        Ok(Self { wasmtime, linker, ticker, slots, settings })
    }
}

/// What machine code depends on; the same for whoever compiles and whoever runs.
pub(super) fn code(fuel: bool) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.consume_fuel(fuel);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.relaxed_simd_deterministic(true);
    // Three times dearer, and no plug-in of this interface needs it.
    config.concurrency_support(false);
    // What only debuggers and backtraces need: a sixth of the code, to be read at each load.
    config.generate_address_map(false);
    config.native_unwind_info(cfg!(windows));
    config.wasm_backtrace_max_frames(None);
    config
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    // Room for as many of the largest plug-in: it's address space, and counts.
    let runs = settings.max_runs;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_core_instances(runs.saturating_mul(CORE_INSTANCES))
        .total_memories(runs)
        .total_tables(runs.saturating_mul(TABLES))
        .total_stacks(runs)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_component_instance_size(4 * 1024 * 1024)
        .max_core_instance_size(4 * 1024 * 1024)
        .max_memory_size(settings.max_memory)
        .table_elements(settings.max_table)
        .max_unused_warm_slots(WARM_SLOTS);
    // Without the scan, keeping memory means clearing all of it: four times slower than giving it back.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(KEEP_RESIDENT).table_keep_resident(KEEP_RESIDENT);
    }
    pool
}
