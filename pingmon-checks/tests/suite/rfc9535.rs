//! Every example of RFC 9535 that shows a query with what it finds, held through the `http` check: the server answers
//! with the document, and the expectation is what the RFC says. Where the RFC leaves the order of an object's members
//! open, any of its orders will do.

use std::time::Duration;

use pingmon_checks::http::Http;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::server::{Server, ok};

/// A query, and the lists of values of which it has to find one.
type Case = (&'static str, Vec<Value>);

fn one(path: &'static str, values: Value) -> Case {
    (path, vec![values])
}

fn any_order(path: &'static str, values: &[Value]) -> Case {
    (path, values.to_vec())
}

/// Holds the cases of a section through the check.
async fn hold(section: &str, document: &Value, cases: &[Case]) {
    let server = Server::saying(ok("application/json", document.to_string())).await;
    let kind = Http::new(DialPolicy::open()).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(10));
    for (path, results) in cases {
        let mut missed = Vec::new();
        for values in results {
            let config = json!({ "url": server.url("/"), "expect": { "body": [{ "json": path, "values": values }] } });
            let check = kind.build(&config).unwrap_or_else(|error| panic!("{section}: {path}: {error}"));
            let outcome = check.run(&cx).await.unwrap();
            if outcome.status == Status::Up {
                missed.clear();
                break;
            }
            missed.push(outcome.message);
        }
        assert!(missed.is_empty(), "section {section}: {path}: {missed:?}");
    }
}

