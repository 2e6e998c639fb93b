//! What a plug-in reaches: what its monitor grants and the dial policy permits, and nothing else.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{self, Relaxed},
        },
    },
    time::Duration,
};

use async_trait::async_trait;
use pingmon_checks::{dial::resolver::Resolver, wasm::Plugins};
use pingmon_core::{
    check::{CheckContext, Keeper},
    dial::DialPolicy,
    error::{Error, Result},
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, time::Instant};

use super::{Monitor, TIMEOUT, compiler, fixture, hostile, plugins, settings};
use crate::{
    found::{phases, verdict},
    nameserver::{NameServer, Reply},
    server::{Server, closed, ok, send},
};

#[tokio::test]
async fn a_granted_request_brings_status_body_and_phases() {
    let server = Server::saying(ok("text/plain", "hello")).await;
    let get = hostile(json!({ "does": "get", "with": server.url("/x") })).await;
    let outcome = get.granting(json!({ "http": [server.url("")] })).run().await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "200 hello"), "{outcome:?}");
    assert_eq!(phases(&outcome), ["connect", "request", "first_byte"]);
}

#[tokio::test]
async fn what_is_not_granted_is_not_even_dialled() {
    let server = Server::saying(ok("text/plain", "secret")).await;
    let (url, port) = (server.url("/"), server.address.port());
    for (config, grant) in [
        (json!({ "does": "get", "with": url }), json!({})),
        (json!({ "does": "get", "with": url }), json!({ "http": ["http://127.0.0.1:1", "https://127.0.0.1"] })),
        (json!({ "does": "get", "with": format!("http://localhost:{port}/") }), json!({ "http": [url] })),
        (json!({ "does": "connect", "with": "127.0.0.1", "port": port }), json!({ "http": ["*"] })),
        (json!({ "does": "connect", "with": "127.0.0.1", "port": port }), json!({ "tcp": ["127.0.0.1:1"] })),
        (json!({ "does": "lookup", "with": "leak.example" }), json!({ "http": ["*"], "tcp": ["*"] })),
        (json!({ "does": "blab", "with": "OTHER" }), json!({ "secrets": { "KEY": "k3y-value" } })),
    ] {
        let outcome = hostile(config.clone()).await.granting(grant).run().await;
        assert_eq!(verdict(&outcome), (Status::Unknown, "not_granted"), "{config}: {outcome:?}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_redirect_from_what_is_granted_to_what_is_not_is_not_followed() {
    let forbidden = Server::saying(ok("text/plain", "internal")).await;
    let to = forbidden.url("/");
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let allowed = Server::saying(moved).await;
    let get = hostile(json!({ "does": "get", "with": allowed.url("/") })).await;
    let outcome = get.granting(json!({ "http": [allowed.url("")] })).run().await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "redirect_forbidden"), "{outcome:?}");
    assert!(outcome.message.contains("not granted: requests to") && !outcome.message.contains("internal"));
    assert_eq!((allowed.accepted(), forbidden.accepted()), (1, 0));
}

