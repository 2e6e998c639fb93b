//! Expectations on what carried the answer.

use serde_json::{Value, json};

use super::{assert_missed, judged, missed, refused};
use crate::{
    http::run,
    server::{Server, ok},
};

#[tokio::test]
async fn the_protocol_is_as_expected_or_not() {
    for (rule, words) in [
        (json!("HTTP/1.1"), ""),
        (json!("HTTP/2"), "protocol.equals: the protocol is \"HTTP/2\" / \"HTTP/1.1\""),
        (json!({ "starts_with": "HTTP/1" }), ""),
        (json!({ "not_equals": "HTTP/1.1", "level": "degraded" }), "protocol.not_equals"),
    ] {
        let outcome = judged(json!({ "protocol": rule }), ok("text/plain", "x")).await;
        assert_missed(&outcome, &rule, words);
    }
}

#[tokio::test]
async fn the_way_to_the_answer_is_counted_and_its_end_is_known() {
    let last = Server::saying(ok("text/plain", "here")).await;
    let there = last.url("/there?a=1");
    let first =
        Server::answering(move |_| format!("HTTP/1.1 302 Found\r\nlocation: {there}\r\n\r\n").into_bytes()).await;
    let expecting = async |expect: Value| missed(&run(json!({ "url": first.url("/"), "expect": expect })).await);
    for (expect, words) in [
        (json!({ "redirects": 1, "url": last.url("/there?a=1") }), ""),
        (json!({ "redirects": { "at_least": 1, "at_most": 2 } }), ""),
        (json!({ "redirects": 0 }), "redirects: 0 / 1"),
        (json!({ "redirects": { "at_least": 2, "level": "degraded" } }), "redirects: at least 2 / 1"),
        (json!({ "url": { "matches": "/there" } }), ""),
        (
            json!({ "url": { "starts_with": "https://" } }),
            "url.starts_with: the last URL starts with \"https://\" / \"http://",
        ),
    ] {
        let missed = expecting(expect.clone()).await;
        assert!(if words.is_empty() { missed.is_empty() } else { missed.contains(words) }, "{expect}: {missed}");
    }
}

#[tokio::test]
async fn without_tls_nothing_that_is_expected_of_it_is_met() {
    let expect = json!({ "tls": { "min_version": "1.2", "days_left": 7, "names": ["a.example"] } });
    let outcome = judged(expect, ok("text/plain", "x")).await;
    assert_eq!(outcome.failed.len(), 3, "{:?}", outcome.failed);
    assert!(outcome.failed.iter().all(|f| f.actual == "no TLS"), "{:?}", outcome.failed);
}

#[test]
fn what_cannot_be_meant_of_the_way_is_refused_by_name() {
    for (expect, words) in [
        (json!({ "redirects": { "at_least": 2, "at_most": 1 } }), "invalid expect.redirects.at_most"),
        (json!({ "redirects": "one" }), "expected a number of redirects"),
        (json!({ "url": {} }), "invalid expect.url: it expects nothing"),
        (json!({ "url": { "matches": "(" } }), "invalid expect.url.matches"),
        (json!({ "protocol": 2 }), "expected a text, or a table of tests"),
        (json!({ "tls": { "min_version": "1.1" } }), "unknown variant `1.1`"),
        (json!({ "tls": { "ciphers": [] } }), "invalid expect.tls.ciphers"),
        (json!({ "tls": { "days_left": { "degraded": 3, "down": 14 } } }), "invalid expect.tls.days_left.down"),
        (json!({ "tls": { "issuer": {} } }), "invalid expect.tls.issuer: it expects nothing"),
    ] {
        assert!(refused(&expect).contains(words), "{}", refused(&expect));
    }
}
