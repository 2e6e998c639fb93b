//! Every kind of mistake that a config can hold, with the place and the words a person gets. Two kinds that are made for
//! these tests stand in for the real ones.

use std::sync::Arc;

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, parse_config},
    error::{Error, Result},
    notification::Notification,
    notifier::{Notifier, NotifierKind},
    outcome::Outcome,
    policy::Threshold,
    time::Span,
};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Config, Environment, Problems, Source, load, schema};
use crate::kinds::Kinds;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape matters")]
struct WebConfig {
    /// Where it is.
    url: String,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    expect: Expect,
    #[schemars(range(min = 0, max = 10))]
    redirects: Option<u8>,
    token: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Get,
    Head,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code, reason = "only its shape matters")]
struct Expect {
    status: Vec<u16>,
    latency: Option<Span>,
}

struct Web;

#[async_trait]
impl Check for Web {
    async fn run(&self, _: &CheckContext) -> Result<Outcome> {
        Ok(Outcome::up("fine"))
    }
}

impl CheckKind for Web {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "web".into()
    }

    fn schema(&self) -> Schema {
        schema_for!(WebConfig)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: WebConfig = parse_config(config)?;
        match config.url.starts_with("http") {
            true => Ok(Arc::new(Self)),
            false => Err(Error::config("url", format!("\"{}\" is not a URL", config.url))),
        }
    }
}

struct Bell;

#[async_trait]
impl Notifier for Bell {
    async fn send(&self, _: &Notification) -> Result<()> {
        Ok(())
    }
}

impl NotifierKind for Bell {
    fn name(&self) -> &'static str {
        "bell"
    }

    fn schema(&self) -> Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": false })
    }

    fn build(&self, _: &Value) -> Result<Arc<dyn Notifier>> {
        Ok(Arc::new(Self))
    }
}

fn kinds() -> Kinds {
    let mut kinds = Kinds::default();
    kinds.checks.insert("web".into(), Arc::new(Web));
    kinds.notifiers.insert("bell".into(), Arc::new(Bell));
    kinds
}

fn read(text: &str) -> Result<Config, Problems> {
    let environment = Environment::new("/nowhere", |name| (name == "SECRET").then(|| "hunter2".into()));
    load(&Source { name: "f".into(), text: text.into(), environment }, None, |_, _| Ok(kinds()))
}

/// The problems of a text, one a line, without the summary.
fn problems(text: &str) -> Vec<String> {
    let problems = read(text).err().expect("the config is bad");
    problems.lines().map(|(place, text)| format!("{place}: {text}")).collect()
}