#[tokio::test]
async fn the_dial_policy_holds_whatever_is_granted() {
    let server = Server::saying(ok("text/plain", "internal")).await;
    let port = server.address.port();
    let rebinding = NameServer::saying(Reply::address("127.0.0.1")).await;
    for config in [
        json!({ "does": "get", "with": server.url("/") }),
        json!({ "does": "get", "with": format!("http://rebinding.example:{port}/") }),
        json!({ "does": "get", "with": "http://169.254.169.254/latest/meta-data" }),
        json!({ "does": "connect", "with": "127.0.0.1", "port": port }),
        json!({ "does": "connect", "with": "rebinding.example", "port": port }),
        json!({ "does": "connect-tls", "with": "rebinding.example", "port": port }),
        json!({ "does": "lookup", "with": "rebinding.example" }),
    ] {
        let resolver = Resolver::with_servers(vec![rebinding.address]);
        let monitor = Monitor::dialling(DialPolicy::public(), resolver, &plugins().await, "hostile", config.clone());
        let outcome = monitor.granting(json!({ "http": ["*"], "tcp": ["*"], "dns": ["*"] })).run().await;
        assert_eq!(verdict(&outcome), (Status::Unknown, "dial_forbidden"), "{config}: {outcome:?}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_next_time_is_judged_by_the_address_that_is_dialled() {
    let server = Server::saying(ok("text/plain", "internal")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let rebinding = NameServer::start(move |_, _| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Reply::address("93.184.216.34"),
        _ => Reply::address("127.0.0.1"),
    })
    .await;
    let resolver = Resolver::with_servers(vec![rebinding.address]);
    let url = format!("http://rebinding.example:{}/", server.address.port());
    let get = json!({ "does": "get", "with": url });
    let monitor = Monitor::dialling(DialPolicy::public(), resolver, &plugins().await, "hostile", get);
    let monitor = monitor.granting(json!({ "http": [url] })).within(Duration::from_millis(300));
    for _ in 0..3 {
        monitor.run().await;
    }
    let outcome = monitor.run().await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "dial_forbidden"), "{outcome:?}");
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_call_that_waits_comes_back_in_time_so_that_the_plugin_can_judge() {
    let silent = Server::start(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    for config in [
        json!({ "does": "get", "with": silent.url("/") }),
        json!({ "does": "connect", "with": "127.0.0.1", "port": silent.address.port() }),
        json!({ "does": "connect-tls", "with": "127.0.0.1", "port": silent.address.port() }),
    ] {
        let monitor = hostile(config.clone()).await.within(Duration::from_millis(500));
        let monitor = monitor.granting(json!({ "http": ["*"], "tcp": ["*"] }));
        let started = Instant::now();
        let outcome = monitor.run().await;
        assert_eq!(verdict(&outcome), (Status::Down, "timeout"), "{config}: {outcome:?}");
        assert!(started.elapsed() < Duration::from_millis(750), "{config}");
    }
}

#[tokio::test]
async fn whose_fault_it_was_reaches_the_verdict() {
    let port = closed().port();
    for (config, status, error) in [
        (json!({ "does": "get", "with": format!("http://127.0.0.1:{port}/") }), Status::Down, "connect_refused"),
        (json!({ "does": "connect", "with": "127.0.0.1", "port": port }), Status::Down, "connect_refused"),
        (json!({ "does": "get", "with": "gopher://127.0.0.1/" }), Status::Unknown, "request_invalid"),
        (json!({ "does": "get", "with": "http://user:pass@127.0.0.1/" }), Status::Unknown, "request_invalid"),
    ] {
        let monitor = hostile(config.clone()).await.granting(json!({ "http": ["*"], "tcp": ["*"] }));
        assert_eq!(verdict(&monitor.run().await), (status, error), "{config}");
    }
}

#[tokio::test]
async fn a_connection_speaks_both_ways() {
    let server = Server::start(|mut stream| async move {
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        send(&mut stream, b"pong").await;
    })
    .await;
    let connect = hostile(json!({ "does": "connect", "with": "127.0.0.1", "port": server.address.port() })).await;
    let outcome = connect.granting(json!({ "tcp": ["127.0.0.0/8"] })).run().await;
    assert_eq!(outcome.message, format!("{} said pong", server.address), "{outcome:?}");
}

#[tokio::test]
async fn requests_and_connections_have_limits() {
    let server = Server::saying(ok("text/plain", "x".repeat(20 * 1024 * 1024))).await;
    let (url, port) = (server.url("/"), server.address.port());
    for (config, error, says) in [
        (json!({ "does": "headers", "with": url, "times": 65 }), "request_invalid", "64 headers"),
        (json!({ "does": "headers", "with": url, "times": 300_000 }), "plugin_trap", "broke"),
        (json!({ "does": "smuggle", "with": "host=other.example", "port": port }), "request_invalid", "\"host\""),
        (json!({ "does": "smuggle", "with": "transfer-encoding=chunked", "port": port }), "request_invalid", "sent"),
        (json!({ "does": "smuggle", "with": "x=a\r\ny: b", "port": port }), "request_invalid", "sent"),
    ] {
        let monitor = hostile(config.clone()).await.granting(json!({ "http": ["*"], "tcp": ["*"] }));
        let outcome = monitor.within(Duration::from_secs(20)).run().await;
        assert_eq!(verdict(&outcome), (Status::Unknown, error), "{config}: {outcome:?}");
        assert!(outcome.message.contains(says), "{config}: {}", outcome.message);
    }
    let get = hostile(json!({ "does": "get", "with": url })).await.granting(json!({ "http": ["*"] }));
    assert_eq!(verdict(&get.run().await), (Status::Down, "response_too_large"));
}

#[tokio::test]
async fn calls_and_bytes_of_a_run_are_counted() {
    let server = Server::saying(ok("text/plain", "x".repeat(100_000))).await;
    let (url, port) = (server.url("/"), server.address.port());
    let (mut few_calls, mut few_bytes) = (settings(), settings());
    few_calls.max_calls = 20;
    few_bytes.max_traffic = 50_000;
    for (settings, config, field) in [
        (few_calls, json!({ "does": "hoard", "with": "127.0.0.1", "port": port, "times": 100 }), "wasm.max_calls"),
        (few_bytes, json!({ "does": "get", "with": url }), "wasm.max_traffic"),
    ] {
        let plugins = Plugins::new(settings, compiler()).unwrap();
        plugins.install(plugins.load("hostile", &fixture("hostile.wasm"), None).await.unwrap());
        let monitor = Monitor::of(&plugins, "hostile", config).granting(json!({ "http": ["*"], "tcp": ["*"] }));
        let outcome = monitor.run().await;
        assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_limit"), "{outcome:?}");
        assert!(outcome.message.contains(field), "{}", outcome.message);
    }
}

#[tokio::test]
async fn an_answer_with_a_million_headers_is_the_targets_fault() {
    let server = Server::repeating("HTTP/1.1 200 OK\r\n", "x: y\r\n").await;
    let get = hostile(json!({ "does": "get", "with": server.url("/") })).await.granting(json!({ "http": ["*"] }));
    assert_eq!(get.run().await.status, Status::Down);
}

#[tokio::test]
async fn wasi_has_no_files_no_sockets_and_no_environment() {
    let server = Server::saying(b"internal").await;
    let port = server.address.port();
    let everything = json!({ "http": ["*"], "tcp": ["*"], "dns": ["*"] });
    for config in [
        json!({ "does": "read-file", "with": "/etc/passwd" }),
        json!({ "does": "read-file", "with": "." }),
        json!({ "does": "write-file", "with": "/tmp/pingmon-plugin-was-here" }),
        json!({ "does": "socket", "with": "127.0.0.1", "port": port }),
        json!({ "does": "listen", "with": "127.0.0.1", "port": 0 }),
    ] {
        let outcome = hostile(config.clone()).await.granting(everything.clone()).run().await;
        assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_failed"), "{config}: {outcome:?}");
    }
    assert_eq!(server.accepted(), 0);
    assert!(!std::path::Path::new("/tmp/pingmon-plugin-was-here").exists());
    let outcome = hostile(json!({ "does": "environment" })).await.run().await;
    assert_eq!(outcome.message, "[] []");
}

#[tokio::test]
async fn a_secret_reaches_the_plugin_and_nothing_that_it_says() {
    const CANARY: &str = "s3cret-c4nary";
    for times in [0, 1] {
        let blab = hostile(json!({ "does": "blab", "with": "KEY", "times": times })).await;
        let outcome = blab.granting(json!({ "secrets": { "KEY": CANARY } })).run().await;
        let told = serde_json::to_string(&outcome).unwrap();
        assert!(!told.contains(CANARY) && told.contains('…'), "{told}");
    }
    let monitor = hostile(json!({})).await.granting(json!({ "secrets": { "KEY": CANARY } }));
    let error = monitor.build().err().unwrap();
    assert!(!error.to_string().contains(CANARY) && !format!("{error:?}").contains(CANARY), "{error:?}");
}

#[tokio::test]
async fn a_monitor_keeps_its_own_state_and_no_other() {
    let memory = Arc::new(Memory::default());
    let cx = CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), TIMEOUT);
    let cx = cx.keeper(Arc::clone(&memory) as Arc<dyn Keeper>);
    for expected in ["1", "2", "3"] {
        // Built anew, as by the worker that takes the monitor over.
        let outcome = hostile(json!({ "does": "count" })).await.build().unwrap().run(&cx).await.unwrap();
        assert_eq!(outcome.message, expected);
        *memory.kept.lock().unwrap() = outcome.keep;
    }
    let plain = hostile(json!({ "does": "nothing" })).await.build().unwrap();
    assert_eq!(plain.run(&cx).await.unwrap().keep, None, "nothing is new");
    assert_eq!(memory.asked.load(Relaxed), 3, "and nothing was asked for");
    assert_eq!(hostile(json!({ "does": "count" })).await.run().await.message, "1");

    memory.broken.store(true, Relaxed);
    let outcome = hostile(json!({ "does": "count" })).await.build().unwrap().run(&cx).await.unwrap();
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_state"));
    assert!(outcome.message.contains("no space left") && outcome.keep.is_none(), "{outcome:?}");
}

/// Has what one monitor keeps, as an engine would.
#[derive(Default)]
struct Memory {
    kept: Mutex<Option<Arc<[u8]>>>,
    asked: AtomicUsize,
    broken: AtomicBool,
}

#[async_trait]
impl Keeper for Memory {
    async fn kept(&self, _: MonitorId) -> Result<Option<Arc<[u8]>>> {
        self.asked.fetch_add(1, Relaxed);
        match self.broken.load(Relaxed) {
            true => Err(Error::probe("no space left on device")),
            false => Ok(self.kept.lock().unwrap().clone()),
        }
    }
}
