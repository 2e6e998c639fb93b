//! What one run found.

use std::time::Duration;

use crate::{
    Fault, Level, Metric, Status,
    bindings::pingmon::check::types::{self, Fact, Failure, Label, Phase},
};

/// What one run found: the verdict and what explains it.
#[derive(Clone, Debug)]
pub struct Outcome(types::Outcome);

/// A number measured on the way.
pub fn metric(name: &str, value: f64, unit: &str, labels: &[(&str, &str)]) -> Metric {
    let labels = labels.iter().map(|(key, value)| Label { key: (*key).to_owned(), value: (*value).to_owned() });
    Metric { name: name.to_owned(), value, unit: unit.to_owned(), labels: labels.collect() }
}

impl Outcome {
    /// An outcome of the given verdict with its one line.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self(types::Outcome {
            status,
            message: message.into(),
            latency: None,
            phases: Vec::new(),
            failed: Vec::new(),
            metrics: Vec::new(),
            evidence: Vec::new(),
        })
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

    /// Sets how long the target took, and in which parts.
    #[must_use]
    pub fn phases(mut self, phases: &[Phase]) -> Self {
        self.0.latency = Some(phases.iter().map(|phase| phase.microseconds).sum());
        self.0.phases = phases.to_vec();
        self
    }

    /// Sets how long the target took.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.0.latency = Some(latency.as_micros() as u64);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn metric(self, name: &str, value: f64, unit: &str) -> Self {
        self.measured(metric(name, value, unit, &[]))
    }

    /// Adds a number with labels.
    #[must_use]
    pub fn measured(mut self, metric: Metric) -> Self {
        self.0.metrics.push(metric);
        self
    }

    /// Adds a fact that explains the verdict.
    #[must_use]
    pub fn evidence(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.evidence.push(Fact { name: name.into(), value: value.into() });
        self
    }

    /// Adds an expectation that wasn't met; the verdict stays as it is.
    #[must_use]
    pub fn failed(mut self, level: Level, expectation: &str, expected: &str, actual: &str) -> Self {
        let (expectation, expected) = (expectation.to_owned(), expected.to_owned());
        self.0.failed.push(Failure { expectation, level, expected, actual: actual.to_owned() });
        self
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status, fault.message).evidence("error", fault.kind)
    }
}

impl From<Outcome> for types::Outcome {
    fn from(outcome: Outcome) -> Self {
        outcome.0
    }
}
