//! The `webhook` channel against a receiver on this host: what it sends, how it is signed, what an answer means.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::LOCATION, header::RETRY_AFTER},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notifier::Notifier,
    outcome::Outcome,
    time::{Clock, Timestamp},
};
use pingmon_notify::{kinds, open, webhook::Webhook};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    notices,
    receiver::{Received, Receiver},
};

/// Key bytes 1 to 24 as Standard Webhooks writes them.
const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";

fn to(receiver: &Receiver) -> Webhook {
    Webhook::new(&receiver.url("/notices"), &DialPolicy::open()).unwrap()
}

/// What a failed delivery said: the reason, whether to try again, and when.
fn failure(result: Result<()>) -> (String, bool, Option<Duration>) {
    match result {
        Err(Error::Delivery { reason, retryable, retry_after }) => (reason, retryable, retry_after),
        other => panic!("expected a failed delivery, got {other:?}"),
    }
}

/// The signature a receiver computes for itself.
fn signature(request: &Received, key: &[u8]) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    let head = format!("{}.{}.", request.header("webhook-id"), request.header("webhook-timestamp"));
    hmac.update(&[head.as_bytes(), &request.body].concat());
    format!("v1,{}", BASE64_STANDARD.encode(hmac.finalize().into_bytes()))
}

/// A clock that is set by hand.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn the_body_is_the_documented_json() {
    let receiver = Receiver::answering(|_| Some(StatusCode::ACCEPTED)).await;
    let failed = Outcome::down("500 Internal Server Error").latency(Duration::from_micros(1_500));
    let sent = notices::after([failed, Outcome::up("200 OK")]);
    for notice in &sent {
        to(&receiver).send(notice).await.unwrap();
    }
    let received = receiver.received();
    assert_eq!(received[0].header("content-type"), "application/json");
    let opened = json!({
        "id": sent[0].id,
        "event": "opened",
        "at": "2026-11-22T12:00:00.000000Z",
        "headline": "shop api is down: 500 Internal Server Error",
        "lasted": "0s",
        "monitor": { "id": notices::MONITOR, "name": "shop api", "kind": "http", "labels": { "team": "shop" } },
        "incident": {
            "id": sent[0].incident.id,
            "about": "target",
            "level": "down",
            "failing_since": "2026-11-22T12:00:00.000000Z",
            "opened_at": "2026-11-22T12:00:00.000000Z",
            "closed_at": null,
            "closed": null,
            "message": "500 Internal Server Error",
        },
        "outcome": { "status": "down", "latency_ms": 1.5, "message": "500 Internal Server Error" },
        "confirmed_by": [],
        "affected": { "count": 0, "names": [] },
        "also": [],
        "links": [],
        "opening": null,
    });
    assert_eq!(received[0].json(), opened);
    let resolved = received[1].json();
    assert_eq!(resolved["event"], "resolved");
    assert_eq!(resolved["incident"]["id"], opened["incident"]["id"]);
    assert_eq!(resolved["incident"]["closed_at"], "2026-11-22T12:01:00.000000Z");
    assert_eq!(resolved["incident"]["closed"], "recovered");
    assert_eq!(resolved["headline"], "shop api has recovered after 1m");
}

#[tokio::test]
async fn a_notice_without_a_run_says_null() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    let mut notice = notices::opened();
    notice.outcome = None;
    to(&receiver).send(&notice).await.unwrap();
    assert_eq!(receiver.received()[0].json()["outcome"], Value::Null);
}

#[tokio::test]
async fn a_receiver_can_verify_the_signature_by_itself() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    let clock = Arc::new(Hand(AtomicI64::new(1_795_348_861_999_999)));
    let key: Vec<u8> = (1..=24).collect();
    for (secret, key) in [(SECRET, key.as_slice()), ("plain text", b"plain text")] {
        let webhook = to(&receiver).secret(secret).unwrap().clock(Arc::clone(&clock) as Arc<dyn Clock>);
        webhook.send(&notices::opened()).await.unwrap();
        let request = receiver.received().pop().unwrap();
        assert_eq!(request.header("webhook-timestamp"), "1795348861");
        assert_eq!(request.header("webhook-signature"), signature(&request, key));
        let forged = Received { body: [&request.body[..], b" "].concat().into(), ..request.clone() };
        assert_ne!(request.header("webhook-signature"), signature(&forged, key));
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    to(&receiver).send(&notices::opened()).await.unwrap();
    let request = receiver.received().remove(0);
    assert!(request.headers.get("webhook-signature").is_none());
    assert_ne!(request.header("webhook-timestamp"), "");
}