/// The one problem of a good monitor with the given lines added or in place of its own.
fn problem(lines: &str) -> String {
    let text = format!("[[monitor]]\nname = \"shop\"\n{lines}\n[monitor.web]\nurl = \"http://x/\"\n");
    let problems = problems(&text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

#[test]
fn a_good_config_becomes_monitors_with_secrets_left_unresolved() {
    let config = read(
        "[defaults]\ntimeout = \"30s\"\nopen_after = 3\n[[notifier]]\nname = \"ops\"\nbell = {}\n\
         [[monitor]]\nname = \"a\"\nevery = \"10s\"\nlabels = { team = \"x\" }\n[monitor.web]\nurl = \"http://x/\"\ntoken = \"${SECRET}\"\n\
         [[monitor]]\nname = \"b\"\nenabled = false\nnotify = []\ncron = \"0 3 * * *\"\ntimezone = \"Europe/Berlin\"\nopen_after = \"5m\"\nweb = { url = \"http://x/\" }\n",
    );
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let [a, b] = config.monitors.as_slice() else { panic!("two monitors") };
    assert_eq!(a.definition.config, json!({ "url": "http://x/", "token": "${SECRET}" }));
    assert_eq!((a.definition.timeout.to_string(), a.definition.policy.open_after), ("10s".into(), Threshold::Count(3)));
    assert_eq!((a.definition.notify.as_slice(), a.enabled), (["ops".to_owned()].as_slice(), true));
    assert_eq!((b.definition.timeout.to_string(), b.enabled, b.definition.notify.len()), ("30s".into(), false, 0));
    assert_eq!(b.definition.policy.open_after, Threshold::For(std::time::Duration::from_secs(300)));
    assert_eq!(config.notifiers.len(), 1);
}

#[test]
fn an_empty_config_is_good() {
    assert!(read("").is_ok());
}

#[test]
fn a_wrong_value_is_told_at_its_place_in_words() {
    for (lines, expected) in [
        ("every = \"0s\"", "f:3:9: monitor \"shop\": every: 0s is out of range: from 1s to 366days"),
        ("every = \"1000000000000000000s\"", "is out of range: from 1s to 366days"),
        ("every = \"99999999999999999999s\"", "f:3:9: monitor \"shop\": every: not a length of time"),
        ("every = 30", "every: is a number, expected a length of time with its unit: \"500ms\""),
        ("every = \"30 parsecs\"", "every: not a length of time such as \"30s\""),
        (
            "every = \"10s\"\ntimeout = \"11s\"",
            "f:4:11: monitor \"shop\": timeout: 11s is longer than the interval of 10s",
        ),
        ("cron = \"61 * * * *\"", "f:3:8: monitor \"shop\": cron: \"61 * * * *\" is not a cron expression"),
        ("cron = \"* * * * *\"\nevery = \"1s\"", "cron: stands beside `every`"),
        (
            "cron = \"* * * * *\"\ntimezone = \"Mars\"",
            "f:4:12: monitor \"shop\": timezone: \"Mars\" is not an IANA time zone",
        ),
        ("timezone = \"UTC\"", "timezone: has no meaning without `cron`"),
        ("open_after = 0", "f:3:14: monitor \"shop\": open_after: 0 is out of range: from 1 to 1000"),
        ("open_after = true", "open_after: is true or false, expected a number of consecutive runs"),
        ("close_after = \"never\"", "close_after: \"never\" would leave every incident open"),
        ("flap = { changes = 21 }", "f:3:20: monitor \"shop\": flap.changes: 21 is out of range: from 0 to 20"),
        ("flap = { chagnes = 2 }", "f:3:10: monitor \"shop\": flap.chagnes: unknown key, did you mean \"changes\"?"),
        ("intervall = \"5s\"", "f:3:1: monitor \"shop\": intervall: unknown key, known are "),
        ("tiemout = \"5s\"", "f:3:1: monitor \"shop\": tiemout: unknown key, did you mean \"timeout\"?"),
        ("notify = \"ops\"", "f:3:10: monitor \"shop\": notify: is a text, expected a list"),
        ("notify = [\"opps\"]", "f:3:11: monitor \"shop\": notify[0]: no notifier is named \"opps\""),
        ("labels = { a = 1 }", "f:3:16: monitor \"shop\": labels.a: is a number, expected a text"),
        ("enabled = \"yes\"", "enabled: is a text, expected true or false"),
        ("every = inf", "every: is not a finite number"),
        ("every = 9223372036854775808", "every: is too large a number"),
        ("redirects = 3", "f:3:1: monitor \"shop\": redirects: belongs into the table \"web\""),
        ("bell = {}", "f:3:1: monitor \"shop\": bell: unknown kind, \"web\" is the only one known"),
    ] {
        let found = problem(lines);
        assert!(found.contains(expected), "{lines}\n  found    {found}\n  expected {expected}");
    }
}

#[test]
fn a_kinds_own_table_is_checked_to_the_last_field() {
    let found = problems(
        "[[monitor]]\nname = \"a\"\n[monitor.web]\nurl = \"ftp://x\"\nmethod = \"HAED\"\nredirects = 11\nexpekt = 1\n\
         expect = { status = [200, \"2xx\"], latency = \"1 parsec\" }\n[[monitor]]\nname = \"b\"\nweb = {}\n",
    );
    let expected = [
        "f:4:7: monitor \"a\": web.url: \"ftp://x\" is not a URL",
        "f:5:10: monitor \"a\": web.method: is \"HAED\", expected one of \"GET\", \"HEAD\", did you mean \"HEAD\"?",
        "f:6:13: monitor \"a\": web.redirects: 11 is out of range: from 0 to 10",
        "f:7:1: monitor \"a\": web.expekt: unknown key, did you mean \"expect\"?",
        "f:8:27: monitor \"a\": web.expect.status[1]: is a text, expected a whole number",
        "f:8:45: monitor \"a\": web.expect.latency: not a length of time such as \"30s\", \"5m\" or \"1h 30m\": unknown time \
         unit \"parsec\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)",
        "f:11:1: monitor \"b\": web.url: is missing: where it is",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_kind_is_to_be_known_and_one() {
    for (lines, expected) in [
        ("wbe = {}", "f:2:1: monitor \"a\": wbe: unknown kind, did you mean \"web\"?"),
        ("banana = {}", "f:2:1: monitor \"a\": banana: unknown kind, \"web\" is the only one known"),
        ("", "f:1:1: monitor \"a\": has no kind: give it one of the tables web"),
    ] {
        let found = problems(&format!("[[monitor]]\n{lines}\nname = \"a\"\n"));
        assert_eq!(found, [expected]);
    }
}

#[test]
fn everything_is_found_at_once_in_the_order_of_the_file() {
    let found = problems(
        "[web]\nlisten = \"everywhere\"\ntitel = \"x\"\n[worker]\nconcurrency = 0\nlease = \"0s\"\npoll = \"2m\"\ncapacity = 0\nkinds = { wbe = 1 }\n\
         [dial]\npreset = \"publik\"\nallow = [\"10.0.0.0/40\"]\n[store]\nurl = \"mysql://me:pw@x/y\"\nschema = \"pg_own\"\nconnections = 0\n\
         [[notifier]]\nname = \"ops\"\nbell = { loud = true }\n[[monitor]]\nname = \"a\"\nevery = \"5 fortnights\"\ntimeout = \"2m\"\nnotify = [\"opps\"]\nweb = { url = \"x\" }\n\
         [[monitors]]\nname = \"b\"\n",
    );
    let starts = [
        "f:2:10: web.listen: is not an IP address and port",
        "f:3:1: web.titel: unknown key, did you mean \"title\"?",
        "f:5:15: worker.concurrency: 0 is out of range: from 1 to 65536",
        "f:6:9: worker.lease: 0s is out of range: from 1s to 10m",
        "f:7:8: worker.poll: 2m is out of range: from 10ms to 1m",
        "f:8:12: worker.capacity: 0 is out of range: from 1 to 1000",
        "f:9:11: worker.kinds.wbe: unknown check kind, did you mean \"web\"?",
        "f:11:10: dial.preset: is \"publik\", expected one of \"open\", \"public\", did you mean \"public\"?",
        "f:12:10: dial.allow[0]: is not a network such as",
        "f:14:7: store.url: names no store: write \"sqlite:pingmon.db\" or ",
        "f:15:10: store.schema: is \"pg_own\", expected up to 63 lower-case letters",
        "f:16:15: store.connections: 0 is out of range: from 1 to 1000",
        "f:19:10: notifier \"ops\": bell.loud: unknown key, none is known",
        "f:22:9: monitor \"a\": every: ",
        "f:24:11: monitor \"a\": notify[0]: no notifier is named \"opps\", did you mean \"ops\"?",
        "f:25:15: monitor \"a\": web.url: \"x\" is not a URL",
        "f:26:3: monitors: unknown key, did you mean \"monitor\"?",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "\n  found    {found}\n  expected {start}");
    }
}

#[test]
fn a_bad_default_is_told_once_and_where_it_stands() {
    let monitors: String =
        (0..3).map(|n| format!("[[monitor]]\nname = \"{n}\"\nweb = {{ url = \"http://x/\" }}\n")).collect();
    assert_eq!(
        problems(&format!("[defaults]\nevery = \"0s\"\n{monitors}")),
        ["f:2:9: defaults.every: 0s is out of range: from 1s to 366days"]
    );
    let found = problems(&format!("[defaults]\nnotify = [\"gone\"]\nevery = 3\n{monitors}"));
    assert!(found.iter().any(|found| found.starts_with("f:3:9: defaults.every: is a number")), "{found:#?}");
}

#[test]
fn names_differ_and_are_short_and_clean() {
    let monitor = |name: &str| format!("[[monitor]]\nname = {name}\nweb = {{ url = \"http://x/\" }}\n");
    for (name, expected) in [
        ("\"\"", "f:2:8: monitor[0].name: is empty"),
        ("\"a\\u0000b\"", "name: \"a\\0b\" holds control characters"),
        ("3", "name: is a number, expected a text"),
    ] {
        let found = problems(&monitor(name));
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
    }
    let flood = problems(&monitor(&format!("\"{}\"", "x".repeat(10_000_000))));
    assert!(flood[0].contains("is longer than 200 characters") && flood[0].len() < 300, "{}", flood[0].len());
    let found = problems(&format!("{}{}", monitor("\"a\""), monitor("\"a\"")));
    assert_eq!(found, ["f:5:8: monitor \"a\": name: \"a\" is taken: names are to differ (see line 2)"]);
}

#[test]
fn an_unset_variable_is_told_once_and_a_set_one_is_never_shown() {
    let found = problems("[[monitor]]\nname = \"a\"\n[monitor.web]\nurl = \"${GONE}\"\n");
    assert_eq!(found, ["f:4:7: monitor \"a\": web.url: the variable GONE is not set; \"${GONE:-…}\" gives a default"]);
    let found = problems("[[notifier]]\nname = \"ops\"\nbel = { url = \"${GONE}\" }\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], "f:3:1: notifier \"ops\": bel: unknown kind, did you mean \"bell\"?");
    let found = problems("[[monitor]]\nname = \"a\"\n[monitor.web]\nurl = \"ftp://${SECRET}\"\n");
    assert_eq!(found, ["f:4:7: monitor \"a\": web.url: \"ftp://***\" is not a URL"]);
    let found = problems("[[monitor]]\nname = \"${SECRET}\"\nevery = \"0s\"\nweb = { url = \"http://x\" }\n");
    assert_eq!(found, ["f:3:9: monitor \"${SECRET}\": every: 0s is out of range: from 1s to 366days"]);
    let found = problems("[[monitor]]\nname = \"a\"\n[monitor.web]\nurl = \"http://x\"\ntoken = { file = \"gone\" }\n");
    assert!(
        found.len() == 1 && found[0].contains("web.token: the file \"/nowhere/gone\" can't be opened"),
        "{found:?}"
    );
}

#[test]
fn syntax_errors_come_with_line_and_column() {
    let found = problems("a = \n[[monitor]\nname = \"x\"\nname = \"y\"\n");
    assert!(found.len() >= 2, "{found:#?}");
    assert!(found[0].starts_with("f:1:5: "), "{found:#?}");
}

#[test]
fn the_schema_accepts_what_is_read_and_refuses_what_is_not() {
    let schema = schema::written(&kinds());
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let good = json!({
        "store": { "url": { "file": "url" } },
        "defaults": { "every": "5s", "open_after": 2, "flap": { "changes": 0 } },
        "notifier": [{ "name": "ops", "bell": {} }],
        "monitor": [{ "name": "a", "labels": { "x": "y" }, "web": { "url": { "file": "url" }, "expect": { "status": [200] } } }],
    });
    let errors: Vec<_> =
        validator.iter_errors(&good).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    for bad in [
        json!({ "monitor": [{ "name": "a" }] }),
        json!({ "monitor": [{ "web": { "url": "x" } }] }),
        json!({ "monitor": [{ "name": "a", "web": { "url": "x", "extra": 1 } }] }),
        json!({ "monitor": [{ "name": "a", "web": { "url": "x", "method": "POST" } }] }),
        json!({ "defaults": { "name": "a" } }),
        json!({ "monitr": [] }),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

/// Three monitors, and more lines.
fn three(depends_on: [&str; 3], more: &str) -> String {
    let monitor =
        |(name, on)| format!("[[monitor]]\nname = \"{name}\"\ndepends_on = [{on}]\nweb = {{ url = \"http://x/\" }}\n");
    ["net", "db", "shop"].into_iter().zip(depends_on).map(monitor).collect::<String>() + more
}

#[test]
fn what_monitors_depend_on_and_when_they_are_worked_on_is_read() {
    let work = "[[maintenance]]\nname = \"deploy\"\nmonitors = [\"shop\"]\ntimezone = \"Europe/Berlin\"\n\
                weekly = { days = [\"sat\"], from = \"23:00\", until = \"02:00\" }\n";
    let config = read(&three(["", "\"net\"", "\"db\""], work)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.monitors[2].definition.depends_on, ["db"]);
    assert_eq!(config.maintenances[0].matcher.monitors, ["shop"]);
}

#[test]
fn a_dependency_on_nothing_or_in_a_circle_is_told() {
    assert_eq!(
        problems(&three(["", "\"ent\"", ""], "")),
        ["f:7:15: monitor \"db\": depends_on[0]: no monitor is named \"ent\", did you mean \"net\"?"]
    );
    assert_eq!(
        problems(&three(["\"shop\"", "\"net\"", "\"db\""], "")),
        ["f:3:1: monitor \"net\": depends_on: goes in a circle: net -> shop -> db -> net"]
    );
}

#[test]
fn a_maintenance_that_can_not_be_meant_is_told_at_its_place() {
    for (lines, expected) in [
        ("name = \"x\"", "f:13:1: maintenance \"x\": says when by exactly one of once, weekly and cron"),
        (
            "name = \"x\"\nmonitors = [\"shpo\"]\ncron = { expression = \"0 3 * * *\", lasts = \"1h\" }",
            "f:15:13: maintenance \"x\": monitors[0]: no monitor is named \"shpo\", did you mean \"shop\"?",
        ),
        (
            "name = \"x\"\ncron = { expression = \"0 3 * * *\", lasts = \"60d\" }",
            "f:15:44: maintenance \"x\": cron.lasts: 60days is out of range: more than nothing, at most 31days",
        ),
    ] {
        assert_eq!(problems(&three(["", "", ""], &format!("[[maintenance]]\n{lines}\n"))), [expected]);
    }
}
