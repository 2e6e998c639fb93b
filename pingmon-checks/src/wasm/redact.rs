//! Takes granted secrets out of what a plug-in says. What it says in other words (backwards, encoded) isn't recognised: a
//! secret is granted to those that one trusts with it.

use pingmon_core::outcome::Outcome;
use serde_json::Value;

use super::grant::Grant;

/// Shorter ones would take out half of any text.
const SHORTEST: usize = 4;
/// What stands in a secret's place.
const TAKEN_OUT: &str = "…";

/// A text without secrets.
pub(super) fn redact(text: &str, grant: &Grant) -> String {
    let long_enough = grant.secrets().filter(|secret| secret.len() >= SHORTEST);
    long_enough.fold(text.to_owned(), |text, secret| text.replace(secret, TAKEN_OUT))
}

/// All that is kept of a run, without secrets.
pub(super) fn outcome(mut outcome: Outcome, grant: &Grant) -> Outcome {
    if grant.secrets().next().is_none() {
        return outcome;
    }
    let clean = |text: &mut String| *text = redact(text, grant);
    clean(&mut outcome.message);
    for failure in &mut outcome.failed {
        clean(&mut failure.expectation);
        clean(&mut failure.expected);
        clean(&mut failure.actual);
    }
    for (name, _) in &mut outcome.phases {
        *name = redact(name, grant).into();
    }
    for metric in &mut outcome.metrics {
        metric.name = redact(&metric.name, grant).into();
        metric.unit = redact(&metric.unit, grant).into();
        let labels = std::mem::take(&mut metric.labels).into_iter();
        metric.labels = labels.map(|(key, value)| (redact(&key, grant), redact(&value, grant))).collect();
    }
    let evidence = std::mem::take(&mut outcome.evidence).into_iter();
    outcome.evidence = evidence
        .map(|(name, value)| match value {
            Value::String(text) => (redact(&name, grant), redact(&text, grant).into()),
            other => (redact(&name, grant), other),
        })
        .collect();
    outcome
}
