//! Loading a plug-in: what is refused, with which reason, and what happens when one is replaced.

use std::time::Duration;

use pingmon_checks::wasm::{Compiler, Plugin, Plugins, Purpose, Settings};
use pingmon_core::{check::CheckContext, error::Error, id::MonitorId, outcome::Status, time::Timestamp};
use serde_json::json;
use tokio::time::Instant;

use super::{Monitor, TIMEOUT, compiler, component, fixture, hostile, plugins, settings};
use crate::found::verdict;

async fn load(wasm: &[u8], settings: Settings) -> Result<Plugin, Error> {
    Plugins::new(settings, compiler()).unwrap().load("it", wasm, None).await
}

async fn refused(wasm: &[u8], settings: Settings) -> String {
    load(wasm, settings).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_plugin_says_what_it_is() {
    let all = plugins().await.all();
    let info = all[0].info();
    assert_eq!((info.name.as_str(), info.title.as_str(), info.version.as_str()), ("hostile", "hostile", "1.0.0"));
    assert_eq!(info.purpose, Purpose::Check);
    assert_eq!(info.config_schema["required"], json!(["does"]));
    assert_eq!((info.sha256.len(), info.size), (64, fixture("hostile.wasm").len()));
    let outcome = hostile(json!({ "does": "tell" })).await.run().await;
    assert_eq!(outcome.message, "shop 1780272000000000 4950");
}

#[tokio::test]
async fn a_table_that_is_made_again_compiles_nothing_that_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("compile");
    std::fs::copy(env!("CARGO_BIN_EXE_pingmon-compile-plugin"), &program).unwrap();
    let without_cache = Settings::default();
    let compiler = Compiler::Process { program: program.clone(), arguments: Vec::new() };
    let first = Plugins::new(without_cache.clone(), compiler).unwrap();
    let wasm = fixture("board.wasm");
    first.install(first.load("board", &wasm, None).await.unwrap());

    std::fs::remove_file(program).unwrap();
    let second = first.again(without_cache.clone()).unwrap();
    second.install(second.load("other", &wasm, None).await.unwrap());
    assert_eq!(second.all().len(), 1, "a table of its own");
    let third = second.again(without_cache.clone()).unwrap();
    assert!(third.load("third", &wasm, None).await.is_ok());
    let error = third.load("another", &fixture("queue_depth.wasm"), None).await.unwrap_err().to_string();
    assert!(error.contains("the compiler of plug-ins can't be used"), "{error}");

    let mut others = without_cache;
    others.max_memory *= 2;
    assert!(third.again(others).unwrap().load("board", &wasm, None).await.is_err(), "another engine's code is no use");
}

#[tokio::test]
async fn a_file_of_another_hash_is_refused_and_both_are_named() {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    let wasm = fixture("hostile.wasm");
    let right = plugins.load("it", &wasm, None).await.unwrap().info().sha256.clone();
    assert!(plugins.load("it", &wasm, Some(&right.to_uppercase())).await.is_ok());
    let wrong = "0".repeat(64);
    let error = plugins.load("it", &wasm, Some(&wrong)).await.unwrap_err().to_string();
    assert!(error.starts_with("invalid sha256") && error.contains(&right) && error.contains(&wrong), "{error}");
}

#[tokio::test]
async fn what_does_not_fit_the_interface_is_refused_with_the_reason() {
    let module = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "pingmon:check/guest@1.0.0#describe") (result i32) unreachable)
        (func (export "pingmon:check/guest@1.0.0#run") (param i32 i32 i32 i32 i64 i64) (result i32) unreachable))"#;
    let lie = component::component(module, |interface| interface.replace("timeout: u32", "timeout: u64"));
    let said = refused(&lie, settings()).await;
    assert!(said.contains("doesn't fit this pingmon's interface"), "{said}");

    let next = component::component(&module.replace("1.0.0", "2.0.0").replace("i64 i64", "i64 i32"), |interface| {
        interface.replace("@1.0.0", "@2.0.0")
    });
    let said = refused(&next, settings()).await;
    assert!(said.contains("written for pingmon:check 2.0.0; this pingmon runs plug-ins of 1.x"), "{said}");

    let empty = wat::parse_str("(component)").unwrap();
    assert!(refused(&empty, settings()).await.contains("doesn't fit this pingmon's interface"));
    assert!(refused(b"#!/bin/sh", settings()).await.contains("isn't a WebAssembly component"));
}

