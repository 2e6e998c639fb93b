//! The `log` channel, read by a subscriber as a host would install one.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use pingmon_core::{dial::DialPolicy, notifier::Notifier, outcome::Outcome};
use pingmon_notify::log::{Log, TARGET};
use serde_json::{Value, json};

use crate::notices;

/// What was logged, one JSON object a line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn read(&self) -> Vec<Value> {
        let written = self.0.lock().unwrap();
        written.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that sending the notices of these runs writes.
fn logged(outcomes: impl IntoIterator<Item = Outcome>) -> Vec<Value> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for notice in notices::after(outcomes) {
            runtime.block_on(Log.send(&notice)).unwrap();
        }
    });
    lines.read()
}

#[test]
fn the_level_says_how_urgent_a_notice_is() {
    let lines = logged([
        Outcome::degraded("slow"),
        Outcome::down("500"),
        Outcome::down("500"),
        Outcome::down("500"),
        Outcome::down("500"),
        Outcome::up("200"),
    ]);
    let told: Vec<_> = lines.iter().map(|line| (&line["level"], &line["fields"]["event"])).collect();
    let (opened, worsened) = (json!("opened"), json!("worsened"));
    let (reminder, resolved) = (json!("reminder"), json!("resolved"));
    let (error, warn, info) = (json!("ERROR"), json!("WARN"), json!("INFO"));
    assert_eq!(told, [(&error, &opened), (&error, &worsened), (&warn, &reminder), (&info, &resolved)]);
}

#[test]
fn an_event_carries_the_facts_as_fields() {
    let lines = logged([Outcome::down("500 Internal Server Error")]);
    let notice = notices::opened();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["target"], TARGET);
    assert_eq!(
        lines[0]["fields"],
        json!({
            "message": "shop api is down: 500 Internal Server Error",
            "delivery": notice.id.to_string(),
            "channel": "ops",
            "event": "opened",
            "monitor": "shop api",
            "monitor_id": notices::MONITOR,
            "kind": "http",
            "incident": notice.incident.id.to_string(),
            "about": "target",
            "incident_level": "down",
            "failing_since": "2026-11-22T12:00:00.000000Z",
            "confirmed_by": "",
            "affected": 0,
            "also": 0,
        })
    );
}

#[test]
fn a_message_of_several_lines_cannot_forge_another_event() {
    let lines = logged([Outcome::down("500\n{\"level\":\"INFO\"}\u{1b}[2J")]);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["fields"]["message"], "shop api is down: 500 {\"level\":\"INFO\"} [2J");
}

#[test]
fn the_log_needs_no_config() {
    let open = |config| pingmon_notify::open("log", &config, &DialPolicy::open());
    assert!(open(Value::Null).is_ok() && open(json!({})).is_ok() && open(json!("stdout")).is_err());
}
