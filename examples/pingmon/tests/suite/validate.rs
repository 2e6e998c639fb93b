//! `pingmon validate` with the real kinds: every error at once, with its place. The errors one by one are in the unit
//! tests of `config`.

use serde_json::Value;

use crate::program::Home;

const BAD: &str = r#"[store]
url = "mysql://me:sesame@db/x"

[[notifier]]
name = "ops"
webhok = { url = "http://localhost/" }

[[monitor]]
name = "shop"
every = "0s"
notify = ["opps"]
[monitor.http]
url = "http://localhost/${GONE}"
methd = "GET"

[[monitor]]
name = "shop"
timeout = "2m"
[monitor.http]
url = "no url"
expect = { status = ["2xy"] }

[[monitor]]
name = "db"
[monitor.postgres]
url = "postgres://me:sesame@localhost/x?sslmode=maybe"
"#;

#[test]
fn every_error_comes_at_once_with_line_and_column() {
    let done = Home::with(BAD).call(&["validate"]);
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
    insta::assert_snapshot!(done.stderr);
    assert!(!done.stderr.contains("sesame"), "no password is repeated");
}

const BAD_RULES: &str = r#"[[notifier]]
name = "ops"
log = {}
quiet = [{ weekly = { from = "22:00", until = "7" } }]
quiet_except = ["dwn"]

[[monitor]]
name = "shop"
system = {}
remind_every = "1h"
remind_at_most = "10m"

[[route]]
labels = { team = "shop" }
levels = ["down", "up"]
notify = ["opps"]

[[route]]
monitors = ["shpo"]
notify = []

[[route]]
level = ["down"]
notify = ["ops"]
"#;

#[test]
fn who_is_told_and_when_is_looked_at_too() {
    let done = Home::with(BAD_RULES).call(&["validate"]);
    assert_eq!(done.code, 3);
    insta::assert_snapshot!(done.stderr);
}

#[test]
fn many_incidents_are_one_message_but_where_each_is_an_alert_of_its_own() {
    let validated = |what: &str| Home::with(&format!("[[notifier]]\nname = \"ops\"\n{what}\n")).call(&["validate"]);
    for good in [
        "log = {}\ngroup = { by = [\"team\"], wait = \"1m\" }",
        "log = {}\ngroup = {}",
        "log = {}\ndigest = \"1h\"",
        "log = {}\ndigest = { cron = \"0 9 * * mon-fri\", timezone = \"Europe/Berlin\" }",
    ] {
        let done = validated(good);
        assert_eq!(done.code, 0, "{good}: {}", done.stderr);
    }
    let pager = format!("pagerduty = {{ routing_key = \"{}\" }}", "k".repeat(32));
    for (bad, words) in [
        (format!("{pager}\ngroup = {{}}"), "keeps an alert for each incident"),
        (format!("{pager}\ndigest = \"1h\""), "keeps an alert for each incident"),
        ("log = {}\ndigest = { cron = \"61 * * * *\" }".to_owned(), "is not a cron expression"),
        ("log = {}\ndigest = \"1h\"\ngroup = {}".to_owned(), "has everything go as one message"),
    ] {
        let done = validated(&bad);
        assert!(done.code == 3 && done.stderr.contains(words), "{bad}: {}", done.stderr);
    }
}

#[test]
fn errors_come_as_one_json_object_for_editors() {
    let done = Home::with(BAD).call(&["validate", "--output", "json"]);
    assert_eq!(done.code, 3);
    let answer: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&answer["ok"], &answer["file"]), (&false.into(), &"pingmon.toml".into()));
    let first = &answer["errors"][0];
    assert_eq!(
        (first["line"].as_u64(), first["column"].as_u64(), first["field"].as_str()),
        (Some(2), Some(7), Some("store.url"))
    );
    let done = Home::with("").call(&["validate", "--output", "json"]);
    assert_eq!(done.stdout, "{\"errors\":[],\"monitors\":0,\"notifiers\":0,\"ok\":true}\n");
}

#[test]
fn a_file_that_is_no_text_is_refused_with_the_place() {
    let home = Home::empty();
    home.write("latin.toml", b"# fine\nname = \"\xe9\"\n");
    home.write("nul.toml", b"[[monitor]]\nname = \"a\0b\"\n");
    for (file, expected) in [
        ("latin.toml", "latin.toml: is not UTF-8 at line 2, byte 16"),
        ("nul.toml", "nul.toml:2:"),
        ("gone.toml", "gone.toml: can't be opened"),
        (".", ".: can't be read"),
    ] {
        let done = home.call(&["validate", "-c", file]);
        assert_eq!(done.code, 3, "{file}");
        assert!(done.stderr.contains(expected), "{file}: {}", done.stderr);
    }
}

#[test]
fn a_flood_is_refused_in_few_words() {
    let name = "x".repeat(10_000_000);
    let done = Home::with(&format!("[[monitor]]\nname = \"{name}\"\nsystem = {{}}\n")).call(&["validate"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.starts_with("pingmon.toml:2:8: ") && done.stderr.len() < 500, "{} bytes", done.stderr.len());
    let done = Home::with(&"#".repeat(70_000_000)).call(&["validate"]);
    assert!(done.stderr.contains("is larger than"), "{}", done.stderr);
}

#[test]
fn colours_appear_only_where_they_are_asked_for() {
    let home = Home::with("x = 1\n");
    assert!(!home.call(&["validate"]).stderr.contains('\u{1b}'));
    assert!(home.call_with(&["validate"], &[("CLICOLOR_FORCE", "1")]).stderr.contains('\u{1b}'));
    assert!(!home.call_with(&["validate"], &[("NO_COLOR", "1")]).stderr.contains('\u{1b}'));
}