#[tokio::test]
async fn a_plugin_that_breaks_while_it_says_what_it_is_is_refused() {
    for (body, says) in
        [("unreachable", "reached `unreachable`"), ("(i32.const -8)", "doesn't fit this pingmon's interface")]
    {
        let said = refused(&component::describing(body), settings()).await;
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn an_endless_start_ends_the_loading_and_blocks_nobody() {
    let wasm = component::running("unreachable", "(func $start (loop (br 0))) (start $start)");
    let ticks = async {
        let mut worst = Duration::ZERO;
        for _ in 0..50 {
            let started = Instant::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            worst = worst.max(started.elapsed());
        }
        worst
    };
    let mut settings = settings();
    settings.describe_seconds = 1;
    let (said, worst) = tokio::join!(refused(&wasm, settings), ticks);
    assert!(said.contains("didn't end within 1s"), "{said}");
    assert!(worst < Duration::from_millis(500), "{worst:?}");
}

/// A number as binary modules have it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// A part of a binary module, after its length.
fn sized(bytes: Vec<u8>) -> Vec<u8> {
    [leb(bytes.len()), bytes].concat()
}

fn section(id: u8, bytes: Vec<u8>) -> Vec<u8> {
    [vec![id], sized(bytes)].concat()
}

/// Functions that are small enough each, and too much together; put together by hand, since text would take longer.
fn bomb() -> Vec<u8> {
    const FUNCTIONS: usize = 12;
    // local 0 = (local 0 * local 1) ^ rotl(local 1, local 0)
    let mix = [0x20, 0, 0x20, 1, 0x7e, 0x20, 1, 0x20, 0, 0x89, 0x85, 0x21, 0];
    let function = sized([vec![0], mix.repeat(15_000), vec![0x20, 0, 0x0b]].concat());
    let types = section(1, vec![1, 0x60, 2, 0x7e, 0x7e, 1, 0x7e]);
    let declared = section(3, [leb(FUNCTIONS), vec![0; FUNCTIONS]].concat());
    let code = section(10, [leb(FUNCTIONS), function.repeat(FUNCTIONS)].concat());
    let module = [b"\0asm\x01\0\0\0".to_vec(), types, declared, code].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

#[tokio::test]
async fn compiling_ends_at_its_limits_in_a_process_of_its_own() {
    let bomb = bomb();
    let mut short = Settings::default();
    short.compile_seconds = 1;
    let started = Instant::now();
    let said = refused(&bomb, short).await;
    assert!(said.contains("more than 1 seconds of CPU"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(15));
    let mut small = Settings::default();
    small.compile_memory = 64 * 1024 * 1024;
    let said = refused(&bomb, small).await;
    assert!(said.contains("(wasm.compile_memory)"), "{said}");
}

#[tokio::test]
async fn a_config_that_the_plugins_schema_refuses_is_refused_when_the_check_is_built() {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    plugins.install(plugins.load("queue", &fixture("queue_depth.wasm"), None).await.unwrap());
    let grant = json!({ "http": ["http://127.0.0.1"] });
    for (config, grant, field) in [
        (json!({ "url": "http://127.0.0.1/", "most": "7" }), grant.clone(), "config.most"),
        (json!({ "url": "http://127.0.0.1/" }), grant.clone(), "config"),
        (json!({ "url": "http://127.0.0.1/", "most": 7, "more": 1 }), grant, "config"),
        (json!({ "url": "http://127.0.0.1/", "most": 7 }), json!({}), "grant.http"),
    ] {
        match Monitor::of(&plugins, "queue", config).granting(grant).build() {
            Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{field} was accepted"),
        }
    }
    let error = Monitor::of(&plugins, "quue", json!({})).build().err().unwrap().to_string();
    let known = "no plug-in is named \"quue\", there are: queue; one in the store is declared by its name alone";
    assert_eq!(error, format!("invalid plugin: {known}"));
}

#[tokio::test]
async fn a_plugin_is_replaced_while_it_runs_and_runs_under_way_end_on_the_old_one() {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    plugins.install(plugins.load("it", &fixture("hostile.wasm"), None).await.unwrap());
    let cx = |timeout| CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), timeout);
    let busy = Monitor::of(&plugins, "it", json!({ "does": "loop" })).build().unwrap();
    let quick = Monitor::of(&plugins, "it", json!({ "does": "nothing" })).build().unwrap();
    let half = cx(Duration::from_millis(500));
    let (under_way, after) = tokio::join!(busy.run(&half), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        plugins.install(plugins.load("it", &component::running("unreachable", ""), None).await.unwrap());
        quick.run(&cx(TIMEOUT)).await.unwrap()
    });
    assert_eq!(verdict(&under_way.unwrap()), (Status::Unknown, "plugin_timeout"));
    assert_eq!(verdict(&after), (Status::Unknown, "plugin_trap"));

    plugins.install(plugins.load("it", &fixture("queue_depth.wasm"), None).await.unwrap());
    let outcome = quick.run(&cx(TIMEOUT)).await.unwrap();
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_config"));
    assert!(outcome.message.contains("was replaced"), "{}", outcome.message);

    plugins.replace(&Plugins::new(settings(), compiler()).unwrap());
    let outcome = quick.run(&cx(TIMEOUT)).await.unwrap();
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_missing"));
    assert!(outcome.message.contains("no plug-in is named \"it\""), "{}", outcome.message);
}