#[tokio::test]
async fn a_repeat_bears_the_same_idempotency_key_and_a_new_timestamp() {
    let answers = Arc::new(AtomicUsize::new(0));
    let receiver = Receiver::answering(move |_| {
        let first = answers.fetch_add(1, Ordering::Relaxed) == 0;
        Some(if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK })
    })
    .await;
    let clock = Arc::new(Hand(AtomicI64::new(1_795_348_861_000_000)));
    let webhook = to(&receiver).secret(SECRET).unwrap().clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let notice = notices::opened();
    assert!(failure(webhook.send(&notice).await).1, "503 is worth another attempt");
    clock.0.fetch_add(60_000_000, Ordering::Relaxed);
    webhook.send(&notice).await.unwrap();

    let received = receiver.received();
    let id = notice.id.to_string();
    for request in &received {
        assert_eq!(request.header("webhook-id"), id);
        assert_eq!(request.header("idempotency-key"), id);
        assert_eq!(request.json()["id"], id.as_str());
    }
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[1].header("webhook-timestamp"), "1795348921");
    assert_ne!(received[0].header("webhook-signature"), received[1].header("webhook-signature"));
}

#[tokio::test]
async fn headers_of_ones_own_are_sent() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    let config = json!({ "url": receiver.url("/a?b=c"), "headers": { "Authorization": "Bearer x" }, "timeout": "5s" });
    open("webhook", &config, &DialPolicy::open()).unwrap().send(&notices::opened()).await.unwrap();
    let request = receiver.received().remove(0);
    assert_eq!(request.header("authorization"), "Bearer x");
    assert_eq!(request.uri.to_string(), "/a?b=c");
}

#[tokio::test]
async fn method_headers_and_body_can_be_ones_own() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    let config = json!({
        "url": receiver.url("/a"),
        "method": "PUT",
        "headers": { "x-event": "{{ event }}/{{ monitor.name }}" },
        "body": "{ \"who\": {{ monitor.name }}, \"labels\": {{ monitor.labels }}, \"for\": {{ lasted }} }",
    });
    let mut notice = notices::opened();
    notice.monitor.name = "a \"b\"\r\nx-forged: 1".to_owned();
    open("webhook", &config, &DialPolicy::open()).unwrap().send(&notice).await.unwrap();
    let request = receiver.received().remove(0);
    assert_eq!((request.method.as_str(), request.header("content-type")), ("PUT", "application/json"));
    assert_eq!(request.header("x-event"), "opened/a \"b\" x-forged: 1");
    let expected = json!({ "who": "a \"b\" x-forged: 1", "labels": { "team": "shop" }, "for": "0s" });
    assert_eq!(request.json(), expected);
    let config = json!({ "url": receiver.url("/a"), "body": "<p>{{ monitor.name }}</p>", "content_type": "text/html" });
    notice.monitor.name = "<script>".to_owned();
    open("webhook", &config, &DialPolicy::open()).unwrap().send(&notice).await.unwrap();
    let request = receiver.received().remove(1);
    assert_eq!((request.header("content-type"), &request.body[..]), ("text/html", &b"<p>&lt;script&gt;</p>"[..]));
}

#[tokio::test]
async fn a_retry_after_is_passed_on_in_seconds_or_as_a_date() {
    for (asked, wait) in
        [("7", Some(7)), ("Sun, 22 Nov 2026 12:01:30 GMT", Some(30)), ("86400", Some(3_600)), ("later", None)]
    {
        let answer = move |_: &Received| Some((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, asked)], "busy"));
        let receiver = Receiver::answering(answer).await;
        let clock = Hand(AtomicI64::new((notices::START + Duration::from_secs(60)).as_micros()));
        let sent = to(&receiver).clock(Arc::new(clock)).send(&notices::opened()).await;
        let (reason, retryable, retry_after) = failure(sent);
        assert_eq!(reason, format!("{} answered 503 Service Unavailable: busy", receiver.address));
        assert_eq!((retryable, retry_after), (true, wait.map(Duration::from_secs)), "{asked}");
    }
}

