//! What an `http` monitor may expect, held against real answers: of each expectation the side that passes, the side that
//! fails and the side that can't be judged, which counts as failed.

mod body;
mod headers;
mod json;
mod page;
mod reach;
mod transport;

use pingmon_checks::http::Http;
use pingmon_core::{check::CheckKind as _, dial::DialPolicy, outcome::Outcome};
use serde_json::{Value, json};

use crate::{
    http::run,
    server::{Server, ok},
};

/// The outcome of a run that gets `answer` and expects `expect`.
async fn judged(expect: Value, answer: impl AsRef<[u8]>) -> Outcome {
    let server = Server::saying(answer).await;
    run(json!({ "url": server.url("/"), "expect": expect })).await
}

/// What failed, as `expectation: expected / actual`, one a line.
fn missed(outcome: &Outcome) -> String {
    let line = |f: &pingmon_core::outcome::Failure| format!("{}: {} / {}", f.expectation, f.expected, f.actual);
    outcome.failed.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Holds a body of the type against each rule; what fails has to hold these words, and `""` means that nothing fails.
async fn hold_body(content_type: &str, body: impl AsRef<[u8]>, cases: &[(Value, &str)]) {
    let server = Server::saying(ok(content_type, body)).await;
    for (rule, words) in cases {
        let outcome = run(json!({ "url": server.url("/"), "expect": { "body": [rule] } })).await;
        assert_missed(&outcome, rule, words);
    }
}

fn assert_missed(outcome: &Outcome, rule: &Value, words: &str) {
    let missed = missed(outcome);
    match words {
        "" => assert_eq!(missed, "", "{rule}"),
        words => assert!(missed.contains(words), "{rule}: {missed:?} lacks {words:?}"),
    }
}

/// Why a monitor with these expectations is refused.
fn refused(expect: &Value) -> String {
    let kind = Http::new(DialPolicy::open()).unwrap();
    let built = kind.build(&json!({ "url": "http://a.example", "expect": expect }));
    built.err().unwrap_or_else(|| panic!("{expect} is accepted")).to_string()
}

#[tokio::test]
async fn every_rule_can_degrade_instead() {
    let answer = "HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}";
    let outcome = judged(
        json!({
            "status": { "degraded": [500] },
            "headers": [{ "name": "etag", "present": true, "level": "degraded" }],
            "body": [{ "json": "$.a", "exists": true, "level": "degraded" }],
            "security_headers": { "level": "degraded" },
            "latency": { "degraded": "1us" },
            "phases": { "first_byte": "1us" },
        }),
        answer,
    )
    .await;
    assert_eq!(outcome.status.as_str(), "degraded", "{outcome:?}");
    assert_eq!(outcome.failed.len(), 10, "{:?}", outcome.failed);
}

#[tokio::test]
async fn a_status_is_right_wrong_or_degraded_as_the_lists_say() {
    let table = |allow: Value| json!({ "status": allow });
    for (expect, status, words) in [
        (table(json!([200, "3xx"])), 204, "status: 200 or 3xx / 204"),
        (table(json!(["200-299"])), 204, ""),
        (table(json!({ "deny": [204] })), 204, "status: 2xx, but not 204 / 204"),
        (table(json!({ "deny": [204] })), 200, ""),
        (table(json!({ "deny": [204] })), 404, "status: 2xx / 404"),
        (table(json!({ "allow": ["4xx"], "deny": [404, 410] })), 410, "status: 4xx, but not 404 and 410 / 410"),
        (table(json!({ "degraded": ["429", 503] })), 503, "status: 2xx / 503"),
    ] {
        let outcome = judged(expect.clone(), format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")).await;
        assert_missed(&outcome, &expect, words);
    }
    for (expect, words) in [
        (table(json!({ "allow": [] })), "invalid expect.status: no status could be right"),
        (table(json!({ "allow": ["2xx"], "forbid": [204] })), "unknown field `forbid`"),
        (table(json!({ "deny": vec![200; 33] })), "invalid expect.status: 33 entries are more than 32"),
        (table(json!(200)), "expected a list of status codes"),
    ] {
        assert!(refused(&expect).contains(words), "{}", refused(&expect));
    }
}

#[tokio::test]
async fn a_phase_may_take_so_long_and_one_that_did_not_happen_took_no_time() {
    let answer = ok("text/plain", "x");
    let expect = json!({ "phases": { "dns": "1us", "tls": { "down": "1us" }, "connect": "1h" } });
    assert_eq!(missed(&judged(expect, &answer).await), "");
    let outcome = judged(json!({ "phases": { "connect": { "down": "1us" } } }), &answer).await;
    assert!(missed(&outcome).starts_with("phases.connect: < 1us / "), "{outcome:?}");
    let error = refused(&json!({ "phases": { "connect": { "degraded": "2s", "down": "1s" } } }));
    assert!(error.contains("invalid expect.phases.connect.down"), "{error}");
}
