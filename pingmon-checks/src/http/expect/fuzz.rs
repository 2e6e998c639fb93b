//! Random configs held against random answers. A quick look in each run of the tests; for as many seconds as
//! `PINGMON_FUZZ_SECONDS` says when it is set, as `make fuzz` does.

use std::time::{Duration, Instant};

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use jsonpath_rust::{parser::parse_json_path, query::js_path_process};
use pingmon_core::{check::parse_config, outcome::Status};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};

use super::*;

/// How many cases are tried in an ordinary run of the tests.
const CASES: usize = 400;
/// The most that judging one answer may take, here where nothing is optimised.
const MOST: Duration = Duration::from_secs(20);

/// Draws from `strategy` and tries `property`, as often or as long as it is asked for.
#[allow(clippy::disallowed_methods, reason = "whoever runs the tests may have them take longer")]
fn try_all<T>(strategy: &impl Strategy<Value = T>, mut property: impl FnMut(T)) {
    let seconds = std::env::var("PINGMON_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    // Another seed each time when there is time, the same one when a failure has to come again.
    let mut runner = if seconds.is_some() { TestRunner::default() } else { TestRunner::deterministic() };
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut tried = 0;
    while until.map_or(tried < CASES, |until| Instant::now() < until) {
        property(strategy.new_tree(&mut runner).unwrap().current());
        tried += 1;
    }
    println!("{tried} cases");
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..6).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c.(]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let fields = vec(("[a-c]", inner.clone()), 0..5);
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// Paths that are mostly ones.
fn path() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        "[a-c]".prop_map(|name| format!("'{name}'")),
        (-4_i64..5).prop_map(|index| index.to_string()),
        Just("*".to_owned()),
        ("(-?[1-3])?:(-?[1-3])?(:-?[1-2])?").prop_map(String::from),
        ("[@$]", "(\\.[a-c]|\\[[0-2]\\]){0,2}", "==|!=|<|<=|>|>=", "[0-4]|'[a-c]'|true|null")
            .prop_map(|(from, way, operator, literal)| format!("?{from}{way} {operator} {literal}")),
        ("!?", "[@$]", "(\\.\\.?[a-c]|\\[\\*\\]){1,2}").prop_map(|(not, from, way)| format!("?{not}{from}{way}")),
        "[a-c.*]{1,3}".prop_map(|pattern| format!("?search(@.a, '{pattern}')")),
        Just("?count(@.*) > 1 && (length(@.a) < 3 || @.b)".to_owned()),
    ];
    let segment = (option::of(Just("..")), vec(selector, 1..4))
        .prop_map(|(deep, selectors)| format!("{}[{}]", deep.unwrap_or_default(), selectors.join(",")));
    vec(segment, 0..4).prop_map(|segments| format!("${}", segments.concat()))
}

/// What a rule on the body may say, and something it may not.
const FIELDS: [&str; 27] = [
    "json",
    "css",
    "attribute",
    "exists",
    "count",
    "values",
    "equals",
    "not_equals",
    "one_of",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "empty",
    "matches",
    "not_matches",
    "type",
    "length",
    "less",
    "greater",
    "at_least",
    "at_most",
    "schema",
    "format",
    "size",
    "level",
    "unheard_of",
];

fn body_rule() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        4 => path().prop_map(Value::from),
        2 => document(),
        1 => path().prop_map(|path| json!({ "json": path })),
        1 => select(&["json", "xml", "string", "integer", "degraded", "a", "p > a", "[href]", "(a|b)*c"][..]).prop_map(Value::from),
        1 => Just(json!({ "at_least": 1, "at_most": 3 })),
        1 => Just(json!({ "type": "object", "properties": { "a": { "minimum": 1 } }, "required": ["a"] })),
        1 => any::<String>().prop_map(Value::from),
    ];
    (path(), any::<bool>(), vec((select(&FIELDS[..]), value), 0..3)).prop_map(|(path, json, fields)| {
        let mut rule: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if json {
            rule.insert("json".to_owned(), path.into());
        }
        rule.into()
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => document().prop_map(|document| document.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..200),
        1 => "(<[a-c]( href='[a-z]?'|/)?>|</[a-c]>|&[a-c];|[a-c]|<!--|]]>){0,40}".prop_map(String::into_bytes),
        1 => (1..60_usize, select(&["[", "{\"a\":", "<a>", "<p>", "&#x0;"][..])).prop_map(|(n, part)| part.repeat(n * n).into_bytes()),
    ]
}

fn answer(content_type: Option<&'static str>, body: Vec<u8>, cut: bool) -> Answer {
    let content_type = content_type.map(|text| (CONTENT_TYPE, HeaderValue::from_static(text)));
    Answer { headers: HeaderMap::from_iter(content_type), body, cut, ..Answer::sample() }
}

#[test]
fn whatever_is_expected_of_whatever_body_is_judged_in_time_and_never_met_by_error() {
    let charset =
        option::of(select(&["text/html; charset=utf-16", "application/json; charset=latin1", "text/plain"][..]));
    let case = (vec(body_rule(), 1..4), charset, body(), proptest::bool::weighted(0.1));
    try_all(&case, |(rules, content_type, body, cut)| {
        let config = json!({ "body": rules });
        let Ok(expect) = parse_config(&config).and_then(|config| Expect::compile(config, 10)) else { return };
        let answer = answer(content_type, body, cut);
        let document = Document::new(&answer);
        let mut outcome = Outcome::up("");
        let started = Instant::now();
        expect.judge(&answer, &document, Timestamp::default(), &mut outcome);
        assert!(started.elapsed() < MOST, "{:?} for {config}", started.elapsed());
        assert_eq!(outcome.status == Status::Up, outcome.failed.is_empty(), "{config}");
        let unreadable = document.json().is_err();
        for (n, rule) in rules.iter().enumerate().filter(|(_, rule)| unreadable && rule.get("json").is_some()) {
            let place = format!("body[{n}]");
            assert!(outcome.failed.iter().any(|failure| failure.expectation.starts_with(&place)), "{rule}");
        }
    });
}

#[test]
fn whatever_is_written_as_a_config_is_read_or_refused() {
    let anything = (vec(("[a-z_]{1,12}", document()), 0..4), document());
    try_all(&anything, |(fields, other)| {
        let mut config: Map<_, _> = fields.into_iter().collect();
        config.insert("status".to_owned(), other);
        let built = parse_config(&config.into()).and_then(|config| Expect::compile(config, 10));
        if let Err(error) = built {
            assert!(error.to_string().starts_with("invalid "), "{error}");
        }
    });
}

#[test]
fn a_search_finds_what_another_implementation_finds() {
    let whole =
        document().prop_filter("numbers are told apart differently", |document| !document.to_string().contains('.'));
    try_all(&(path(), whole), |(text, document)| {
        let Ok(path) = json::Path::parse("json", text.clone()) else { return };
        let Ok(found) = path.find(&document) else { return };
        let theirs = js_path_process(&parse_json_path(&text).unwrap(), &document).unwrap();
        let sorted = |mut values: Vec<String>| {
            values.sort();
            values
        };
        let ours = sorted(found.into_iter().map(Value::to_string).collect());
        assert_eq!(
            ours,
            sorted(theirs.into_iter().map(|found| found.val.to_string()).collect()),
            "{text} in {document}"
        );
    });
}
