//! One JSON object a line and monitor: stable, for programs. Every key is always there.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use pingmon_core::{
    outcome::{Failure, Status, millis},
    time::Timestamp,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Row;

/// A part of the latency.
type Phase = (Cow<'static, str>, Duration);

#[derive(Serialize)]
struct Line<'r> {
    monitor: &'r str,
    kind: &'r str,
    status: Status,
    started_at: Timestamp,
    latency_ms: Option<f64>,
    #[serde(serialize_with = "in_order")]
    phases_ms: &'r [Phase],
    message: &'r str,
    failed: &'r [Failure],
    metrics: Vec<Metric<'r>>,
    evidence: &'r Map<String, Value>,
}

#[derive(Serialize)]
struct Metric<'r> {
    name: &'r str,
    value: f64,
    unit: &'r str,
    labels: &'r BTreeMap<String, String>,
}

fn in_order<S: Serializer>(phases: &[Phase], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(phases.iter().map(|(name, took)| (name, millis(*took))))
}

/// The line of one monitor, without its end.
///
/// # Errors
/// Never for outcomes within their limits.
pub(crate) fn line(row: &Row) -> serde_json::Result<String> {
    let outcome = &row.outcome;
    let metrics = outcome.metrics.iter();
    serde_json::to_string(&Line {
        monitor: &row.monitor,
        kind: &row.kind,
        status: outcome.status,
        started_at: row.started_at,
        latency_ms: outcome.latency.map(millis),
        phases_ms: &outcome.phases,
        message: &outcome.message,
        failed: &outcome.failed,
        metrics: metrics.map(|m| Metric { name: &m.name, value: m.value, unit: &m.unit, labels: &m.labels }).collect(),
        evidence: &outcome.evidence,
    })
}

#[cfg(test)]
mod tests {
    use pingmon_core::outcome::{self, Outcome};
    use serde_json::json;

    use super::{super::tests::row, *};

    #[test]
    fn a_line_has_every_key_in_its_order_even_when_there_is_nothing_to_say() {
        let text = line(&row("a", Outcome::up("fine"))).unwrap();
        assert_eq!(
            text,
            r#"{"monitor":"a","kind":"http","status":"up","started_at":"2026-09-21T14:13:20.123456Z","latency_ms":null,"phases_ms":{},"message":"fine","failed":[],"metrics":[],"evidence":{}}"#
        );
    }

    #[test]
    fn a_line_holds_all_that_a_run_found() {
        let mut outcome = Outcome::up("")
            .latency(Duration::from_micros(12_345))
            .phase("tls", Duration::from_millis(12))
            .phase("body", Duration::from_micros(345))
            .metric(outcome::Metric::new("size", 12.0, "bytes"))
            .evidence("address", "127.0.0.1:80");
        outcome.fail(Status::Down, "status", "2xx", "500");
        let text = line(&row("a", outcome)).unwrap();
        assert!(text.contains(r#""phases_ms":{"tls":12.0,"body":0.345}"#), "in the order they happened: {text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["latency_ms"], 12.345);
        assert_eq!(json["failed"][0]["expected"], "2xx");
        assert_eq!(json["metrics"], json!([{ "name": "size", "value": 12.0, "unit": "bytes", "labels": {} }]));
        assert_eq!(json["evidence"]["address"], "127.0.0.1:80");
    }
}
