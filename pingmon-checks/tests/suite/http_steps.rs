//! Flows of the `http` kind: several requests, one verdict.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pingmon_checks::http::Http;
use pingmon_core::{
    check::CheckKind as _,
    dial::DialPolicy,
    outcome::{Outcome, Status},
};
use serde_json::{Value, json};

use crate::{
    found::phases,
    http::{run, run_under},
    server::{Server, closed, read_request, send},
};

/// A shop with one customer and one order, and what it was asked.
struct Shop {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    async fn open() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = Server::answering(move |request| {
            let line = request.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
            let answer = answer(&line, request);
            log.lock().unwrap().push(line);
            answer
        });
        Self { server: server.await, asked }
    }

    async fn flow(&self, steps: Value) -> Outcome {
        run(json!({ "url": self.server.url("/"), "steps": steps })).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(line: &str, request: &str) -> Vec<u8> {
    let known =
        request.contains("authorization: Bearer t0k/en s3cret\r\n") && request.contains("cookie: sid=c00kie\r\n");
    let (head, body) = match line {
        "POST /login" => ("200 OK\r\nset-cookie: sid=c00kie", r#"{"token":"t0k/en s3cret","user":"ada"}"#),
        "POST /orders" if known => ("201 Created\r\nlocation: /orders/7", r#"{"id":7}"#),
        "GET /orders/7" if known => ("200 OK", r#"{"of":"ada"}"#),
        "DELETE /orders/7" if known => ("204 No Content", ""),
        line if line.starts_with("GET /echo") => ("500 Oops", "t0k/en s3cret, c00kie and ada"),
        _ => ("403 Forbidden", ""),
    };
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn login() -> Value {
    json!({
        "name": "login", "method": "POST", "url": "/login",
        "capture": { "token": { "json": "$.token" }, "user": { "json": "$.user" } },
    })
}

fn order() -> Value {
    json!({
        "name": "order", "method": "POST", "url": "/orders", "bearer": "{{token}}",
        "capture": { "id": { "json": "$.id" }, "place": { "header": "location" } },
    })
}

fn remove() -> Value {
    json!({ "name": "remove", "method": "DELETE", "url": "/orders/{{id}}", "bearer": "{{token}}", "always": true })
}

#[tokio::test]
async fn a_flow_carries_values_and_cookies_along_and_has_one_verdict() {
    let shop = Shop::open().await;
    let seen = json!({
        "name": "look", "url": "{{place}}", "bearer": "{{token}}",
        "expect": { "body": [{ "json": "$.of", "equals": "ada" }] },
    });
    let outcome = shop.flow(json!([login(), order(), seen, remove()])).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Up, "4 steps passed"), "{outcome:?}");
    assert_eq!(shop.asked(), ["POST /login", "POST /orders", "GET /orders/7", "DELETE /orders/7"]);
    assert_eq!(phases(&outcome), ["login", "order", "look", "remove"]);
    assert_eq!(outcome.latency.unwrap(), outcome.phases.iter().map(|(_, took)| *took).sum::<Duration>());
    assert!(outcome.evidence.is_empty());
}

#[tokio::test]
async fn a_step_that_fails_ends_the_flow_but_for_steps_that_always_run() {
    let shop = Shop::open().await;
    let down = |step: Value| json!([login(), order(), step, { "name": "never", "url": "/" }, remove()]);
    let at = |more: Value| {
        let mut step = json!({ "name": "fails", "url": "/orders/7", "bearer": "{{token}}" });
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let nobody = format!("http://{}/", closed());
    for (step, message) in [
        (at(json!({ "url": "/none" })), "fails: status: expected 2xx, got 403"),
        (at(json!({ "url": nobody })), "fails: connection refused"),
        (
            at(json!({ "capture": { "a": { "json": "$.a" } } })),
            "fails: capture.a: expected a value from $.a, got nothing at $.a",
        ),
    ] {
        let outcome = shop.flow(down(step)).await;
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Down, message));
        assert_eq!(phases(&outcome), ["login", "order", "fails", "remove"], "{message}");
        assert_eq!(outcome.evidence["step"], "fails");
        assert_eq!(shop.asked().last().unwrap(), "DELETE /orders/7");
    }
}

#[tokio::test]
async fn a_step_that_cannot_be_judged_ends_the_flow_as_unknown() {
    let away = Server::saying("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n").await;
    let shop = Shop::open().await;
    let steps = json!([login(), { "name": "away", "url": away.url("/") }, order()]);
    let outcome = shop.flow(steps).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &json!("redirect_forbidden")));
    assert_eq!((&outcome.evidence["step"], shop.asked().len()), (&json!("away"), 1));
}

