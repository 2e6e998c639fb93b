//! What a run found, in the short forms that tests compare.

use pingmon_core::outcome::{Outcome, Status};
use serde_json::Value;

/// The verdict and the error word in the evidence, "none" without one.
pub(crate) fn verdict(outcome: &Outcome) -> (Status, &str) {
    (outcome.status, outcome.evidence.get("error").and_then(Value::as_str).unwrap_or("none"))
}

/// The expectations that weren't met.
pub(crate) fn failed(outcome: &Outcome) -> Vec<&str> {
    outcome.failed.iter().map(|failure| failure.expectation.as_str()).collect()
}

/// The phases that were measured, in their order.
pub(crate) fn phases(outcome: &Outcome) -> Vec<&str> {
    outcome.phases.iter().map(|(name, _)| name.as_ref()).collect()
}
