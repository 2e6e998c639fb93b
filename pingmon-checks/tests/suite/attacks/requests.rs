//! Requests that somebody tries to write more into than the config allows.

use pingmon_core::dial::DialPolicy;
use serde_json::json;

use super::{attempt, http, judge};
use crate::server::{Server, ok};

#[tokio::test(flavor = "multi_thread")]
async fn no_config_and_no_redirect_smuggles_a_header_or_a_second_request() {
    let seen = Server::answering(|request| match request.starts_with("GET /moved") {
        true => b"HTTP/1.1 302 Found\r\nlocation: /%0d%0ax-evil:%201\r\ncontent-length: 0\r\n\r\n".to_vec(),
        false => ok("text/plain", request),
    })
    .await;
    let no_evil = json!({ "body": [{ "not_contains": "\nx-evil" }, { "not_contains": "\nX-Evil" }] });
    let mut rows = Vec::new();
    for (name, config, expected) in [
        ("line break in the path", json!({ "url": seen.url("/a\r\nX-Evil: 1") }), "up"),
        ("line break in the path, encoded", json!({ "url": seen.url("/a%0d%0aX-Evil:%201") }), "up"),
        ("line break in the host", json!({ "url": "http://a.example\r\nX-Evil: 1/" }), "refused"),
        ("line break in a redirect", json!({ "url": seen.url("/moved") }), "up"),
        ("line break in a header", json!({ "url": seen.url("/"), "headers": { "x-a": "b\r\nX-Evil: 1" } }), "refused"),
        (
            "line break in a header's name",
            json!({ "url": seen.url("/"), "headers": { "x-a\r\nX-Evil": "1" } }),
            "refused",
        ),
        (
            "a request in the method",
            json!({ "url": seen.url("/"), "method": "GET / HTTP/1.1\r\nX-Evil: 1\r\n\r\n" }),
            "refused",
        ),
        ("line break in the token", json!({ "url": seen.url("/"), "bearer": "t\r\nX-Evil: 1" }), "refused"),
        ("a length of one's own", json!({ "url": seen.url("/"), "headers": { "content-length": "0" } }), "refused"),
    ] {
        let mut config = config;
        config["expect"] = no_evil.clone();
        let row = attempt(name, http(DialPolicy::open()), &config);
        assert!(row.verdict.starts_with(expected), "{name}: {}", row.verdict);
        rows.push(row);
    }
    judge("header injection", &rows);
}
