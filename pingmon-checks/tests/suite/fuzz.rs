//! Random and damaged configs of all kinds: each is built or refused in time, by the name of a field, and never breaks
//! anything. A quick look in each run of the tests; for as many seconds as `PINGMON_FUZZ_SECONDS` says when it is set,
//! as `make fuzz` does.

use std::time::{Duration, Instant};

use pingmon_core::{check::CheckKind, dial::DialPolicy, error::Error};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};

/// How many configs are tried in an ordinary run of the tests.
const CASES: usize = 300;
/// The most that building one check may take, here where nothing is optimised.
const MOST: Duration = Duration::from_secs(5);

/// Whole configs to be damaged, by the kinds' names.
fn seeds() -> Vec<(&'static str, Value)> {
    vec![
        (
            "http",
            json!({
                "url": "https://shop.example/{{request_id}}?q=1", "method": "POST", "query": { "q": ["a", "b"] },
                "headers": { "x-id": "{{request_id}}", "host": "b.example" }, "body": { "json": { "a": [1, "b"] } },
                "basic": { "username": "u", "password": "p" }, "http_version": "2", "redirects": 3, "max_body": 1024,
                "resolve_to": ["192.0.2.1", "2001:db8::1"], "source_address": "127.0.0.1", "keep_alive": true,
                "tls": { "verify": false, "server_name": "c.example" }, "ip_family": "ipv4", "traceparent": true,
                "expect": {
                    "status": { "allow": ["2xx", "300-305"], "deny": [204] }, "latency": { "degraded": "1s" },
                    "headers": [{ "name": "etag", "matches": "^W/", "max_age": "1day" }],
                    "body": [
                        { "json": "$..book[?@.price < 10].title", "count": { "at_least": 1 } },
                        { "css": "h1 > a", "attribute": "href", "contains": "x" },
                        { "json": "$", "schema": { "type": "object", "required": ["a"] } },
                    ],
                    "tls": { "days_left": { "degraded": 20 } }, "security_headers": {},
                },
            }),
        ),
        (
            "http",
            json!({
                "url": "https://shop.example", "oauth2": {
                    "token_url": "https://auth.example/token", "client_id": "c", "client_secret": "s",
                },
                "steps": [
                    { "name": "a", "url": "/login", "capture": { "id": { "json": "$.id" }, "t": { "regex": "a(b)" } } },
                    { "name": "b", "url": "/{{id}}", "headers": { "x": "{{t}}" }, "always": true },
                    { "name": "c", "url": "{{id}}", "body": { "form": { "a": "{{t}}" } }, "bearer": "{{t}}" },
                ],
            }),
        ),
        ("http", json!({ "url": "http://a.example", "proxy": "socks5://u:p@p.example:1080", "body": "text" })),
        (
            "tcp",
            json!({ "address": "mail.example:25", "send": "EHLO x\r\n", "expect": { "reply": { "contains": "250" } } }),
        ),
        (
            "tls",
            json!({ "address": "mail.example:587", "starttls": "smtp", "alpn": ["h2"], "expect": { "names": ["a"] } }),
        ),
        ("dns", json!({ "name": "shop.example", "type": "MX", "server": "192.0.2.53", "transport": "tls" })),
    ]
}

/// Texts that are meant to break something.
const TEXTS: [&str; 27] = [
    "",
    "a",
    "-",
    "{{",
    "{{x}}",
    "{{request_id}}",
    "$..*[?@.a]",
    "(a|b)*{1000}",
    "((((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9})",
    "http://[::1",
    "http://a:99999",
    "//a",
    "file:///etc/passwd",
    "169.254.169.254",
    "a\r\nb",
    "\0",
    "ü",
    "1s",
    "-1s",
    "99999999999999999999 years",
    "2xx",
    "599-100",
    "*",
    ":not(:not(a))",
    "\u{202e}",
    "::ffff:1.2.3.4",
    "0x7f.1",
];

/// What a stranger writes where something else is meant.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        select(&TEXTS[..]).prop_map(Value::from).boxed(),
        Just(Value::Null).boxed(),
        any::<bool>().prop_map(Value::from).boxed(),
        any::<i64>().prop_map(Value::from).boxed(),
        (-3_i64..70).prop_map(Value::from).boxed(),
        any::<f64>().prop_map(Value::from).boxed(),
        any::<String>().prop_map(Value::from).boxed(),
        (select(&["a", "[", "(", "a.", "{{", "$[", "é"][..]), 1..20_000_usize)
            .prop_map(|(part, times)| part.repeat(times).into())
            .boxed(),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-z_]{1,10}", inner), 0..6).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

/// Puts `value` in one place of `config`, or takes out what is there.
fn damage(config: &mut Value, at: Index, value: Option<Value>) {
    let mut places = Vec::new();
    pointers(config, &mut String::new(), &mut places);
    let place = at.get(&places);
    let (parent, key) = place.rsplit_once('/').unwrap_or(("", ""));
    match (value, config.pointer_mut(parent)) {
        (None, Some(Value::Object(fields))) => drop(fields.remove(key)),
        (value, _) => *config.pointer_mut(place).unwrap() = value.unwrap_or_default(),
    }
}

fn pointers(value: &Value, here: &mut String, all: &mut Vec<String>) {
    all.push(here.clone());
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().enumerate().map(|(n, item)| (n.to_string(), item)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, field)| (key.replace('~', "~0").replace('/', "~1"), field)).collect()
        }
        _ => Vec::new(),
    };
    for (key, item) in inner {
        let length = here.len();
        here.push('/');
        here.push_str(&key);
        pointers(item, here, all);
        here.truncate(length);
    }
}

fn try_one(kind: &dyn CheckKind, config: &Value) {
    let started = Instant::now();
    let built = kind.build(config);
    let took = started.elapsed();
    assert!(took < MOST, "{took:?} for {} {config}", kind.name());
    if let Err(error) = built {
        let Error::Config { field, reason } = &error else { panic!("{}: {error}", kind.name()) };
        assert!(!field.is_empty() && !reason.is_empty(), "{error}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "whoever runs the tests may have them take longer")]
fn whatever_is_written_as_a_config_is_built_or_refused_in_time_by_the_name_of_a_field() {
    let seconds = std::env::var("PINGMON_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    // Another seed each time when there is time, the same one when a failure has to come again.
    let mut runner = if seconds.is_some() { TestRunner::default() } else { TestRunner::deterministic() };
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let kinds = pingmon_checks::kinds(DialPolicy::public()).unwrap();
    let seeds = seeds();
    let case = (any::<Index>(), vec((any::<Index>(), proptest::option::weighted(0.8, anything())), 1..4));
    let mut tried = 0;
    while until.map_or(tried < CASES, |until| Instant::now() < until) {
        let (seed, damages) = case.new_tree(&mut runner).unwrap().current();
        let (name, mut config) = seed.get(&seeds).clone();
        damages.into_iter().for_each(|(at, value)| damage(&mut config, at, value));
        let kind = kinds.iter().find(|kind| kind.name() == name).unwrap();
        try_one(&**kind, &config);
        tried += 1;
    }
    println!("{tried} configs");
}

#[test]
fn the_configs_to_be_damaged_are_whole() {
    let kinds = pingmon_checks::kinds(DialPolicy::open()).unwrap();
    for (name, config) in seeds() {
        let kind = kinds.iter().find(|kind| kind.name() == name).unwrap();
        if let Err(error) = kind.build(&config) {
            panic!("{name}: {error}");
        }
    }
}
