//! Expectations on headers.

use serde_json::{Value, json};

use super::{assert_missed, judged, refused};

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    via: one\r\nvia: two\r\n\
    cache-control: max-age=60, public\r\n\
    set-cookie: session=s3cret; HttpOnly\r\n\
    content-length: 0\r\n\r\n";

#[tokio::test]
async fn of_a_repeated_header_one_value_has_to_fit_and_none_may_be_forbidden() {
    for (rule, words) in [
        (json!({ "name": "via", "equals": "two" }), ""),
        (json!({ "name": "via", "equals": "three" }), "headers[0].equals: via is \"three\" / \"one\", \"two\""),
        (json!({ "name": "via", "not_equals": "three" }), ""),
        (json!({ "name": "via", "not_equals": "two" }), "headers[0].not_equals: via isn't \"two\""),
        (json!({ "name": "Cache-Control", "contains": "public" }), ""),
        (json!({ "name": "cache-control", "contains": "private" }), "headers[0].contains"),
        (json!({ "name": "via", "not_contains": "three" }), ""),
        (json!({ "name": "via", "not_contains": "wo" }), "headers[0].not_contains: via without \"wo\""),
        (json!({ "name": "via", "starts_with": "tw", "ends_with": "ne" }), ""),
        (json!({ "name": "via", "starts_with": "x" }), "headers[0].starts_with"),
        (json!({ "name": "via", "ends_with": "x" }), "headers[0].ends_with"),
        (json!({ "name": "cache-control", "matches": "max-age=\\d+" }), ""),
        (json!({ "name": "cache-control", "matches": "^public" }), "headers[0].matches"),
        (json!({ "name": "via", "not_matches": "^x" }), ""),
        (json!({ "name": "via", "not_matches": "^t" }), "headers[0].not_matches: via without a match of /^t/"),
        (json!({ "name": "via", "present": false }), "headers[0].present: no via"),
        // What isn't there can't be judged, not even by what it must not be.
        (json!({ "name": "etag", "not_equals": "x" }), "headers[0].not_equals: etag isn't \"x\" / no such header"),
        (json!({ "name": "etag", "not_contains": "x" }), "no such header"),
        (json!({ "name": "etag", "not_matches": "x" }), "no such header"),
        (json!({ "name": "etag", "max_age": "1h" }), "no such header"),
    ] {
        let outcome = judged(json!({ "headers": [rule] }), ANSWER).await;
        assert_missed(&outcome, &rule, words);
    }
}

#[tokio::test]
async fn the_value_of_a_cookie_is_not_shown() {
    let outcome = judged(json!({ "headers": [{ "name": "set-cookie", "present": false }] }), ANSWER).await;
    assert_eq!(outcome.failed[0].actual, "session=…");
    assert!(!serde_json::to_string(&outcome).unwrap().contains("s3cret"));
}

#[tokio::test]
async fn a_date_may_differ_from_the_present_by_so_much() {
    // Runs of these tests are told that it's 1970-01-01T00:00:00Z.
    let dated = |name: &str, value: &str| format!("HTTP/1.1 200 OK\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n");
    for (name, value, words) in [
        ("date", "Thu, 01 Jan 1970 00:00:20 GMT", ""),
        ("date", "Thu, 01 Jan 1970 00:02:00 GMT", "headers[0].max_age: date within 1m of 1970-01-01T00:00:00"),
        ("date", "yesterday", "headers[0].max_age"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT", "/ \"Sun, 06 Nov 1994"),
    ] {
        let rule = json!({ "name": name, "max_age": "1m" });
        let outcome = judged(json!({ "headers": [rule] }), dated(name, value)).await;
        assert_missed(&outcome, &rule, words);
    }
}

#[tokio::test]
async fn security_headers_are_expected_one_by_one() {
    let answer = "HTTP/1.1 200 OK\r\n\
        strict-transport-security: max-age=31536000\r\n\
        x-content-type-options: NoSniff\r\n\
        content-security-policy: default-src 'self'; frame-ancestors 'none'\r\n\
        referrer-policy: no-referrer, unsafe-url\r\n\
        content-length: 0\r\n\r\n";
    for (rule, words) in [
        (json!({ "require": ["nosniff", "framing", "csp"] }), ""),
        (json!({ "require": ["referrer"] }), "security_headers.referrer: a referrer-policy other than unsafe-url"),
        (json!({}), "security_headers.hsts: strict-transport-security for 180days or longer / plain HTTP"),
    ] {
        let outcome = judged(json!({ "security_headers": rule }), answer).await;
        assert_missed(&outcome, &rule, words);
    }
    let bare = judged(json!({ "security_headers": {} }), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(bare.failed.len(), 5, "{:?}", bare.failed);
}

#[test]
fn rules_on_headers_that_cannot_be_meant_are_refused_by_name() {
    let headers = |rule: Value| json!({ "headers": [rule] });
    for (expect, words) in [
        (headers(json!({ "name": "a", "matches": "(" })), "invalid expect.headers[0].matches"),
        (headers(json!({ "name": "a", "contains": "" })), "invalid expect.headers[0].contains: it is empty"),
        (headers(json!({ "name": "a", "max_age": 5 })), "length of time"),
        (headers(json!({ "name": "a", "present": false, "max_age": "1h" })), "can't hold together"),
        (json!({ "security_headers": { "require": [] } }), "invalid expect.security_headers.require"),
        (json!({ "security_headers": { "require": ["xss"] } }), "unknown variant `xss`"),
    ] {
        assert!(refused(&expect).contains(words), "{}", refused(&expect));
    }
}
