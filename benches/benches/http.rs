//! Probes of a local server, a new connection each: the `http` and `tcp` checks beside the bare client, one at a time
//! and 64 in flight; and what a built check weighs in memory. Times are the prober's time on the processor, so that
//! neither the server nor other work on the machine counts: elements per second are probes per second and core.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that can't go on is to fail")]

use std::{cell::Cell, hint::black_box, sync::Arc, time::Duration};

use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use pingmon_checks::{http::Http, tcp::Tcp};
use pingmon_core::{
    check::{Check, CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
    tls,
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::{Builder, Runtime},
};

const IN_FLIGHT: [usize; 2] = [1, 64];
/// Loopback addresses that probes take turns at: whoever closes first keeps the local port for a minute, and one
/// address has too few of them.
const ADDRESSES: usize = 250;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A server on a thread of its own that answers 1 KiB of JSON and closes the connection.
fn serve() -> u16 {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let body = format!(r#"{{"status":"ok","padding":"{}"}}"#, "x".repeat(1_000));
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let answer: Arc<[u8]> = answer.into_bytes().into();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                connections.spawn(async move {
                    if stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                        let _ = stream.write_all(&answer).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
    });
    port
}

/// The client as the `http` kind builds it, without the kind's hooks.
fn bare_client() -> Client {
    let tls = tls::client_config().expect("the system's TLS roots");
    let builder = Client::builder().tls_backend_preconfigured(tls).no_proxy().pool_max_idle_per_host(0);
    builder.build().expect("a client")
}

async fn bare(client: &Client, url: &str) {
    let response = client.get(url).send().await.expect("an answer");
    assert!(response.status().is_success());
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(body["status"], "ok");
}

async fn checked(check: &dyn Check, cx: &CheckContext) {
    let outcome = check.run(cx).await.expect("a verdict");
    assert_eq!(outcome.status, Status::Up, "{}", outcome.message);
}

fn http_config(url: &str) -> Value {
    json!({ "url": url, "expect": { "status": ["2xx"], "body": [{ "json": "$.status", "equals": "ok" }] } })
}

fn probes(c: &mut Criterion) {
    let port = serve();
    let addresses: Vec<_> = (1..=ADDRESSES).map(|n| format!("127.0.0.{n}:{port}")).collect();
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}/health")).collect();
    let client = bare_client();
    let http = Http::new(DialPolicy::open()).expect("the kind");
    let http: Vec<_> = urls.iter().map(|url| http.build(&http_config(url)).expect("a check")).collect();
    let tcp = Tcp::new(DialPolicy::open());
    let tcp = addresses.iter().map(|address| tcp.build(&json!({ "address": address })).expect("a check"));
    let tcp: Vec<_> = tcp.collect();
    let cx = CheckContext::new(MonitorId::new(), "bench", Timestamp::default(), Duration::from_secs(10));

    let mut group = c.benchmark_group("probes");
    for in_flight in IN_FLIGHT {
        group.throughput(Throughput::Elements(in_flight as u64));
        let name = |what| BenchmarkId::new(what, in_flight);
        group.bench_function(name("bare client"), |b| measure(b, in_flight, |n| bare(&client, &urls[n])));
        group.bench_function(name("http check"), |b| measure(b, in_flight, |n| checked(&*http[n], &cx)));
        group.bench_function(name("tcp check"), |b| measure(b, in_flight, |n| checked(&*tcp[n], &cx)));
    }
    group.finish();
}

/// Runs rounds of `in_flight` probes at once, each at the next address.
fn measure<F: Future<Output = ()>>(b: &mut Bencher<'_>, in_flight: usize, probe: impl Fn(usize) -> F) {
    let (runtime, next) = (runtime(), Cell::new(0));
    let turn = || (0..in_flight).map(|_| probe(next.replace((next.get() + 1) % ADDRESSES)));
    b.iter_custom(|rounds| {
        let before = on_processor();
        runtime.block_on(async {
            for _ in 0..rounds {
                join_all(turn()).await;
            }
        });
        on_processor() - before
    });
}

/// How long this thread has been on a processor (Linux).
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

fn building(c: &mut Criterion) {
    let kind = Http::new(DialPolicy::open()).expect("the kind");
    let before = resident();
    let build = |n: usize| kind.build(&http_config(&format!("http://shop-{n}.example/health"))).expect("a check");
    let built: Vec<_> = (0..100_000).map(build).collect();
    println!("a built http check takes {} bytes resident", (resident() - before) / built.len());
    drop(built);
    let config = http_config("http://shop.example/health");
    c.bench_function("build an http check", |b| b.iter(|| black_box(kind.build(&config)).expect("a check")));
}

/// Resident memory of this process in bytes; 0 where /proc doesn't tell.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

criterion_group!(benches, building, probes);
criterion_main!(benches);
