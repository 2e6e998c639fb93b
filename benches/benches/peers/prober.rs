//! Our probers, each in a process of its own that is bound to one core.

use std::{
    cell::Cell,
    process::Command,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use pingmon_benches::ground::process::Usage;
use pingmon_checks::{http::Http, tcp::Tcp};
use pingmon_core::{
    check::{Check, CheckContext, CheckKind},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::json;

use crate::{
    ground::{ADDRESSES, Ground, PROBER, address},
    raw,
};

/// What tells this program that it is to be a prober.
pub(crate) const FLAG: &str = "--probe";
/// How long one turn lasts.
pub(crate) const TURN: Duration = Duration::from_secs(2);

/// What a turn came to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Turn {
    pub(crate) probes: f64,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) rss_kib: u64,
}

/// Has a prober work for one turn.
pub(crate) fn turn(ground: &Ground, form: &str, port: u16, in_flight: usize) -> Turn {
    let (port, in_flight) = (port.to_string(), in_flight.to_string());
    let mut command = Command::new("taskset");
    command.args(["-c", PROBER]).arg(std::env::current_exe().unwrap()).args([FLAG, form, &port, &in_flight]);
    let output = command.env("SSL_CERT_FILE", ground.roots()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<u64> = said.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [probes, wall, cpu, rss_kib] = figures[..] else {
        panic!("{form}: {}", String::from_utf8_lossy(&output.stderr))
    };
    let (wall, cpu) = (Duration::from_micros(wall), Duration::from_micros(cpu));
    Turn { probes: probes as f64, wall, cpu, rss_kib }
}

/// Probes for one turn and prints what it came to: probes, microseconds, of them on the processor, KiB resident.
pub(crate) fn work(form: &str, port: u16, in_flight: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match form {
            "raw tcp" => measure(in_flight, async |n| raw::tcp(&address(n), port).await).await,
            "raw http" => measure(in_flight, async |n| raw::http(&address(n), port).await).await,
            "raw https" => {
                let connector = raw::connector();
                measure(in_flight, async |n| raw::https(&connector, &address(n), port).await).await;
            }
            "tcp" => {
                checks(&Tcp::new(DialPolicy::open()), in_flight, |host| json!({ "address": format!("{host}:{port}") }))
                    .await
            }
            scheme => {
                checks(&Http::new(DialPolicy::open()).unwrap(), in_flight, |host| {
                    let expect = json!({ "body": [{ "json": "$.status", "equals": "ok" }] });
                    json!({ "url": format!("{scheme}://{host}:{port}/health"), "expect": expect })
                })
                .await
            }
        }
    });
}

async fn checks(kind: &dyn CheckKind, in_flight: usize, config: impl Fn(String) -> serde_json::Value) {
    let checks: Vec<_> = (0..ADDRESSES).map(|n| kind.build(&config(address(n))).unwrap()).collect();
    measure(in_flight, async |n| probe(&*checks[n % ADDRESSES]).await).await;
}

async fn probe(check: &dyn Check) {
    let cx = CheckContext::new(MonitorId::new(), "bench", Timestamp::default(), Duration::from_secs(30));
    let outcome = check.run(&cx).await.unwrap();
    assert_eq!(outcome.status, Status::Up, "{}", outcome.message);
}

async fn measure(in_flight: usize, probe: impl AsyncFn(usize)) {
    let (pid, started, probes) = (std::process::id(), Instant::now(), Cell::new(0));
    let before = Usage::of(pid).unwrap();
    join_all((0..in_flight).map(async |_| {
        while started.elapsed() < TURN {
            probe(probes.replace(probes.get() + 1)).await;
        }
    }))
    .await;
    let (wall, usage) = (started.elapsed(), Usage::of(pid).unwrap());
    let cpu = usage.cpu - before.cpu;
    println!("{} {} {} {}", probes.get(), wall.as_micros(), cpu.as_micros(), usage.peak_kib);
}
