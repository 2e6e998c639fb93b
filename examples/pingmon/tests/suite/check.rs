//! `pingmon check`: exit codes and the three formats.

use serde_json::Value;

use crate::program::{Home, Target};

/// A config that watches the target as `web`, and more monitors if given.
fn config(target: &Target, more: &str) -> String {
    format!(
        "[[monitor]]\nname = \"web\"\n[monitor.http]\nurl = \"{}\"\nbearer = \"${{TOKEN:-none}}\"\n{more}",
        target.url()
    )
}

/// A monitor of a port at which nobody listens.
const CLOSED: &str = "[[monitor]]\nname = \"closed\"\ntcp = { address = \"127.0.0.1:1\" }\n";

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let (target, elsewhere) = (Target::start(), Target::start());
    elsewhere.answers(302);
    let forbidden = format!("[[monitor]]\nname = \"forbidden\"\nhttp = {{ url = \"{}\" }}\n", elsewhere.url());
    let slow = format!(
        "[[monitor]]\nname = \"slow\"\nhttp = {{ url = \"{}\", expect = {{ latency = \"1us\" }} }}\n",
        target.url()
    );
    for (more, code) in [
        (String::new(), 0),
        (slow.clone(), 1),
        (format!("{CLOSED}{slow}{forbidden}"), 2),
        (format!("{slow}{forbidden}"), 3),
    ] {
        let done = Home::with(&config(&target, &more)).call(&["check"]);
        assert_eq!(done.code, code, "{}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains('\u{1b}'), "no colours in a pipe");
        assert!(done.stdout.contains("✓ up") && done.stdout.contains("web"), "{}", done.stdout);
    }
}

#[test]
fn json_is_one_object_a_line_with_the_stated_keys() {
    let target = Target::start();
    let done = Home::with(&config(&target, CLOSED)).call(&["check", "-o", "json"]);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = [
        "monitor",
        "kind",
        "status",
        "started_at",
        "latency_ms",
        "phases_ms",
        "message",
        "failed",
        "metrics",
        "evidence",
    ];
    for line in &lines {
        let mut found: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        found.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(found, keys);
    }
    assert_eq!(
        (&lines[0]["monitor"], &lines[0]["kind"], &lines[0]["status"]),
        (&"web".into(), &"http".into(), &"up".into())
    );
    assert!(lines[0]["latency_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&lines[1]["status"], &lines[1]["evidence"]["error"]), (&"down".into(), &"connect_refused".into()));
    assert_eq!((lines.len(), done.code), (2, 2));
}

#[test]
fn nagios_gets_its_first_line() {
    let target = Target::start();
    let home = Home::with(&config(&target, ""));
    let done = home.call(&["check", "-o", "nagios"]);
    assert!(done.stdout.starts_with("OK - ") && done.stdout.contains(" | latency="), "{}", done.stdout);
    target.answers(500);
    let done = home.call(&["check", "-o", "nagios"]);
    assert!(done.stdout.starts_with("CRITICAL - "), "{}", done.stdout);
    assert_eq!((done.code, done.stdout.lines().count()), (2, 1));
}

#[test]
fn names_choose_monitors_and_an_unknown_one_is_wrong_usage() {
    let target = Target::start();
    let off = "[[monitor]]\nname = \"off\"\nenabled = false\ntcp = { address = \"127.0.0.1:1\" }\n";
    let home = Home::with(&config(&target, off));
    assert_eq!(home.call(&["check"]).code, 0, "what isn't enabled isn't run");
    assert_eq!(home.call(&["check", "off"]).code, 2, "unless it is named");
    let done = home.call(&["check", "wbe"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.contains("no monitor is named \"wbe\", did you mean \"web\"?"), "{}", done.stderr);
}

#[test]
fn a_secret_reaches_the_target_and_nothing_else() {
    let target = Target::start();
    let home = Home::with(&config(&target, ""));
    let done = home.call_with(&["check", "-o", "json"], &[("TOKEN", "sesame")]);
    assert!(target.request().contains("Bearer sesame"));
    assert!(!done.stdout.contains("sesame") && !done.stderr.contains("sesame"));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is recorded");
}