#[tokio::test]
async fn an_answer_that_will_not_change_is_final() {
    for status in [400, 401, 404, 410] {
        let status = StatusCode::from_u16(status).unwrap();
        let receiver = Receiver::answering(move |_| Some((status, [(RETRY_AFTER, "5")]))).await;
        let (reason, retryable, retry_after) = failure(to(&receiver).send(&notices::opened()).await);
        assert_eq!((retryable, retry_after), (false, None), "{status}");
        assert_eq!(reason, format!("{} answered {status}", receiver.address));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::answering(|request| {
        let asked = request.uri.path() == "/notices";
        Some(if asked { (StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response() } else { ().into_response() })
    })
    .await;
    let (reason, retryable, _) = failure(to(&receiver).send(&notices::opened()).await);
    assert!(!retryable && reason.contains("302 Found, and redirects are not followed"), "{reason}");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn of_an_endless_answer_only_the_beginning_is_read() {
    let receiver = Receiver::answering(|_| {
        let flood = stream::repeat(Bytes::from_static(&[b'x'; 8 * 1024])).map(Ok::<_, std::io::Error>);
        Some((StatusCode::BAD_GATEWAY, Body::from_stream(flood)))
    })
    .await;
    let webhook = to(&receiver).timeout(Duration::from_secs(30)).unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(20), webhook.send(&notices::opened())).await;
    let (reason, retryable, _) = failure(sent.expect("an endless answer held the channel up"));
    assert!(retryable && reason.contains("answered 502 Bad Gateway: xxx"), "{reason}");
    assert!(reason.len() < 400, "{} bytes", reason.len());
}

#[tokio::test]
async fn an_answer_that_stalls_keeps_its_status() {
    let receiver = Receiver::answering(|_| {
        let stalled = stream::iter([Ok::<_, std::io::Error>("half a")]).chain(stream::pending());
        Some((StatusCode::FORBIDDEN, Body::from_stream(stalled)))
    })
    .await;
    let webhook = to(&receiver).timeout(Duration::from_millis(500)).unwrap();
    let (reason, retryable, _) = failure(webhook.send(&notices::opened()).await);
    assert_eq!((reason, retryable), (format!("{} answered 403 Forbidden: half a", receiver.address), false));
}

#[tokio::test]
async fn what_an_answer_says_is_repeated_on_one_clean_line() {
    let body: &[u8] = b"no\r\n\x1b[31m such\0 \xffhook";
    let receiver = Receiver::answering(move |_| Some((StatusCode::NOT_FOUND, body))).await;
    let (reason, ..) = failure(to(&receiver).send(&notices::opened()).await);
    assert!(reason.ends_with("answered 404 Not Found: no [31m such \u{fffd}hook"), "{reason:?}");
}

#[tokio::test]
async fn a_slow_receiver_ends_in_a_timeout() {
    let receiver = Receiver::answering(|_| None::<()>).await;
    let webhook = to(&receiver).timeout(Duration::from_millis(100)).unwrap();
    let (reason, retryable, _) = failure(webhook.send(&notices::opened()).await);
    assert_eq!((reason, retryable), (format!("{} gave no answer within 100ms", receiver.address), true));
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let webhook = Webhook::new(&format!("http://{address}/"), &DialPolicy::open()).unwrap();
    let (reason, retryable, _) = failure(webhook.send(&notices::opened()).await);
    assert!(retryable && reason.starts_with(&format!("{address} gave no answer: ")), "{reason}");
    assert!(reason.contains("refused"), "{reason}");
}

#[test]
fn an_address_that_may_not_be_dialled_is_refused_when_the_channel_is_built() {
    for host in ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "169.254.169.254"] {
        let error = Webhook::new(&format!("http://{host}:80/canary"), &DialPolicy::public()).unwrap_err().to_string();
        assert!(error.starts_with("invalid url: the dial policy forbids "), "{host}: {error}");
    }
    Webhook::new("http://10.0.0.1/", &DialPolicy::public().allow("10.0.0.0/8".parse().unwrap())).unwrap();
}

#[tokio::test]
async fn a_name_that_leads_to_a_forbidden_address_is_not_dialled() {
    let receiver = Receiver::answering(|_| Some(())).await;
    let url = format!("http://localhost:{}/notices", receiver.address.port());
    let webhook = Webhook::new(&url, &DialPolicy::public()).unwrap();
    let (reason, ..) = failure(webhook.send(&notices::opened()).await);
    assert!(reason.contains("the dial policy forbids"), "{reason}");
    assert!(receiver.received().is_empty());
    Webhook::new(&url, &DialPolicy::open()).unwrap().send(&notices::opened()).await.unwrap();
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn no_secret_shows_in_debug_or_errors_even_when_it_is_echoed() {
    let receiver = Receiver::answering(|request| {
        let echo = format!("{} {:?} {SECRET}", request.uri, request.headers);
        Some((StatusCode::IM_A_TEAPOT, echo))
    })
    .await;
    let url = format!("http://user:canary-password@{}/canary-path/x?token=canary-query", receiver.address);
    let webhook = Webhook::new(&url, &DialPolicy::open()).unwrap();
    let webhook = webhook.secret(SECRET).unwrap().header("x-token", "canary-header").unwrap();
    let debug = format!("{webhook:?}");
    let (reason, ..) = failure(webhook.send(&notices::opened()).await);
    assert!(reason.contains("418 I'm a teapot") && reason.contains("[secret]"), "{reason}");
    let closed = Webhook::new("http://127.0.0.1:1/canary-path", &DialPolicy::open()).unwrap();
    let (refused, ..) = failure(closed.send(&notices::opened()).await);
    for text in [debug, reason, refused] {
        assert!(!text.contains("canary") && !text.contains(&SECRET["whsec_".len()..]), "{text}");
    }
}

#[test]
fn a_config_that_cannot_work_names_the_field_and_repeats_no_secret() {
    let policy = DialPolicy::open();
    let good = "https://hooks.example/canary";
    let headers: serde_json::Map<_, _> = (0..33).map(|n| (format!("x-{n}"), json!("canary"))).collect();
    for (config, field) in [
        (json!({}), "config"),
        (json!({ "url": 31_337 }), "url"),
        (json!({ "url": "canary" }), "url"),
        (json!({ "url": format!("{good}{}", "canary".repeat(500)) }), "url"),
        (json!({ "url": good, "secret": "" }), "secret"),
        (json!({ "url": good, "secret": 31_337 }), "secret"),
        (json!({ "url": good, "secret": "whsec_canary!" }), "secret"),
        (json!({ "url": good, "timeout": 10 }), "timeout"),
        (json!({ "url": good, "timeout": "0s" }), "timeout"),
        (json!({ "url": good, "timeout": "31s" }), "timeout"),
        (json!({ "url": good, "headers": { "x-a": 31_337 } }), "headers.x-a"),
        (json!({ "url": good, "headers": { "x-a": "canary\ncanary" } }), "headers.x-a"),
        (json!({ "url": good, "headers": { "Host": "canary" } }), "headers.Host"),
        (json!({ "url": good, "headers": { "webhook-id": "canary" } }), "headers.webhook-id"),
        (json!({ "url": good, "headers": { "x y": "canary" } }), "headers"),
        (json!({ "url": good, "headers": headers }), "headers"),
        (json!({ "url": good, "headers": { "x-a": "{{ canary }}" } }), "headers.x-a"),
        (json!({ "url": good, "body": "{{ nothing }}" }), "body"),
        (json!({ "url": good, "content_type": "text/plain" }), "content_type"),
        (json!({ "url": good, "method": "GET" }), "method"),
    ] {
        let error = open("webhook", &config, &policy).err().expect(field).to_string();
        assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        assert!(!error.contains("canary") && !error.contains("31337"), "{error}");
    }
}

#[test]
fn the_schema_marks_what_is_secret() {
    let schema =
        Value::from(kinds(&DialPolicy::open()).unwrap().iter().find(|kind| kind.name() == "webhook").unwrap().schema());
    assert_eq!(schema["required"], json!(["url"]));
    assert_eq!(schema["properties"]["url"]["writeOnly"], true);
    assert_eq!(schema["properties"]["headers"]["additionalProperties"]["writeOnly"], true);
    assert!(schema["properties"]["secret"].to_string().contains("writeOnly"), "{schema}");
}
