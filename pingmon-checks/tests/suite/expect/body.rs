//! Expectations on the body as a whole.

use serde_json::{Value, json};

use super::{hold_body, refused};

#[tokio::test]
async fn rules_on_a_text_hold_for_the_whole_of_it() {
    hold_body(
        "text/plain",
        "abc 123",
        &[
            (json!({ "equals": "abc 123" }), ""),
            (json!({ "equals": "abc" }), "body[0].equals: the body is \"abc\" / \"abc 123\""),
            (json!({ "not_equals": "abc" }), ""),
            (json!({ "not_equals": "abc 123" }), "body[0].not_equals: the body isn't \"abc 123\""),
            (json!({ "starts_with": "abc", "ends_with": "123" }), ""),
            (json!({ "starts_with": "123" }), "body[0].starts_with: the body starts with \"123\" / \"abc 123\""),
            (json!({ "ends_with": "abc" }), "body[0].ends_with"),
            (json!({ "empty": false }), ""),
            (json!({ "empty": true }), "body[0].empty: the body is empty / \"abc 123\""),
            (json!({ "not_matches": "[xyz]" }), ""),
            (
                json!({ "not_matches": "\\d" }),
                "body[0].not_matches: the body without a match of /\\d/ / found at byte 4",
            ),
            (json!({ "size": 7 }), ""),
            (json!({ "size": { "at_least": 8 } }), "body[0].size: at least 8 bytes / 7 bytes"),
            (json!({ "size": { "at_most": 6 } }), "body[0].size: at most 6 bytes / 7 bytes"),
        ],
    )
    .await;
    hold_body("text/plain", "", &[(json!({ "empty": true }), ""), (json!({ "empty": false }), "body[0].empty")]).await;
}

#[tokio::test]
async fn a_body_that_is_no_text_meets_no_rule_on_text_but_has_a_size() {
    let rules = [
        json!({ "not_equals": "a" }),
        json!({ "not_contains": "a" }),
        json!({ "starts_with": "a" }),
        json!({ "ends_with": "a" }),
        json!({ "empty": false }),
        json!({ "not_matches": "a" }),
        json!({ "format": "json" }),
        json!({ "format": "xml" }),
        json!({ "css": "p", "exists": false }),
        json!({ "schema": {} }),
    ];
    let cases: Vec<_> = rules.into_iter().map(|rule| (rule, "a body that isn't valid UTF-8")).collect();
    hold_body("text/html", b"\xff\xfe\xfd", &cases).await;
    hold_body("text/html", b"\xff\xfe\xfd", &[(json!({ "size": 3 }), "")]).await;
}

#[tokio::test]
async fn a_body_is_well_formed_or_not() {
    let xml = |rule: &str| (json!({ "format": "xml" }), rule.to_owned());
    for (body, (rule, words)) in [
        ("<?xml version=\"1.0\"?><a b=\"c\">&lt;<d/></a>", xml("")),
        ("<a><b></a>", xml("body[0].format: well-formed XML / a body that isn't XML")),
        ("<a/><b/>", xml("isn't XML")),
        ("<a b=c/>", xml("isn't XML")),
        ("<a b='1' b='2'/>", xml("isn't XML")),
        ("<a>&unknown;</a>", xml("isn't XML")),
        ("", xml("isn't XML")),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", xml("isn't XML")),
        ("{\"a\": [1, 2]}", (json!({ "format": "json" }), String::new())),
        ("{'a': 1}", (json!({ "format": "json" }), "body[0].format: well-formed JSON / a body that isn't JSON".into())),
    ] {
        hold_body("text/plain", body, &[(rule, &words)]).await;
    }
}

#[tokio::test]
async fn a_schema_describes_the_body_or_a_value_in_it() {
    let item = json!({
        "type": "object",
        "required": ["id"],
        "properties": { "id": { "type": "integer" }, "name": { "type": "string", "pattern": "^[a-z]+$" } },
    });
    let schema = json!({ "type": "array", "items": { "$ref": "#/$defs/item" }, "$defs": { "item": item } });
    let body = r#"[{"id":1,"name":"a"},{"id":"2"}]"#;
    hold_body(
        "application/json",
        body,
        &[
            (json!({ "schema": { "type": "array", "minItems": 2 } }), ""),
            (json!({ "schema": schema.to_string() }), "body[0].schema: a body as its schema says / /1/id: "),
            (json!({ "json": "$[0]", "schema": item }), ""),
            (json!({ "json": "$[*]", "schema": item }), "body[0].schema: $[*] as its schema says / /id: "),
            (json!({ "json": "$[7]", "schema": item }), "nothing there"),
        ],
    )
    .await;
    hold_body("text/plain", "no JSON", &[(json!({ "schema": {} }), "a body that isn't JSON")]).await;
}

#[test]
fn a_schema_that_is_none_or_could_take_for_ever_is_refused() {
    let chain: serde_json::Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "allOf": [next, next] }))
        })
        .chain([("d40".to_owned(), json!({}))])
        .collect();
    for (schema, words) in [
        (json!({ "type": "text" }), "it isn't a JSON Schema"),
        (json!("{"), "it isn't JSON"),
        (json!({ "$ref": "#" }), "leads back to itself"),
        (json!({ "anyOf": [{ "$ref": "#/anyOf/0" }] }), "leads back to itself"),
        (json!({ "$ref": "https://a.example/schema.json" }), "leads out of it"),
        (json!({ "$ref": "file:///etc/passwd" }), "leads out of it"),
        (json!({ "$ref": "#/$defs/none" }), "leads nowhere"),
        (json!({ "$defs": chain, "$ref": "#/$defs/d0" }), "more than 10000 parts"),
        (json!({ "pattern": "(?=a)b" }), "it isn't a JSON Schema"),
        (json!({ "pattern": "\\w{1000}{1000}" }), "it isn't a JSON Schema"),
        (json!({ "enum": ["x".repeat(70_000)] }), "more than 65536 bytes"),
    ] {
        let error = refused(&json!({ "body": [{ "schema": schema }] }));
        assert!(error.contains("invalid expect.body[0].schema: ") && error.contains(words), "{schema}: {error}");
    }
}

#[test]
fn rules_on_the_body_that_cannot_be_meant_are_refused_by_name() {
    for (rule, words) in [
        (json!({ "size": {} }), "invalid expect.body[0].size: it bounds nothing"),
        (json!({ "size": { "at_least": 2, "at_most": 1 } }), "invalid expect.body[0].size.at_most"),
        (json!({ "size": -1 }), "a whole number"),
        (json!({ "format": "yaml" }), "unknown variant `yaml`"),
        (json!({ "one_of": ["a"] }), "invalid expect.body[0].one_of: it needs `json`"),
        (json!({ "count": 1 }), "invalid expect.body[0].count: it needs `json` or `css`"),
        (json!({ "contains": 5 }), "invalid expect.body[0].contains: a body is text"),
        (json!({ "starts_with": "" }), "invalid expect.body[0].starts_with: it is empty"),
        (json!({ "json": "$.a", "exists": true, "format": "json" }), "invalid expect.body[0].format: it needs a rule"),
        (json!({ "json": "$.a", "css": "p", "exists": true }), "can't both be meant"),
        (json!({ "css": "p", "exists": true, "attribute": "href", "type": "null" }), "invalid expect.body[0].type"),
        (json!({ "attribute": "href", "contains": "x" }), "invalid expect.body[0].attribute: it needs `css`"),
        (json!({ "level": "degraded" }), "it expects nothing"),
    ] {
        let error = refused(&json!({ "body": [rule] }));
        assert!(error.contains(words), "{rule}: {error}");
    }
}
