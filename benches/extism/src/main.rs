//! Runs a plug-in by extism: as many times as each line of standard input says, in a fresh instance each, and answers with
//! the microseconds that a run took. Started by the bench `wasm`.

use std::{
    error::Error,
    hint::black_box,
    io::{self, BufRead as _, Write as _},
    time::Instant,
};

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

/// Hands its config back, a byte at a time. That is less than the other side's plug-in does, which reads JSON.
const GUEST: &str = r#"(module
    (import "extism:host/env" "input_length" (func $length (result i64)))
    (import "extism:host/env" "input_load_u8" (func $load (param i64) (result i32)))
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
    (import "extism:host/env" "output_set" (func $answer (param i64 i64)))
    (memory (export "memory") 17)
    (func (export "run") (result i32)
        (local $at i64) (local $to i64)
        (local.set $to (call $alloc (call $length)))
        (loop $next
            (call $store (i64.add (local.get $to) (local.get $at)) (call $load (local.get $at)))
            (local.set $at (i64.add (local.get $at) (i64.const 1)))
            (br_if $next (i64.lt_u (local.get $at) (call $length))))
        (call $answer (local.get $to) (call $length))
        (i32.const 0)))"#;
const CONFIG: &str = r#"{"does":"nothing"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = Manifest::new([Wasm::data(wat::parse_str(GUEST)?)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_cache_disabled())?;
    for line in io::stdin().lock().lines() {
        let runs: u32 = line?.trim().parse()?;
        let started = Instant::now();
        for _ in 0..runs {
            let mut plugin = Plugin::new_from_compiled(&compiled)?;
            let answer: String = plugin.call("run", CONFIG)?;
            assert_eq!(black_box(answer), CONFIG);
        }
        println!("{}", started.elapsed().as_secs_f64() * 1e6 / f64::from(runs));
        io::stdout().flush()?;
    }
    Ok(())
}
