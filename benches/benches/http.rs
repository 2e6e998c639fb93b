//! What a built `http` check weighs in memory, and how long it takes to build. What a probe costs is measured by `peers`.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that can't go on is to fail")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pingmon_benches::ground::process::Usage;
use pingmon_checks::http::Http;
use pingmon_core::{check::CheckKind as _, dial::DialPolicy};
use serde_json::{Value, json};

const CHECKS: u64 = 100_000;

fn config(url: &str) -> Value {
    json!({ "url": url, "expect": { "status": ["2xx"], "body": [{ "json": "$.status", "equals": "ok" }] } })
}

fn building(c: &mut Criterion) {
    let kind = Http::new(DialPolicy::open()).expect("the kind");
    let resident = || Usage::of(std::process::id()).expect("Linux").rss_kib * 1_024;
    let before = resident();
    let build = |n: u64| kind.build(&config(&format!("http://shop-{n}.example/health"))).expect("a check");
    let built: Vec<_> = (0..CHECKS).map(build).collect();
    println!("a built http check takes {} bytes resident", (resident() - before) / CHECKS);
    drop(built);
    let config = config("http://shop.example/health");
    c.bench_function("build an http check", |b| b.iter(|| black_box(kind.build(&config)).expect("a check")));
}

criterion_group!(benches, building);
criterion_main!(benches);
