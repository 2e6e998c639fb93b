//! Expectations on values in a JSON body.

use serde_json::json;

use super::{hold_body, refused};

const BODY: &str = r#"{
    "status": "ok", "load": 0.5, "limit": 0.9, "free": 3, "total": 4.0, "big": 9007199254740993,
    "tags": ["a", "b"], "none": [], "nil": null, "on": true, "shop": { "id": 7 },
    "nodes": [{ "name": "n1", "up": true, "used": 1, "size": 5 }, { "name": "n2", "up": false, "used": 9, "size": 5 }]
}"#;

#[tokio::test]
async fn each_test_on_a_value_passes_fails_or_cannot_be_judged() {
    hold_body(
        "application/json",
        BODY,
        &[
            (json!({ "json": "$.status", "not_equals": "bad" }), ""),
            (json!({ "json": "$.status", "not_equals": "ok" }), "body[0].not_equals: $.status isn't \"ok\" / \"ok\""),
            (json!({ "json": "$.nope", "not_equals": "ok" }), "nothing there"),
            (json!({ "json": "$.status", "one_of": ["ok", "fine"] }), ""),
            (json!({ "json": "$.status", "one_of": ["bad", 1] }), "$.status is one of \"bad\", 1 / \"ok\""),
            (json!({ "json": "$.nope", "one_of": ["ok"] }), "nothing there"),
            (json!({ "json": "$.load", "at_least": 0.5, "at_most": 0.5 }), ""),
            (json!({ "json": "$.load", "at_least": 0.6 }), "body[0].at_least: $.load at least 0.6 / 0.5"),
            (json!({ "json": "$.load", "at_most": 0.4 }), "body[0].at_most: $.load at most 0.4 / 0.5"),
            (json!({ "json": "$.status", "at_most": 1 }), "\"ok\", which isn't a number"),
            (json!({ "json": "$.big", "greater": 9_007_199_254_740_992_u64 }), ""),
            (json!({ "json": "$.big", "equals": 9_007_199_254_740_992_u64 }), "body[0].equals"),
            (json!({ "json": "$.tags", "contains": "b" }), ""),
            (json!({ "json": "$.tags", "contains": "c" }), "body[0].contains: $.tags with \"c\" / [\"a\",\"b\"]"),
            (json!({ "json": "$.free", "contains": 3 }), "3, which isn't an array"),
            (json!({ "json": "$.tags", "length": 2 }), ""),
            (json!({ "json": "$.status", "length": { "at_most": 2 } }), ""),
            (
                json!({ "json": "$.shop", "length": { "at_least": 2 } }),
                "has a length of at least 2 / {\"id\":7}, which has a length of 1",
            ),
            (json!({ "json": "$.on", "length": 1 }), "true, which has no length"),
            (json!({ "json": "$.none", "empty": true }), ""),
            (json!({ "json": "$.tags", "empty": true }), "body[0].empty: $.tags is empty"),
            (json!({ "json": "$.nil", "empty": true }), "null, which has no length"),
            (json!({ "json": "$.status", "starts_with": "o", "ends_with": "k", "not_matches": "\\d" }), ""),
            (json!({ "json": "$.status", "ends_with": "o" }), "body[0].ends_with: $.status ends with \"o\" / \"ok\""),
            (json!({ "json": "$.free", "not_matches": "x" }), "3, which isn't a string"),
            (json!({ "json": "$.nodes[*]", "count": 2 }), ""),
            (
                json!({ "json": "$.nodes[*]", "count": { "at_least": 3 } }),
                "body[0].count: at least 3 at $.nodes[*] / 2",
            ),
            (json!({ "json": "$.nope", "count": 0 }), ""),
            (json!({ "json": "$.nodes[*].name", "values": ["n1", "n2"] }), ""),
            (json!({ "json": "$.nodes[*].name", "values": ["n2", "n1"] }), "is [\"n2\",\"n1\"] / [\"n1\",\"n2\"]"),
            (json!({ "json": "$.nope", "values": [] }), ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_value_is_of_its_type() {
    let types = ["null", "boolean", "number", "integer", "string", "array", "object"];
    for (path, fitting) in [
        ("$.nil", &["null"][..]),
        ("$.on", &["boolean"]),
        ("$.load", &["number"]),
        ("$.free", &["number", "integer"]),
        ("$.total", &["number", "integer"]),
        ("$.status", &["string"]),
        ("$.tags", &["array"]),
        ("$.shop", &["object"]),
        ("$.nope", &[]),
    ] {
        let cases: Vec<_> = types
            .iter()
            .map(|name| {
                let words = if fitting.contains(name) { "" } else { "body[0].type: " };
                (json!({ "json": path, "type": name }), words)
            })
            .collect();
        hold_body("application/json", BODY, &cases).await;
    }
}

#[tokio::test]
async fn a_value_is_compared_with_what_another_path_finds() {
    hold_body(
        "application/json",
        BODY,
        &[
            (json!({ "json": "$.load", "less": { "json": "$.limit" } }), ""),
            (json!({ "json": "$.limit", "less": { "json": "$.load" } }), "$.limit below 0.5 ($.load) / 0.9"),
            (json!({ "json": "$.free", "equals": { "json": "$.nodes.length" } }), "3, but nothing at $.nodes.length"),
            (json!({ "json": "$.free", "equals": { "json": "$.free" } }), ""),
            (json!({ "json": "$.free", "not_equals": { "json": "$.total" } }), ""),
            (json!({ "json": "$.free", "not_equals": { "json": "$.nope" } }), "3, but nothing at $.nope"),
            (
                json!({ "json": "$.free", "at_most": { "json": "$.nodes[*].used" } }),
                "3, but 2 values at $.nodes[*].used",
            ),
            (json!({ "json": "$.free", "at_most": { "json": "$.status" } }), "3, but \"ok\" isn't a number"),
            (json!({ "json": "$.nodes[?@.used > @.size].name", "values": ["n2"] }), ""),
            (json!({ "json": "$.nodes[?@.used > $.free].name", "values": ["n2"] }), ""),
        ],
    )
    .await;
}

#[test]
fn rules_on_values_that_cannot_be_meant_are_refused_by_name() {
    for (rule, words) in [
        (json!({ "json": "$.a", "one_of": [] }), "invalid expect.body[0].one_of: no value could be right"),
        (json!({ "json": "$.a", "less": "5" }), "neither a number nor"),
        (json!({ "json": "$.a", "less": { "json": "b" } }), "invalid expect.body[0].less.json: it isn't a JSON path"),
        (json!({ "json": "$.a", "equals": { "json": "b" } }), "invalid expect.body[0].equals.json"),
        (json!({ "json": "$.a", "type": "float" }), "unknown variant `float`"),
        (json!({ "json": "$.a", "length": {} }), "invalid expect.body[0].length: it bounds nothing"),
        (json!({ "json": "$.a", "contains": "" }), "invalid expect.body[0].contains: it is empty"),
        (json!({ "json": "$.a", "exists": false, "count": 1 }), "can't hold together"),
        (json!({ "json": "$[?match(@.a, '(')]", "exists": true }), "it isn't a regular expression"),
        (json!({ "json": format!("$.{}", "a".repeat(1_000)), "exists": true }), "more than 1000 bytes"),
        (
            json!({ "json": format!("$[?{}@.a{}]", "(".repeat(400), ")".repeat(400)), "exists": true }),
            "isn't a JSON path",
        ),
    ] {
        let error = refused(&json!({ "body": [rule] }));
        assert!(error.contains(words), "{rule}: {error}");
    }
}
