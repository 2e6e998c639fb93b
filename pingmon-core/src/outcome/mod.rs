//! The verdict of one run and everything that explains it. Judging a monitor's state over time is `incident`'s work.

mod bounds;
mod millis;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    bounds::{MAX_EVIDENCE, MAX_EVIDENCE_BYTES, MAX_FAILED, MAX_KEPT, MAX_MESSAGE, MAX_METRICS, MAX_PHASES, MAX_TEXT},
    millis::millis,
};

/// The verdict of one run.
///
/// Ordered by how bad it is for the target: `Up < Degraded < Down`. `Unknown` stands apart: it says that *we* couldn't
/// judge, never that the target failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The target did all that was expected.
    Up,
    /// The target works, but not as well as expected.
    Degraded,
    /// The target failed.
    Down,
    /// The probe couldn't judge: our network, our resolver, our limits, our bug.
    Unknown,
}

impl Status {
    /// The word for it, in SQL, JSON and on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }

    /// Exit code in the convention of monitoring plug-ins: 0 ok, 1 warning, 2 critical, 3 unknown.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Degraded => 1,
            Self::Down => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An expectation that wasn't met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Failure {
    /// What was looked at, as the config names it: `status`, `body[0].json`, `cpu`.
    pub expectation: String,
    /// How bad missing it is: `degraded` or `down`.
    pub level: Status,
    /// What would have been right.
    pub expected: String,
    /// What was found.
    pub actual: String,
}

/// A number measured by a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Metric {
    /// Snake-case name: `cpu_used`, `connections`.
    pub name: Cow<'static, str>,
    /// The value, finite.
    pub value: f64,
    /// Unit in short: `ms`, `bytes`, `percent`, or empty for a count.
    pub unit: Cow<'static, str>,
    /// What tells series of one name apart: `{"mount": "/"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Metric {
    /// A metric without labels.
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, unit: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), value, unit: unit.into(), labels: BTreeMap::new() }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }
}

/// What one run found: the verdict and what explains it.
///
/// ```
/// use std::time::Duration;
/// use pingmon_core::outcome::{Metric, Outcome, Status};
///
/// let outcome = Outcome::degraded("queue is long")
///     .latency(Duration::from_millis(12))
///     .metric(Metric::new("queue_depth", 1200.0, ""));
/// assert_eq!(outcome.status, Status::Degraded);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The verdict.
    pub status: Status,
    /// How long the target took, as the check defines it; milliseconds in JSON.
    #[serde(rename = "latency_ms", default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
    /// The parts of the latency in the order they happened (`dns`, `connect`, `tls` …); milliseconds in JSON.
    #[serde(rename = "phases_ms", default, with = "millis::phases", skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<(Cow<'static, str>, Duration)>,
    /// One line for people.
    #[serde(default)]
    pub message: String,
    /// Expectations that weren't met, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failure>,
    /// Numbers measured on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Facts that help to find the cause: an excerpt of the body, an address, a stable `error` kind. No secrets.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub evidence: Map<String, Value>,
    /// What the monitor keeps from now on, for [`CheckContext::kept`](crate::check::CheckContext::kept); none when that is
    /// what it was. It is stored with the run or not at all, and no part of the recorded outcome.
    #[serde(skip)]
    pub keep: Option<Arc<[u8]>>,
}

impl Outcome {
    /// An outcome of the given verdict with its one line.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            latency: None,
            phases: Vec::new(),
            message: message.into(),
            failed: Vec::new(),
            metrics: Vec::new(),
            evidence: Map::new(),
            keep: None,
        }
    }

    /// The target did all that was expected.
    pub fn up(message: impl Into<String>) -> Self {
        Self::new(Status::Up, message)
    }

    /// The target works, but not as well as expected.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new(Status::Degraded, message)
    }

    /// The target failed.
    pub fn down(message: impl Into<String>) -> Self {
        Self::new(Status::Down, message)
    }

    /// The target couldn't be judged, for a reason on our side.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Status::Unknown, message)
    }

    /// Sets the latency.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Adds a phase after those already there.
    #[must_use]
    pub fn phase(mut self, name: impl Into<Cow<'static, str>>, took: Duration) -> Self {
        self.phases.push((name.into(), took));
        self
    }

    /// Adds a metric.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Adds a piece of evidence.
    #[must_use]
    pub fn evidence(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.into(), value.into());
        self
    }

    /// Has the monitor keep these bytes in place of what it kept, up to [`MAX_KEPT`].
    #[must_use]
    pub fn keep(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.keep = Some(bytes.into());
        self
    }

    /// Records an expectation that wasn't met and worsens the verdict to its level. The first one becomes the message.
    pub fn fail(
        &mut self,
        level: Status,
        expectation: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) {
        let failure =
            Failure { expectation: expectation.into(), level, expected: expected.into(), actual: actual.into() };
        if self.failed.is_empty() || (level == Status::Down && self.status != Status::Down) {
            self.message = format!("{}: expected {}, got {}", failure.expectation, failure.expected, failure.actual);
        }
        if self.status == Status::Up || level == Status::Down {
            self.status = level;
        }
        self.failed.push(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_back_from_its_json_as_it_was() {
        let mut outcome = Outcome::up("200 OK")
            .latency(Duration::from_micros(12_345))
            .phase("dns", Duration::from_micros(345))
            .phase("connect", Duration::from_millis(12))
            .metric(Metric::new("size", 12.0, "bytes").label("part", "body"))
            .evidence("address", "127.0.0.1:80");
        outcome.fail(Status::Down, "status", "2xx", "500");
        let json = serde_json::to_value(&outcome).unwrap();
        assert_eq!(json["latency_ms"], 12.345);
        assert_eq!(json["phases_ms"]["connect"], 12.0);
        assert_eq!(serde_json::from_str::<Outcome>(&serde_json::to_string(&outcome).unwrap()).unwrap(), outcome);
    }

    #[test]
    fn the_worst_failed_expectation_decides_and_names_the_verdict() {
        let mut outcome = Outcome::up("fine");
        outcome.fail(Status::Degraded, "latency", "< 1s", "2s");
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Degraded, "latency: expected < 1s, got 2s"));
        outcome.fail(Status::Down, "status", "2xx", "500");
        outcome.fail(Status::Degraded, "size", "< 1", "2");
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Down, "status: expected 2xx, got 500"));
        assert_eq!(outcome.failed.len(), 3);
    }

    #[test]
    fn a_flood_is_cut_to_the_stated_limits_and_nul_is_replaced() {
        let mut outcome = Outcome::down("x\0".repeat(5_000)).evidence("body", "y".repeat(100_000));
        for n in 0..100 {
            outcome.fail(Status::Down, "status\0", "1", n.to_string());
            outcome = outcome.evidence(format!("e{n}"), "z".repeat(1_000));
        }
        for _ in 0..1_000 {
            outcome =
                outcome.metric(Metric::new("m\0", f64::NAN, "")).metric(Metric::new("m\0", 1.0, "").label("a\0", "b"));
        }
        let outcome = outcome.bounded();
        let json = serde_json::to_string(&outcome).unwrap();
        assert!(json.len() < 250_000, "{} bytes", json.len());
        assert!(!json.contains("\\u0000"));
        assert!(outcome.message.chars().count() <= MAX_MESSAGE + 1);
        assert_eq!((outcome.failed.len(), outcome.metrics.len()), (MAX_FAILED, MAX_METRICS));
        assert!(outcome.evidence.contains_key("dropped"));
    }
}