#[tokio::test]
async fn a_step_without_the_values_it_needs_is_left_out_and_that_is_said() {
    let shop = Shop::open().await;
    let mut order = order();
    order["bearer"] = json!("wrong");
    let outcome = shop.flow(json!([login(), order, remove()])).await;
    assert_eq!(outcome.message, "order: status: expected 2xx, got 403");
    assert_eq!((&outcome.evidence["skipped"], shop.asked().len()), (&json!(["remove"]), 2));
}

#[tokio::test]
async fn a_captured_secret_is_never_shown_and_what_is_none_is() {
    let shop = Shop::open().await;
    let echo = json!({ "name": "echo", "url": "/echo/{{token}}/{{user}}", "bearer": "{{token}}" });
    let outcome = shop.flow(json!([login(), echo])).await;
    assert_eq!(outcome.evidence["captured"], json!({ "token": "…", "user": "ada" }));
    assert_eq!(outcome.evidence["url"], shop.server.url("/echo/…/ada"));
    assert_eq!(outcome.evidence["body"], "…, c00kie and ada");
    assert!(!serde_json::to_string(&outcome).unwrap().contains("s3cret"), "{outcome:?}");
    assert_eq!(shop.asked()[1], "GET /echo/t0k%2Fen%20s3cret/ada");

    let mut login = login();
    login["capture"] = json!({ "token": { "json": "$.token", "secret": false }, "sid": { "cookie": "sid" } });
    let outcome = shop.flow(json!([login, { "name": "echo", "url": "/echo" }])).await;
    assert_eq!(outcome.evidence["body"], "t0k/en s3cret, … and ada");
}

