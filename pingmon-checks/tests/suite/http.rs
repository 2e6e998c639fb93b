//! The `http` kind against servers that behave.

use std::time::Duration;

use pingmon_checks::http::Http;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    found::phases,
    memory,
    server::{Server, ok},
};

pub(crate) async fn run_under(policy: DialPolicy, config: &Value, timeout: Duration) -> Outcome {
    let check = Http::new(policy).unwrap().build(config).unwrap();
    check.run(&CheckContext::new(MonitorId::new(), "test", Timestamp::default(), timeout)).await.unwrap()
}

pub(crate) async fn run(config: Value) -> Outcome {
    run_under(DialPolicy::open(), &config, Duration::from_secs(10)).await
}

#[tokio::test]
async fn a_good_answer_is_up_with_phases_that_sum_up_to_the_latency() {
    let server = Server::saying(ok("application/json", r#"{"status":"ok"}"#)).await;
    let expect = json!({ "status": ["2xx"], "body": [{ "json": "$.status", "equals": "ok" }] });
    let outcome = run(json!({ "url": server.url("/health"), "expect": expect })).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "200 OK"));
    assert!(outcome.failed.is_empty() && outcome.evidence.is_empty());
    assert_eq!(phases(&outcome), ["connect", "request", "first_byte", "transfer"]);
    assert_eq!(outcome.latency.unwrap(), outcome.phases.iter().map(|(_, spent)| *spent).sum::<Duration>());

    let named = run(json!({ "url": format!("http://localhost:{}/", server.address.port()) })).await;
    assert_eq!(phases(&named), ["dns", "connect", "request", "first_byte", "transfer"]);
}

#[tokio::test]
async fn every_run_opens_a_connection_of_its_own() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n").await;
    let check = Http::new(DialPolicy::open()).unwrap().build(&json!({ "url": server.url("/") })).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    for _ in 0..3 {
        assert_eq!(check.run(&cx).await.unwrap().status, Status::Up);
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn the_request_is_sent_as_configured() {
    let server = Server::answering(|request| ok("text/plain", request)).await;
    let outcome = run(json!({
        "url": server.url("/path?q=1"),
        "method": "PUT",
        "headers": { "X-Tag": ["one", "two"], "accept": "text/plain" },
        "body": "hello",
        "basic": { "username": "user", "password": "pass" },
        "expect": { "body": [
            { "matches": "^PUT /path\\?q=1 HTTP/1.1\r\n" },
            { "matches": "(?m)^x-tag: one\r\nx-tag: two\r$" },
            { "contains": "authorization: Basic dXNlcjpwYXNz\r\n" },
            { "contains": concat!("user-agent: pingmon/", env!("CARGO_PKG_VERSION")) },
            { "contains": "content-length: 5\r\n" },
            { "matches": "\r\n\r\nhello$" },
            { "not_contains": "referer" },
        ] },
    }))
    .await;
    assert_eq!(outcome.failed, []);
}

#[tokio::test]
async fn a_failure_carries_what_helps_to_find_the_cause_and_nothing_secret() {
    let server = Server::saying(
        "HTTP/1.1 503 Service Unavailable\r\nserver: shop\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\nno stock\0",
    )
    .await;
    let url = server.url("/?token=s3cret");
    let outcome = run(json!({ "url": url, "bearer": "s3cret", "headers": { "x-key": "s3cret" } })).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Down, "status: expected 2xx, got 503"));
    let evidence = &outcome.evidence;
    assert_eq!(evidence["status"], 503);
    assert_eq!(evidence["address"], server.address.to_string());
    assert_eq!(evidence["url"], server.url("/?token=…"));
    assert_eq!((&evidence["headers"]["server"], &evidence["headers"]["retry-after"]), (&json!("shop"), &json!("7")));
    assert_eq!(evidence["body"], "no stock\0");
    assert!(!serde_json::to_string(&outcome).unwrap().contains("s3cret"));
}