fn store() -> Value {
    json!({ "store": {
        "book": [
            { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
            { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
            {
                "category": "fiction", "author": "Herman Melville", "title": "Moby Dick",
                "isbn": "0-553-21311-3", "price": 8.99,
            },
            {
                "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings",
                "isbn": "0-395-19395-8", "price": 22.99,
            },
        ],
        "bicycle": { "color": "red", "price": 399 },
    } })
}

#[tokio::test]
async fn section_1_5_the_book_store() {
    let store = store();
    let (books, bicycle) = (&store["store"]["book"], &store["store"]["bicycle"]);
    let authors = json!(["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]);
    let inner = |value: &Value| value.as_object().unwrap().values().cloned().collect::<Vec<_>>();
    let all = [
        vec![store["store"].clone(), bicycle.clone(), books.clone()],
        inner(bicycle),
        books.as_array().unwrap().clone(),
        books.as_array().unwrap().iter().flat_map(inner).collect(),
    ];
    let cases = [
        one("$.store.book[*].author", authors.clone()),
        one("$..author", authors),
        any_order("$.store.*", &[json!([bicycle, books]), json!([books, bicycle])]),
        any_order("$.store..price", &[json!([399, 8.95, 12.99, 8.99, 22.99]), json!([8.95, 12.99, 8.99, 22.99, 399])]),
        one("$..book[2]", json!([books[2]])),
        one("$..book[2].author", json!(["Herman Melville"])),
        one("$..book[2].publisher", json!([])),
        one("$..book[-1]", json!([books[3]])),
        one("$..book[0,1]", json!([books[0], books[1]])),
        one("$..book[:2]", json!([books[0], books[1]])),
        one("$..book[?@.isbn]", json!([books[2], books[3]])),
        one("$..book[?@.price<10]", json!([books[0], books[2]])),
        one("$..*", Value::from(all.concat())),
    ];
    hold("1.5", &store, &cases).await;
}

#[tokio::test]
async fn sections_2_2_to_2_3_4_root_names_wildcards_indices_and_slices() {
    hold("2.2.3", &json!({ "k": "v" }), &[one("$", json!([{ "k": "v" }]))]).await;
    let names = json!({ "o": { "j j": { "k.k": 3 } }, "'": { "@": 2 } });
    let cases = [
        one("$.o['j j']", json!([{ "k.k": 3 }])),
        one("$.o['j j']['k.k']", json!([3])),
        one("$.o[\"j j\"][\"k.k\"]", json!([3])),
        one("$[\"'\"][\"@\"]", json!([2])),
    ];
    hold("2.3.1.3", &names, &cases).await;
    let (o, a) = (json!({ "j": 1, "k": 2 }), json!([5, 3]));
    let cases = [
        any_order("$[*]", &[json!([o, a]), json!([a, o])]),
        any_order("$.o[*]", &[json!([1, 2]), json!([2, 1])]),
        any_order("$.o[*, *]", &[json!([1, 2, 2, 1]), json!([1, 2, 1, 2]), json!([2, 1, 1, 2]), json!([2, 1, 2, 1])]),
        one("$.a[*]", json!([5, 3])),
    ];
    hold("2.3.2.3", &json!({ "o": o, "a": a }), &cases).await;
    hold("2.3.3.3", &json!(["a", "b"]), &[one("$[1]", json!(["b"])), one("$[-2]", json!(["a"]))]).await;
    let cases = [
        one("$[1:3]", json!(["b", "c"])),
        one("$[5:]", json!(["f", "g"])),
        one("$[1:5:2]", json!(["b", "d"])),
        one("$[5:1:-2]", json!(["f", "d"])),
        one("$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
    ];
    hold("2.3.4.3", &json!(["a", "b", "c", "d", "e", "f", "g"]), &cases).await;
}

#[tokio::test]
async fn section_2_3_5_3_comparisons() {
    let document = json!({ "obj": { "x": "y" }, "arr": [2, 3] });
    // A filter that holds for each member or for none.
    let (both, none) = ([json!([[2, 3], { "x": "y" }]), json!([{ "x": "y" }, [2, 3]])], [json!([])]);
    for (comparison, holds) in [
        ("$.absent1 == $.absent2", true),
        ("$.absent1 <= $.absent2", true),
        ("$.absent == 'g'", false),
        ("$.absent1 != $.absent2", false),
        ("$.absent != 'g'", true),
        ("1 <= 2", true),
        ("1 > 2", false),
        ("13 == '13'", false),
        ("'a' <= 'b'", true),
        ("'a' > 'b'", false),
        ("$.obj == $.arr", false),
        ("$.obj != $.arr", true),
        ("$.obj == $.obj", true),
        ("$.obj != $.obj", false),
        ("$.arr == $.arr", true),
        ("$.arr != $.arr", false),
        ("$.obj == 17", false),
        ("$.obj != 17", true),
        ("$.obj <= $.arr", false),
        ("$.obj < $.arr", false),
        ("$.obj <= $.obj", true),
        ("$.arr <= $.arr", true),
        ("1 <= $.arr", false),
        ("1 >= $.arr", false),
        ("1 > $.arr", false),
        ("1 < $.arr", false),
        ("true <= true", true),
        ("true > true", false),
    ] {
        let path = format!("$[?{comparison}]").leak();
        hold("2.3.5.3", &document, &[any_order(path, if holds { &both } else { &none })]).await;
    }
}

#[tokio::test]
async fn section_2_3_5_3_filters() {
    let list = json!([3, 5, 1, 2, 4, 6, { "b": "j" }, { "b": "k" }, { "b": {} }, { "b": "kilo" }]);
    let object = json!({ "p": 1, "q": 2, "r": 3, "s": 5, "t": { "u": 6 } });
    let kilo = json!([{ "b": "kilo" }]);
    let cases = [
        one("$.a[?@.b == 'kilo']", kilo.clone()),
        one("$.a[?(@.b == 'kilo')]", kilo),
        one("$.a[?@>3.5]", json!([5, 4, 6])),
        one("$.a[?@.b]", json!([{ "b": "j" }, { "b": "k" }, { "b": {} }, { "b": "kilo" }])),
        any_order("$[?@.*]", &[json!([list, object]), json!([object, list])]),
        one("$[?@[?@.b]]", json!([list])),
        any_order("$.o[?@<3, ?@<3]", &[json!([1, 2, 2, 1]), json!([1, 2, 1, 2]), json!([2, 1, 1, 2])]),
        one("$.a[?@<2 || @.b == \"k\"]", json!([1, { "b": "k" }])),
        one("$.a[?match(@.b, \"[jk]\")]", json!([{ "b": "j" }, { "b": "k" }])),
        one("$.a[?search(@.b, \"[jk]\")]", json!([{ "b": "j" }, { "b": "k" }, { "b": "kilo" }])),
        any_order("$.o[?@>1 && @<4]", &[json!([2, 3]), json!([3, 2])]),
        any_order("$.o[?@.u || @.x]", &[json!([{ "u": 6 }])]),
        one("$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
        one("$.a[?@ == @]", list.clone()),
    ];
    hold("2.3.5.3", &json!({ "a": list, "o": object, "e": "f" }), &cases).await;
}

#[tokio::test]
async fn section_2_4_functions() {
    let entries = json!([
        { "authors": ["a", "b", "c", "d", "e"], "date": "1974-05-11", "author": "Bob", "color": "red" },
        { "authors": ["a"], "date": "1974-05-1", "author": "Alice", "color": "blue" },
        { "timezone": "Europe/Berlin", "a": { "author": "x" }, "b": { "author": "y" }, "author": "Robert" },
    ]);
    let cases = [
        one("$[?length(@.authors) >= 5]", json!([entries[0]])),
        one("$[?count(@.*.author) >= 2]", json!([entries[2]])),
        one("$[?match(@.date, \"1974-05-..\")]", json!([entries[0]])),
        one("$[?search(@.author, \"[BR]ob\")]", json!([entries[0], entries[2]])),
        one("$[?value(@..color) == \"red\"]", json!([entries[0]])),
        // Of section 2.4.9, those that are well-typed.
        one("$[?length(@) < 5]", json!([entries[0], entries[1], entries[2]])),
        one("$[?count(@.*) == 4]", json!([entries[0], entries[1], entries[2]])),
        one("$[?match(@.timezone, 'Europe/.*')]", json!([entries[2]])),
    ];
    hold("2.4", &entries, &cases).await;
}

#[tokio::test]
async fn section_2_5_segments() {
    let letters = json!(["a", "b", "c", "d", "e", "f", "g"]);
    let cases = [
        one("$[0, 3]", json!(["a", "d"])),
        one("$[0:2, 5]", json!(["a", "b", "f"])),
        one("$[0, 0]", json!(["a", "a"])),
    ];
    hold("2.5.1.3", &letters, &cases).await;
    let (o, a) = (json!({ "j": 1, "k": 2 }), json!([5, 3, [{ "j": 4 }, { "k": 6 }]]));
    let all = json!([a, o, 5, 3, [{ "j": 4 }, { "k": 6 }], { "j": 4 }, { "k": 6 }, 4, 6, 1, 2]);
    let cases = [
        any_order("$..j", &[json!([1, 4]), json!([4, 1])]),
        one("$..[0]", json!([5, { "j": 4 }])),
        one("$..[*]", all.clone()),
        one("$..*", all),
        one("$..o", json!([o])),
        any_order("$.o..[*, *]", &[json!([1, 2, 2, 1]), json!([1, 2, 1, 2]), json!([2, 1, 1, 2])]),
        one("$.a..[0, 1]", json!([5, 3, { "j": 4 }, { "k": 6 }])),
    ];
    hold("2.5.2.3", &json!({ "o": o, "a": a }), &cases).await;
}

#[tokio::test]
async fn sections_2_6_and_2_7_null_and_normalized_paths() {
    let cases = [
        one("$.a", json!([null])),
        one("$.a[0]", json!([])),
        one("$.a.d", json!([])),
        one("$.b[0]", json!([null])),
        one("$.b[*]", json!([null])),
        one("$.b[?@]", json!([null])),
        one("$.b[?@==null]", json!([null])),
        one("$.c[?@.d==null]", json!([])),
        one("$.null", json!([1])),
    ];
    hold("2.6.1", &json!({ "a": null, "b": [null], "c": [{}], "null": 1 }), &cases).await;
    let both = |written, normalized, values: Value| [one(written, values.clone()), one(normalized, values)];
    hold("2.7.1", &json!({ "a": 1 }), &both("$.a", "$['a']", json!([1]))).await;
    hold("2.7.1", &json!([1, 2, 3, 4, 5]), &both("$[1]", "$[1]", json!([2]))).await;
    hold("2.7.1", &json!([1, 2, 3, 4, 5]), &both("$[-3]", "$[2]", json!([3]))).await;
    hold("2.7.1", &json!({ "a": { "b": [1, 2] } }), &both("$.a.b[1:2]", "$['a']['b'][1]", json!([2]))).await;
    hold("2.7.1", &json!({ "\u{b}": 1 }), &both("$[\"\\u000B\"]", "$['\\u000b']", json!([1]))).await;
    hold("2.7.1", &json!({ "a": 1 }), &both("$[\"\\u0061\"]", "$['a']", json!([1]))).await;
}

#[test]
fn what_the_rfc_calls_not_well_formed_or_not_valid_is_refused_when_the_check_is_built() {
    let kind = Http::new(DialPolicy::open()).unwrap();
    let mut accepted = Vec::new();
    for (section, path) in [
        ("2.1", ""),
        ("2.1", " $"),
        ("2.1", "$ "),
        ("2.1", "$.a "),
        ("2.1.1", "$[9007199254740992]"),
        ("2.1.1", "$[-9007199254740992]"),
        ("2.1.1", "$[1:9007199254740992]"),
        ("2.2.1", "a"),
        ("2.2.1", "@.a"),
        ("2.3.1.1", "$['\u{1}']"),
        ("2.3.1.1", "$['\\a']"),
        ("2.3.1.1", "$['\\\"']"),
        ("2.3.1.1", "$[\"\\'\"]"),
        ("2.3.1.1", "$['\\uD800']"),
        ("2.3.1.1", "$['\\uDC00\\uD800']"),
        ("2.3.3.1", "$[01]"),
        ("2.3.3.1", "$[-0]"),
        ("2.3.3.1", "$[-01]"),
        ("2.3.3.1", "$[1.0]"),
        ("2.3.4.1", "$[1:02]"),
        ("2.3.4.1", "$[::-0]"),
        ("2.3.5.1", "$[?@.a == 01]"),
        ("2.3.5.1", "$[?@.a == [1]]"),
        ("2.3.5.1", "$[?@.* == 1]"),
        ("2.3.5.1", "$[?@..a == 1]"),
        ("2.3.5.1", "$[?@[0,1] == 1]"),
        ("2.3.5.1", "$[?1]"),
        ("2.3.5.1", "$[?true]"),
        ("2.3.5.1", "$[?@.a & @.b]"),
        ("2.4", "$[?Length(@.a) == 1]"),
        ("2.4", "$[?length (@.a) == 1]"),
        ("2.4.9", "$[?length(@.*) < 3]"),
        ("2.4.9", "$[?count(1) == 1]"),
        ("2.4.9", "$[?count(foo(@.*)) == 1]"),
        ("2.4.9", "$[?match(@.timezone, 'Europe/.*') == true]"),
        ("2.4.9", "$[?value(@..color)]"),
        ("2.4.9", "$[?bar(@.a)]"),
        ("2.5.1.1", "$[]"),
        ("2.5.1.1", "$[0,]"),
        ("2.5.1.1", "$."),
        ("2.5.1.1", "$. a"),
        ("2.5.1.1", "$.1a"),
        ("2.5.2.1", "$.."),
        ("2.5.2.1", "$.. a"),
        ("2.5.2.1", "$...a"),
    ] {
        let config = json!({ "url": "http://a.example", "expect": { "body": [{ "json": path, "exists": true }] } });
        let error = kind.build(&config).err().map(|error| error.to_string()).unwrap_or_default();
        if !error.starts_with("invalid expect.body[0].json: ") {
            accepted.push((section, path, error));
        }
    }
    assert_eq!(accepted, []);
}

/// The cases of the official suite (<https://github.com/jsonpath-standard/jsonpath-compliance-test-suite>), each through
/// the check: a selector that isn't valid is refused when the check is built, the others find what they are to find.
#[tokio::test]
#[ignore = "reads the cts.json that PINGMON_RFC9535 names; `make rfc9535` fetches it"]
#[allow(clippy::disallowed_methods, reason = "make rfc9535 says where the suite is")]
async fn the_compliance_test_suite() {
    let file = std::env::var_os("PINGMON_RFC9535").expect("PINGMON_RFC9535 names the suite's cts.json");
    let suite: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let cases = suite["tests"].as_array().unwrap();
    assert!(cases.len() > 600, "{} cases", cases.len());
    let kind = Http::new(DialPolicy::open()).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(10));
    let mut failed = Vec::new();
    for case in cases {
        let server = Server::saying(ok("application/json", case["document"].to_string())).await;
        let results = case["results"].as_array().cloned().unwrap_or_else(|| vec![case["result"].clone()]);
        let mut found = Vec::new();
        for values in results {
            let rule = json!({ "json": case["selector"], "values": if values.is_null() { json!([]) } else { values } });
            match kind.build(&json!({ "url": server.url("/"), "expect": { "body": [rule] } })) {
                Ok(check) => found.push(Ok(check.run(&cx).await.unwrap())),
                Err(error) => found.push(Err(error.to_string())),
            }
        }
        let held = match case["invalid_selector"].as_bool() {
            Some(true) => found.iter().all(Result::is_err),
            _ => found.iter().flatten().any(|outcome| outcome.status == Status::Up),
        };
        if !held {
            failed.push(format!("{}: {}: {found:?}", case["name"], case["selector"]));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}
