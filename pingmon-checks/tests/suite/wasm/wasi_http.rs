//! wasi:http, as libraries of many languages use it: the same grants, policy and limits as for `http`.

use std::time::Duration;

use pingmon_checks::{dial::resolver::Resolver, wasm::Plugins};
use pingmon_core::{
    dial::DialPolicy,
    outcome::{Outcome, Status},
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, time::Instant};

use super::{Monitor, compiler, fixture, settings};
use crate::server::{Server, closed, ok};

async fn plugins(settings: pingmon_checks::wasm::Settings) -> Plugins {
    let plugins = Plugins::new(settings, compiler()).unwrap();
    plugins.install(plugins.load("it", &fixture("wasi_http.wasm"), None).await.unwrap());
    plugins
}

async fn ask(config: Value, grant: Value) -> Outcome {
    Monitor::of(&plugins(settings()).await, "it", config).granting(grant).run().await
}

#[tokio::test]
async fn a_granted_request_brings_status_and_body() {
    let server = Server::saying(ok("text/plain", "hello")).await;
    let outcome = ask(json!({ "url": server.url("/x") }), json!({ "http": [server.url("")] })).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "200  5 hello"), "{outcome:?}");
}

#[tokio::test]
async fn a_body_is_sent_whole() {
    let server = Server::answering(|request| ok("text/plain", request.lines().last().unwrap_or_default())).await;
    let body = "x".repeat(10_000);
    let outcome = ask(json!({ "url": server.url("/"), "body": body }), json!({ "http": ["*"] })).await;
    assert_eq!(outcome.message, format!("200  10000 {}", "x".repeat(100)), "{outcome:?}");
}

#[tokio::test]
async fn what_is_not_granted_or_forbidden_is_not_even_dialled() {
    let server = Server::saying(ok("text/plain", "internal")).await;
    let (url, port) = (server.url("/"), server.address.port());
    for (url, grant, policy, says) in [
        (url.clone(), json!({}), DialPolicy::open(), "HttpRequestDenied"),
        (url.clone(), json!({ "http": ["http://127.0.0.1:1"] }), DialPolicy::open(), "HttpRequestDenied"),
        (format!("http://localhost:{port}/"), json!({ "http": [url] }), DialPolicy::open(), "HttpRequestDenied"),
        (url.clone(), json!({ "tcp": ["*"], "dns": ["*"] }), DialPolicy::open(), "HttpRequestDenied"),
        (url.clone(), json!({ "http": ["*"] }), DialPolicy::public(), "DestinationIpProhibited"),
    ] {
        let plugins = plugins(settings()).await;
        let asks = Monitor::dialling(policy, Resolver::system(), &plugins, "it", json!({ "url": url }));
        let outcome = asks.granting(grant.clone()).run().await;
        assert!(outcome.message.contains(says), "{grant}: {outcome:?}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_redirect_is_handed_over_and_not_followed() {
    let forbidden = Server::saying(ok("text/plain", "internal")).await;
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", forbidden.url("/"));
    let allowed = Server::saying(moved).await;
    let outcome = ask(json!({ "url": allowed.url("/") }), json!({ "http": [allowed.url("")] })).await;
    assert_eq!(outcome.message, format!("302 {} 0 ", forbidden.url("/")), "{outcome:?}");
    // Whoever follows it asks for what isn't granted.
    let outcome = ask(json!({ "url": forbidden.url("/") }), json!({ "http": [allowed.url("")] })).await;
    assert!(outcome.message.contains("HttpRequestDenied"), "{outcome:?}");
    assert_eq!((allowed.accepted(), forbidden.accepted()), (1, 0));
}

#[tokio::test]
async fn calls_bytes_and_time_of_a_run_are_counted() {
    let server = Server::saying(ok("text/plain", "x".repeat(100_000))).await;
    let (mut few_calls, mut few_bytes) = (settings(), settings());
    few_calls.max_calls = 3;
    few_bytes.max_traffic = 50_000;
    for (settings, config, says) in [
        (few_calls, json!({ "url": server.url("/"), "times": 4 }), "wasm.max_calls"),
        (few_bytes.clone(), json!({ "url": server.url("/") }), "wasm.max_traffic"),
        (few_bytes, json!({ "url": server.url("/"), "body": "x".repeat(60_000) }), "StreamError::Closed"),
    ] {
        let asks = Monitor::of(&plugins(settings).await, "it", config).granting(json!({ "http": ["*"] }));
        let outcome = asks.run().await;
        assert!(outcome.status == Status::Down && outcome.message.contains(says), "{says}: {outcome:?}");
    }
    let silent = Server::start(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    let asks = Monitor::of(&plugins(settings()).await, "it", json!({ "url": silent.url("/") }));
    let asks = asks.granting(json!({ "http": ["*"] })).within(Duration::from_millis(500));
    let started = Instant::now();
    let outcome = asks.run().await;
    assert!(outcome.message.contains("ConnectionTimeout"), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_millis(750));
}

#[tokio::test]
async fn a_target_that_is_not_there_is_said_in_its_words() {
    let outcome = ask(json!({ "url": format!("http://{}/", closed()) }), json!({ "http": ["*"] })).await;
    assert!(outcome.message.contains("ConnectionRefused"), "{outcome:?}");
}