#[tokio::test]
async fn the_head_and_the_beginning_of_the_body_are_kept_without_secrets() {
    let body = r#"{"error":"no stock","access_token":"s3cret","echo":"k3y-of-ours"}"#;
    let head = "HTTP/1.1 500 Oops\r\nset-cookie: sid=s3cret; HttpOnly\r\nx-api-key: s3cret\r\nx-trace: 7\r\n";
    let server = Server::saying(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    let expect = json!({ "body": [{ "json": "$.access_token", "equals": "none" }] });
    let config = json!({ "url": server.url("/"), "headers": { "x-api-key": "k3y-of-ours" }, "expect": expect });
    let outcome = run(config).await;
    assert_eq!(outcome.evidence["headers"]["x-trace"], "7");
    assert_eq!(outcome.evidence["headers"]["set-cookie"], "sid=…");
    assert_eq!(outcome.evidence["body"], r#"{"error":"no stock","access_token":"…","echo":"…"}"#);
    let shown = serde_json::to_string(&outcome.evidence).unwrap();
    assert!(!shown.contains("s3cret") && !shown.contains("k3y-of-ours"), "{shown}");
}

#[tokio::test]
async fn a_failure_is_compared_with_the_last_good_run() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::answering(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => ok("text/plain", "fine"),
        _ => b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let check = Http::new(DialPolicy::open()).unwrap().build(&json!({ "url": server.url("/") })).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    assert_eq!(check.run(&cx).await.unwrap().status, Status::Up);
    let outcome = check.run(&cx).await.unwrap();
    assert_eq!(outcome.evidence["changed"], "status 200 -> 503, body 4 -> 0 bytes, same address");
    assert!(outcome.evidence["last_good"]["latency_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn redirects_are_followed_and_credentials_stay_with_their_origin() {
    let other = Server::answering(|request| ok("text/plain", request)).await;
    let there = other.url("/there");
    let moved = move |_: &str| format!("HTTP/1.1 302 Found\r\nlocation: {there}\r\n\r\n").into_bytes();
    let first = Server::answering(moved).await;
    let expect = json!({ "body": [{ "contains": "GET /there" }, { "not_contains": "t0ken" }] });
    let outcome = run(json!({ "url": first.url("/"), "bearer": "t0ken", "expect": expect })).await;
    assert_eq!(outcome.failed, []);
    assert_eq!((first.accepted(), other.accepted()), (1, 1));
}

#[tokio::test]
async fn without_redirects_the_redirect_itself_is_the_answer() {
    let server =
        Server::saying("HTTP/1.1 301 Moved\r\nlocation: https://b.example/?k=v\r\ncontent-length: 0\r\n\r\n").await;
    let config = json!({ "url": server.url("/"), "redirects": 0 });
    assert_eq!(run(config).await.status, Status::Up);
    let config = json!({ "url": server.url("/"), "redirects": 0, "expect": { "status": [200] } });
    let outcome = run(config).await;
    assert_eq!(
        (outcome.status, &outcome.evidence["headers"]["location"]),
        (Status::Down, &json!("https://b.example/?k=…"))
    );
}

#[tokio::test]
async fn a_compressed_body_is_judged_by_what_it_holds() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"hello").unwrap();
    let body = gzip.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    let server = Server::saying([head.as_bytes(), &body].concat()).await;
    let outcome = run(json!({ "url": server.url("/"), "expect": { "body": [{ "equals": "hello" }] } })).await;
    assert_eq!(outcome.failed, []);
}

#[test]
fn what_cannot_be_checked_is_refused_when_the_check_is_built() {
    let kind = Http::new(DialPolicy::open()).unwrap();
    for (config, words) in [
        (json!({ "url": "http://169.254.169.254/" }), "invalid url: the dial policy forbids 169.254.169.254"),
        (json!({ "url": "http://[::ffff:169.254.169.254]/" }), "invalid url: the dial policy forbids"),
        (json!({ "url": "http://a.example", "redirects": 21 }), "invalid redirects: 21 is more than 20"),
        (json!({ "url": "http://a.example", "max_body": 1_000_000_000 }), "invalid max_body"),
        (json!({ "url": "http://0xa9fea9fe/" }), "invalid url: the dial policy forbids 169.254.169.254"),
        (json!({ "url": "http://a.example", "expect": { "statuses": [] } }), "invalid expect.statuses"),
        (json!({}), "missing field `url`"),
        (json!(null), "invalid config"),
    ] {
        let error = kind.build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{config}: {error}");
    }
}

#[test]
fn every_kind_has_a_schema_that_describes_all_its_fields() {
    for kind in pingmon_checks::kinds(DialPolicy::open()).unwrap() {
        let schema = kind.schema().to_value();
        let fields = schema["properties"].as_object().unwrap();
        assert!(!fields.is_empty(), "{}", kind.name());
        for (name, field) in fields {
            assert!(field.get("description").is_some(), "{}.{name} has no description: {field}", kind.name());
        }
    }
}

#[test]
fn a_hundred_thousand_checks_fit_into_300_mb() {
    const CHECKS: usize = 100;
    let kind = Http::new(DialPolicy::open()).unwrap();
    let config =
        json!({ "url": "http://shop.example/", "expect": { "body": [{ "json": "$.status", "equals": "ok" }] } });
    // What all have in common is there after the first.
    let _first = kind.build(&config).unwrap();
    let before = memory::start();
    let checks: Vec<_> = (0..CHECKS).map(|_| kind.build(&config).unwrap()).collect();
    let each = memory::peak_since(before) / CHECKS;
    drop(checks);
    assert!(each <= 1_800, "{each} bytes a check");
}
