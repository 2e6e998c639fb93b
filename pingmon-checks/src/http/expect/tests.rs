//! Every expectation: what passes, what fails, and what can't be judged.

use hyper::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use pingmon_core::{check::parse_config, outcome::Status};
use serde_json::json;

use super::*;
use crate::stopwatch::{Phase, Timing};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOW: Timestamp = Timestamp::from_micros(784_111_777_000_000);

fn compile(config: &Value) -> Result<Expect> {
    Expect::compile(parse_config(config)?, 10)
}

fn judged(config: &Value, status: u16, headers: &[(&'static str, &[u8])], body: &[u8], cut: bool) -> Outcome {
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::from_iter(headers),
        body: body.to_vec(),
        cut,
        timing: Timing::fake(&[(Phase::Connect, 2), (Phase::FirstByte, 3)]),
        ..Answer::sample()
    };
    let mut outcome = Outcome::up("fine");
    compile(config).unwrap().judge(&answer, &Document::new(&answer), NOW, &mut outcome);
    outcome
}

/// The single failure of a body that is held against one rule, or "" when it holds.
fn body(rule: Value, text: impl AsRef<[u8]>) -> String {
    let outcome = judged(&json!({ "body": [rule] }), 200, &[], text.as_ref(), false);
    assert!(outcome.failed.len() <= 1, "{:?}", outcome.failed);
    outcome.failed.first().map_or_else(String::new, |f| format!("{}: {} / {}", f.expectation, f.expected, f.actual))
}

#[test]
fn every_rule_that_is_not_met_is_listed_with_what_was_found() {
    let config = json!({
        "status": ["2xx", 404],
        "headers": [{ "name": "X-Env", "equals": "prod" }, { "name": "server", "present": false }],
        "body": [{ "json": "$.status", "equals": "ok" }, { "contains": "hello", "level": "degraded" }],
        "latency": { "degraded": "1ms", "down": "1s" },
    });
    let outcome = judged(&config, 500, &[("x-env", b"test"), ("server", b"x")], br#"{"status":"bad"}"#, false);
    let found: Vec<_> = outcome.failed.iter().map(|f| (f.expectation.as_str(), f.level, f.actual.as_str())).collect();
    assert_eq!(outcome.status, Status::Down);
    assert_eq!(outcome.message, "status: expected 2xx or 404, got 500");
    assert_eq!(
        found,
        [
            ("status", Status::Down, "500"),
            ("headers[0].equals", Status::Down, "\"test\""),
            ("headers[1].present", Status::Down, "\"x\""),
            ("body[0].equals", Status::Down, "\"bad\""),
            ("body[1].contains", Status::Degraded, "none in 16 bytes"),
            ("latency", Status::Degraded, "5ms"),
        ]
    );
}

#[test]
fn a_status_is_expected_to_be_2xx_unless_something_else_is_said() {
    assert_eq!(judged(&json!({}), 204, &[], b"", false).status, Status::Up);
    assert_eq!(judged(&json!({}), 301, &[], b"", false).status, Status::Down);
    assert_eq!(judged(&json!({ "status": [500, "301-302"] }), 302, &[], b"", false).status, Status::Up);
}

#[test]
fn rules_on_headers_need_one_value_that_fits() {
    let missed = |rule: Value| {
        let headers: &[(_, &[u8])] = &[("via", b"a"), ("via", b"b\xff")];
        let outcome = judged(&json!({ "headers": [rule] }), 200, headers, b"", false);
        outcome.failed.first().map_or_else(String::new, |f| format!("{}: {} / {}", f.expectation, f.expected, f.actual))
    };
    assert_eq!(missed(json!({ "name": "Via", "present": true, "equals": "a", "matches": "^b" })), "");
    assert_eq!(
        missed(json!({ "name": "via", "equals": "b" })),
        "headers[0].equals: via is \"b\" / \"a\", \"b\u{fffd}\""
    );
    assert_eq!(missed(json!({ "name": "etag", "equals": "b" })), "headers[0].equals: etag is \"b\" / no such header");
    assert_eq!(
        missed(json!({ "name": "etag", "present": true })),
        "headers[0].present: a header etag / no such header"
    );
    assert_eq!(missed(json!({ "name": "etag", "present": false })), "");
}

#[test]
fn rules_on_the_text_say_what_they_found() {
    assert_eq!(body(json!({ "contains": "b" }), "abc"), "");
    assert_eq!(body(json!({ "contains": "x" }), "abc"), "body[0].contains: the body with \"x\" / none in 3 bytes");
    assert_eq!(
        body(json!({ "not_contains": "b" }), "abc"),
        "body[0].not_contains: the body without \"b\" / found at byte 1"
    );
    assert_eq!(body(json!({ "equals": "ab" }), "abc"), "body[0].equals: the body is \"ab\" / \"abc\"");
    assert_eq!(body(json!({ "matches": "^v\\d+$" }), "v12"), "");
    assert_eq!(
        body(json!({ "matches": "^v\\d+$" }), "x"),
        "body[0].matches: the body with a match of /^v\\d+$/ / none in 1 bytes"
    );
    assert_eq!(
        body(json!({ "contains": "a" }), b"a\xff"),
        "body[0].contains: the body with \"a\" / a body that isn't valid UTF-8"
    );
}

#[test]
fn rules_on_json_hold_for_every_value_found_and_for_at_least_one() {
    let text = r#"{"a":{"n":5,"s":"up 7"},"items":[{"ok":true},{"ok":false}],"nil":null}"#;
    for holds in [
        json!({ "json": "$.a.n", "equals": 5.0 }),
        json!({ "json": "$.a.n", "less": 6, "greater": 4 }),
        json!({ "json": "$.a.s", "matches": "^up \\d$", "contains": "up", "not_contains": "down" }),
        json!({ "json": "$.nil", "exists": true }),
        json!({ "json": "$.nope", "exists": false }),
        json!({ "json": "$.items[*].ok", "exists": true }),
        json!({ "json": "$..n", "equals": 5 }),
        json!({ "json": "$.items[?@.ok == true].ok", "equals": true }),
        json!({ "json": "$.a", "equals": { "s": "up 7", "n": 5 } }),
    ] {
        assert_eq!(body(holds.clone(), text), "", "{holds}");
    }
    for (fails, words) in [
        (json!({ "json": "$.nope", "equals": 1 }), "body[0].equals: $.nope is 1 / nothing there"),
        (json!({ "json": "$.nil", "exists": false }), "body[0].exists: nothing at $.nil / null"),
        (json!({ "json": "$.nope", "exists": true }), "body[0].exists: something at $.nope / nothing there"),
        (json!({ "json": "$.items[*].ok", "equals": true }), "body[0].equals: $.items[*].ok is true / false"),
        (json!({ "json": "$.a.n", "less": 5 }), "body[0].less: $.a.n below 5 / 5"),
        (json!({ "json": "$.a.s", "greater": 5 }), "body[0].greater: $.a.s above 5 / \"up 7\", which isn't a number"),
        (json!({ "json": "$.a.n", "contains": "5" }), "body[0].contains: $.a.n with \"5\" / 5, which isn't a string"),
    ] {
        assert_eq!(body(fails, text), words);
    }
}

#[test]
fn what_cannot_be_judged_is_not_met() {
    let rule = json!({ "json": "$.a", "exists": false });
    assert!(body(rule.clone(), "<html>").contains("a body that isn't JSON"));
    assert!(body(rule.clone(), "").contains("a body that isn't JSON"));
    assert!(body(rule.clone(), b"{\"b\":\"\xff\"}").contains("isn't valid UTF-8"));
    assert!(body(rule, "[".repeat(10_000)).contains("recursion limit"));
}

#[test]
fn of_a_cut_body_only_what_its_missing_end_cannot_change_is_met() {
    for (rule, met) in [
        (json!({ "contains": "b" }), true),
        (json!({ "contains": "x" }), false),
        (json!({ "matches": "b" }), true),
        (json!({ "matches": "c$" }), false),
        (json!({ "not_contains": "x" }), false),
        (json!({ "equals": "abc" }), false),
        (json!({ "json": "$.a", "exists": false }), false),
    ] {
        let outcome = judged(&json!({ "body": [rule] }), 200, &[], b"abc", true);
        assert_eq!(outcome.failed.is_empty(), met, "{rule}");
        let said = outcome.failed.first().is_none_or(|f| f.actual.contains("the body was cut at 3 bytes"));
        assert!(said, "{:?}", outcome.failed);
    }
}

#[test]
fn a_path_that_could_take_for_ever_is_given_up_and_counts_as_not_met() {
    let huge = format!("[{}0]", "0,".repeat(60_000));
    let rule = json!({ "json": "$[?count($..*) > 1]", "exists": false });
    assert!(body(rule, &huge).contains("more than 1000000 steps"));
    assert_eq!(body(json!({ "json": "$..a", "exists": false }), &huge), "");
    assert_eq!(body(json!({ "json": "$[7]", "equals": 0 }), &huge), "");
}

#[test]
fn rules_that_cannot_be_meant_are_refused_by_name() {
    for (config, words) in [
        (json!({ "status": [] }), "invalid expect.status: no status could be right"),
        (json!({ "status": ["9xx"] }), "status[0]"),
        (json!({ "status": [2] }), "status[0]"),
        (json!({ "status": ["299-200"] }), "status[0]"),
        (json!({ "status": "2xx" }), "expected a list of status codes"),
        (json!({ "headers": [{ "name": "a b", "present": true }] }), "invalid expect.headers[0].name"),
        (json!({ "headers": [{ "name": "a" }] }), "invalid expect.headers[0]: it expects nothing"),
        (json!({ "headers": [{ "name": "a", "present": false, "equals": "b" }] }), "can't hold together"),
        (json!({ "body": [{}] }), "invalid expect.body[0]: it expects nothing"),
        (json!({ "body": [{ "less": 5 }] }), "invalid expect.body[0].less: it needs `json`"),
        (json!({ "body": [{ "exists": true }] }), "invalid expect.body[0].exists: it needs `json`"),
        (json!({ "body": [{ "equals": 5 }] }), "invalid expect.body[0].equals: a body is text"),
        (json!({ "body": [{ "json": "$.a" }] }), "invalid expect.body[0]: it expects nothing"),
        (json!({ "body": [{ "json": "$.a[", "exists": true }] }), "invalid expect.body[0].json: it isn't a JSON path"),
        (json!({ "body": [{ "json": "$.a", "exists": false, "equals": 1 }] }), "can't hold together"),
        (json!({ "body": [{ "matches": "(" }] }), "invalid expect.body[0].matches: it isn't a regular expression"),
        (
            json!({ "body": [{ "matches": "\\w{1000}{100}" }] }),
            "invalid expect.body[0].matches: it takes too much memory",
        ),
        (json!({ "body": [{ "contains": "" }] }), "invalid expect.body[0].contains: it is empty"),
        (json!({ "body": [{ "contain": "x" }] }), "unknown field `contain`"),
        (json!({ "body": [{ "contains": "x", "level": "unknown" }] }), "unknown variant `unknown`"),
        (json!({ "latency": { "degraded": "2s", "down": "1s" } }), "invalid expect.latency.down"),
    ] {
        let error = compile(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{config}: {error}");
    }
}
