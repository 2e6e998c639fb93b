//! Runs a plug-in by extism: as many times as each line of standard input says, in a fresh instance each, and answers with
//! the microseconds that a run took. Started by the bench `wasm`.

use std::{
    error::Error,
    hint::black_box,
    io::{self, BufRead as _, Write as _},
    time::Instant,
};

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};

const GUEST: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/wasm32-unknown-unknown/plugin/pingmon_bench_extism_guest.wasm"
);
const INPUT: &str = r#"{"config":{"does":"nothing"},"context":{"monitor":"shop","slot":0,"timeout":5000}}"#;
const OUTCOME: &str = r#"{"status":"up","message":""}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = Manifest::new([Wasm::data(std::fs::read(GUEST)?)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_cache_disabled())?;
    for line in io::stdin().lock().lines() {
        let runs: u32 = line?.trim().parse()?;
        let started = Instant::now();
        for _ in 0..runs {
            let mut plugin = Plugin::new_from_compiled(&compiled)?;
            let outcome: String = plugin.call("run", INPUT)?;
            assert_eq!(black_box(outcome), OUTCOME);
        }
        println!("{}", started.elapsed().as_secs_f64() * 1e6 / f64::from(runs));
        io::stdout().flush()?;
    }
    Ok(())
}
