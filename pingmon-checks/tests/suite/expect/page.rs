//! Expectations on elements of a page.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{hold_body, judged, refused};
use crate::server::ok;

/// A page with the mistakes that browsers mend.
const PAGE: &str = "<!doctype html><title>Shop</title><h1 class=title> Welcome <b>back</b>\n</h1>\
    <ul><li>one<li>two</ul><a href=/cart>Cart</a><a>nowhere</a>";

#[tokio::test]
async fn a_selector_finds_elements_and_every_one_of_them_has_to_fit() {
    hold_body(
        "text/html; charset=utf-8",
        PAGE,
        &[
            (json!({ "css": "title", "equals": "Shop" }), ""),
            (json!({ "css": "h1.title", "equals": "Welcome back" }), ""),
            (
                json!({ "css": "h1.title", "contains": "Bye" }),
                "body[0].contains: h1.title with \"Bye\" / \"Welcome back\"",
            ),
            (json!({ "css": "li", "matches": "^(one|two)$", "count": 2 }), ""),
            (json!({ "css": "li", "equals": "one" }), "body[0].equals: li is \"one\" / \"two\""),
            (json!({ "css": "li", "count": { "at_least": 3 } }), "body[0].count: at least 3 of li / 2"),
            (json!({ "css": "a[href]", "attribute": "href", "starts_with": "/" }), ""),
            (
                json!({ "css": "a", "attribute": "href", "not_equals": "/login" }),
                "a isn't \"/login\" / no such attribute",
            ),
            (json!({ "css": ".error", "exists": false }), ""),
            (json!({ "css": "li", "exists": false }), "body[0].exists: no element li / \"one\""),
            (json!({ "css": ".error", "exists": true }), "body[0].exists: an element .error / no such element"),
            (json!({ "css": ".error", "not_contains": "x" }), ".error without \"x\" / no such element"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_page_that_is_made_to_keep_us_busy_is_given_up() {
    let page = "<div>".repeat(200_000);
    let started = Instant::now();
    let outcome = judged(json!({ "body": [{ "css": "div", "count": 200_000 }] }), ok("text/html", page)).await;
    assert_eq!(outcome.failed.len(), 1, "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_selector_that_is_none_is_refused() {
    for (rule, words) in [
        (json!({ "css": "p[", "exists": true }), "invalid expect.body[0].css: it isn't a CSS selector"),
        (json!({ "css": "div:has(p)", "exists": true }), "`:has()` can take too long"),
        (json!({ "css": "p".repeat(1_001), "exists": true }), "more than 1000 bytes"),
        (json!({ "css": "p" }), "it expects nothing"),
        (json!({ "css": "p", "exists": false, "equals": "x" }), "can't hold together"),
    ] {
        let error = refused(&json!({ "body": [rule] }));
        assert!(error.contains(words), "{rule}: {error}");
    }
}