#[tokio::test]
async fn a_captured_url_leads_nowhere_but_to_the_monitors_own_origin() {
    let elsewhere = Server::saying("HTTP/1.1 200 OK\r\n\r\n").await;
    for place in [elsewhere.url("/"), format!("//{}/", elsewhere.address), "http://169.254.169.254/".to_owned()] {
        let answer = format!("HTTP/1.1 201 Created\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
        let shop = Server::saying(answer).await;
        let steps = json!([
            { "name": "make", "capture": { "place": { "header": "location" } } },
            { "name": "look", "url": "{{place}}" },
        ]);
        let outcome = run(json!({ "url": shop.url("/"), "bearer": "s3cret", "steps": steps })).await;
        assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Down, &json!("request_invalid")));
        assert_eq!(
            outcome.message,
            concat!(
                "look: url: a captured value leads it to another origin; ",
                "write scheme, host and port without placeholders"
            )
        );
        assert_eq!((shop.accepted(), elsewhere.accepted()), (1, 0));
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_sent_is_the_targets_fault() {
    let server = Server::answering(|_| crate::server::ok("application/json", r#"{"a":"b\r\nx-evil: 1"}"#)).await;
    let steps = json!([
        { "name": "one", "capture": { "a": { "json": "$.a" } } },
        { "name": "two", "headers": { "x-a": "{{a}}" } },
    ]);
    let outcome = run(json!({ "url": server.url("/"), "steps": steps })).await;
    assert_eq!((outcome.status, server.accepted()), (Status::Down, 1));
    assert!(outcome.message.starts_with("two: headers.x-a: it holds characters"), "{}", outcome.message);
}

#[tokio::test]
async fn a_step_that_hangs_leaves_steps_that_always_run_their_fifth_of_the_time() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            if read_request(&mut stream).await.starts_with("DELETE ") {
                *count.lock().unwrap() += 1;
                send(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let steps = json!([{ "name": "hang" }, { "name": "tidy", "method": "DELETE", "always": true }]);
    let config = json!({ "url": server.url("/"), "steps": steps });
    let outcome = run_under(DialPolicy::open(), &config, Duration::from_millis(500)).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Down, &json!("timeout")));
    assert!(outcome.latency.unwrap() < Duration::from_millis(450), "{outcome:?}");
    assert_eq!((*asked.lock().unwrap(), phases(&outcome)), (1, vec!["hang", "tidy"]));
}

#[tokio::test]
async fn all_steps_together_may_take_as_long_as_the_flow_may() {
    let shop = Shop::open().await;
    let config = json!({
        "url": shop.server.url("/"), "steps": [login(), order()],
        "expect": { "latency": { "degraded": "1us", "down": "10s" } },
    });
    let outcome = run(config).await;
    assert_eq!((outcome.status, &*outcome.failed[0].expectation), (Status::Degraded, "latency"));
}

#[tokio::test]
async fn one_token_serves_all_steps() {
    let token = Server::saying(crate::server::ok("application/json", r#"{"access_token":"t","expires_in":60}"#)).await;
    let target = Server::answering(|request| {
        let known = request.contains("authorization: Bearer t\r\n");
        crate::server::ok("text/plain", if known { "known" } else { "unknown" })
    })
    .await;
    let known = json!({ "body": [{ "equals": "known" }] });
    let steps = json!([
        { "name": "one", "expect": known },
        { "name": "two", "expect": known },
        { "name": "other", "bearer": "mine", "expect": { "body": [{ "equals": "unknown" }] } },
    ]);
    let oauth2 = json!({ "token_url": token.url("/"), "client_id": "c", "client_secret": "s3cret" });
    let outcome = run(json!({ "url": target.url("/"), "oauth2": oauth2, "steps": steps })).await;
    assert_eq!((outcome.failed.as_slice(), token.accepted()), (&[][..], 1), "{outcome:?}");
}

#[test]
fn a_flow_that_cannot_be_meant_is_refused_by_the_name_of_its_field() {
    let kind = Http::new(DialPolicy::open()).unwrap();
    let many: Vec<_> = (0..21).map(|n| json!({ "name": format!("s{n}") })).collect();
    let captures: serde_json::Map<_, _> = (0..33).map(|n| (format!("c{n}"), json!({ "regex": "x" }))).collect();
    let place = json!({ "json": "$.a" });
    let a = json!({ "name": "a" });
    for (more, words) in [
        (json!({ "steps": many }), "invalid steps: 21 steps are more than 20"),
        (json!({ "steps": [a], "method": "POST" }), "invalid method: it belongs to one of the `steps`"),
        (json!({ "steps": [a], "expect": { "status": [200] } }), "invalid expect: of a flow only `latency`"),
        (json!({ "steps": [a], "expect": { "invert": true } }), "invalid expect: of a flow only `latency`"),
        (json!({ "steps": [a, a] }), "invalid steps[1].name: another step is called \"a\""),
        (json!({ "steps": [{ "name": "a b" }] }), "invalid steps[0].name: \"a b\" can't be a name"),
        (json!({ "steps": [{}] }), "missing field `name`"),
        (json!({ "steps": [a, { "name": "b", "url": "ftp://x/" }] }), "invalid steps[1].url: the scheme \"ftp\""),
        (
            json!({ "steps": [{ "name": "a", "url": "http://169.254.169.254/" }] }),
            "invalid steps[0].url: the dial policy",
        ),
        (json!({ "steps": [{ "name": "a", "redirects": 21 }] }), "invalid steps[0].redirects: 21 is more than 20"),
        (json!({ "steps": [{ "name": "a", "expect": { "stat": 1 } }] }), "invalid steps[0].expect.stat"),
        (json!({ "steps": [{ "name": "a", "proxy": "x" }] }), "invalid steps[0].proxy: a step doesn't know it"),
        (
            json!({ "steps": [{ "name": "a", "url": "/{{id}}", "capture": { "id": place } }] }),
            "invalid steps[0].url: {{id}} has no value; those that have are {{request_id}}",
        ),
        (
            json!({ "steps": [{ "name": "a", "capture": { "request_id": place } }] }),
            "invalid steps[0].capture.request_id: \"request_id\" can't be a name",
        ),
        (json!({ "steps": [{ "name": "a", "capture": { "a-b": place } }] }), "invalid steps[0].capture.a-b"),
        (json!({ "steps": [{ "name": "a", "capture": { "a": {} } }] }), "invalid steps[0].capture.a: give one of"),
        (json!({ "steps": [{ "name": "a", "capture": captures }] }), "invalid steps[0].capture: more than 32 values"),
    ] {
        let mut config = json!({ "url": "http://a.example" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = kind.build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{more}: {error}");
    }
}
