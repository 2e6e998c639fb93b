//! What is sent for what was written, and what is refused.

use pingmon_core::check::parse_config;
use serde_json::{Value, json};

use super::*;

fn request(config: &Value) -> Result<Outgoing> {
    Plan::compile(&mut parse_config(config)?, None, None)?.request(&Variables::fresh())
}

#[test]
fn what_cannot_be_sent_is_refused_by_the_name_of_its_field() {
    let a = "http://a.example";
    let many: Vec<_> = (0..65).map(|n| n.to_string()).collect();
    for (config, words) in [
        (json!({ "url": "shop.example/health" }), "invalid url: it can't be read"),
        (json!({ "url": "ftp://shop.example" }), "invalid url: the scheme \"ftp\" isn't http or https"),
        (json!({ "url": "http://user:pw@shop.example" }), "invalid url: it holds credentials"),
        (json!({ "url": "http://shop.example:0" }), "invalid url: port 0"),
        (json!({ "url": "http://" }), "invalid url: it can't be read"),
        (json!({ "url": "http://a.example/{{token}}" }), "invalid url: {{token}} has no value"),
        (json!({ "url": a, "method": "get" }), "write it in capitals"),
        (json!({ "url": a, "method": "CONNECT" }), "opens a tunnel"),
        (json!({ "url": a, "method": "NO SPACE" }), "isn't a method"),
        (json!({ "url": a, "query": { "q": many } }), "invalid query: more than 64 values"),
        (json!({ "url": a, "headers": { "a b": "c" } }), "invalid headers.a b: it isn't a header's name"),
        (json!({ "url": a, "headers": { "a": "b\r\nc" } }), "such as a line break"),
        (json!({ "url": a, "headers": { "a": "{{x}}" } }), "invalid headers.a: {{x}} has no value"),
        (json!({ "url": a, "headers": { "content-length": "1" } }), "worked out from `body`"),
        (json!({ "url": a, "headers": { "Host": ["a", "b"] } }), "invalid headers.host: more than one"),
        (json!({ "url": a, "headers": { "a": 1 } }), "a value (text) or a list of them"),
        (json!({ "url": a, "colour": 1 }), "unknown field `colour`"),
        (json!({ "url": a, "body": 5 }), "expected a text, { json = … }"),
        (json!({ "url": a, "body": { "jsn": 5 } }), "unknown variant `jsn`"),
        (json!({ "url": a, "body": { "base64": "?" } }), "invalid body.base64: it isn't base64"),
        (json!({ "url": a, "body": "x".repeat(1024 * 1024 + 1) }), "invalid body: more than"),
    ] {
        let error = request(&config).unwrap_err().to_string();
        assert!(error.contains(words), "{config}: {error}");
    }
}

#[test]
fn headers_are_sent_as_written_and_never_shown() {
    let config = json!({ "url": "http://a.example", "headers": { "X-Tag": ["a", "s3cret"], "user-agent": "me" } });
    let request = request(&config).unwrap();
    assert_eq!(request.headers.get_all("x-tag").iter().collect::<Vec<_>>(), ["a", "s3cret"]);
    assert_eq!(request.headers[USER_AGENT], "me");
    assert!(!format!("{:?}", request.headers).contains("s3cret"));
}

#[test]
fn a_body_is_written_in_the_form_it_is_given_in() {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (body, expected, content_type) in [
        (json!("text"), "text", ""),
        (json!({ "json": { "a": [1, "b"] } }), r#"{"a":[1,"b"]}"#, json),
        (json!({ "form": { "a": "1 & 2", "b": ["x", "ü"] } }), "a=1+%26+2&b=x&b=%C3%BC", form),
        (json!({ "base64": "aGVs\nbG8=" }), "hello", ""),
    ] {
        let request = request(&json!({ "url": "http://a.example", "body": body })).unwrap();
        assert_eq!(request.body, expected);
        assert_eq!(request.headers.get(CONTENT_TYPE).map_or("", |v| v.to_str().unwrap()), content_type);
    }
    let config = json!({ "url": "http://a.example", "body": { "json": 1 }, "headers": { "Content-Type": "a/b" } });
    assert_eq!(request(&config).unwrap().headers[CONTENT_TYPE], "a/b");
}

#[test]
fn what_is_new_with_each_run_is_filled_in_everywhere() {
    let id = "{{request_id}}";
    let config = json!({
        "url": format!("http://a.example/{id}"),
        "query": { "q": format!("<{id}>") },
        "headers": { "x-id": id },
        "body": { "json": { "id": id } },
    });
    let plan = Plan::compile(&mut parse_config(&config).unwrap(), None, None).unwrap();
    let variables = Variables::fresh();
    let id = variables.get(template::REQUEST_ID).unwrap();
    let request = plan.request(&variables).unwrap();
    assert_eq!(request.url.as_str(), format!("http://a.example/{id}?q=%3C{id}%3E"));
    assert_eq!(request.headers["x-id"], id);
    assert_eq!(request.body, format!("{{\"id\":\"{id}\"}}"));
    assert_ne!(plan.request(&Variables::fresh()).unwrap().url, request.url);
}

fn step(url: &str, captured: &[(&str, &str)]) -> Result<String> {
    let base = Url::parse("https://shop.example/api/").unwrap();
    let names = captured.iter().map(|(name, _)| (*name).to_owned()).collect();
    let place = Place { base: &base, captured: &names };
    let plan = Plan::compile(&mut parse_config(&json!({ "url": url }))?, None, Some(&place))?;
    let mut variables = Variables::fresh();
    captured.iter().for_each(|(name, value)| variables.set(name, (*value).to_owned()));
    plan.request(&variables).map(|request| request.url.to_string())
}

#[test]
fn the_url_of_a_step_is_relative_to_the_monitors_and_stays_where_its_text_leads() {
    let id = ("id", "7");
    for (url, captured, expected) in [
        ("orders", id, "https://shop.example/api/orders"),
        ("/orders/{{id}}", id, "https://shop.example/orders/7"),
        ("/orders/{{id}}", ("id", "../admin?x"), "https://shop.example/orders/..%2Fadmin%3Fx"),
        ("https://auth.example/{{id}}", id, "https://auth.example/7"),
        ("{{next}}", ("next", "/orders/7?full=1"), "https://shop.example/orders/7?full=1"),
        ("{{next}}", ("next", "https://shop.example:443/orders"), "https://shop.example/orders"),
    ] {
        assert_eq!(step(url, &[captured]).unwrap(), expected);
    }
    for (url, value, words) in [
        ("{{next}}", "https://evil.example/", "invalid url: a captured value leads it to another origin"),
        ("{{next}}", "//evil.example/", "leads it to another origin"),
        ("{{next}}", "http://shop.example/", "leads it to another origin"),
        ("{{next}}", "file:///etc/passwd", "the scheme \"file\" isn't http or https"),
        ("https://{{next}}/", "a.example", "leads it to another origin"),
        ("https://{{next}}.a.example/", "b", "leads it to another origin"),
        ("https://a.example:8{{next}}/", "1", "it can't be read"),
        ("/{{next}}", &"x".repeat(9_000), "invalid url: more than 8192 bytes with {{next}} filled in"),
    ] {
        let error = step(url, &[("next", value)]).unwrap_err().to_string();
        assert!(error.contains(words), "{url}: {error}");
    }
}
