//! One verdict on many steps: the worst of them, with the time of each as a phase.

use std::time::Duration;

use pingmon_core::outcome::{Outcome, Status, millis};
use serde_json::{Map, Value};

use crate::latency::Latency;

/// The verdict in the making.
pub(super) struct Verdict {
    outcome: Outcome,
    steps: usize,
    latency: Duration,
}

impl Verdict {
    pub(super) fn new() -> Self {
        Self { outcome: Outcome::up(""), steps: 0, latency: Duration::ZERO }
    }

    /// Whether steps that build on those before may go on: not after one that is down or couldn't be judged.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.outcome.status, Status::Up | Status::Degraded)
    }

    /// Takes in how a step ended. The evidence of the step that decides stays, with the phases of that step.
    pub(super) fn add(&mut self, step: &str, mut ended: Outcome) {
        let took = ended.latency.unwrap_or_default();
        self.steps += 1;
        self.latency += took;
        self.outcome.phases.push((step.to_owned().into(), took));
        for mut failure in ended.failed.drain(..) {
            failure.expectation = format!("{step}.{}", failure.expectation);
            self.outcome.failed.push(failure);
        }
        if rank(ended.status) > rank(self.outcome.status) {
            let phases = ended.phases.iter().map(|(phase, took)| (phase.to_string(), millis(*took).into()));
            self.outcome.status = ended.status;
            self.outcome.message = format!("{step}: {}", ended.message);
            self.outcome.evidence = Map::from_iter([("step".to_owned(), Value::from(step))]);
            self.outcome.evidence.insert("phases_ms".to_owned(), Value::Object(phases.collect()));
            self.outcome.evidence.extend(ended.evidence);
        }
    }

    /// The verdict; `expected` is how long all steps together may take.
    pub(super) fn finish(self, expected: Option<&Latency>) -> Outcome {
        let Self { mut outcome, steps, latency } = self;
        if let Some(expected) = expected {
            expected.judge(latency, &mut outcome);
        }
        if outcome.status == Status::Up {
            outcome.message = format!("{steps} steps passed");
        }
        outcome.latency(latency)
    }
}

/// What hides what: a known fault isn't hidden by what we couldn't judge, and that not by what is merely slow.
const fn rank(status: Status) -> u8 {
    match status {
        Status::Up => 0,
        Status::Degraded => 1,
        Status::Unknown => 2,
        Status::Down => 3,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn verdict(ends: &[Status], expected: Option<&str>) -> Outcome {
        let mut verdict = Verdict::new();
        for (n, status) in ends.iter().enumerate() {
            let outcome = Outcome::new(*status, status.as_str()).evidence("nth", n);
            verdict.add(&format!("s{n}"), outcome.phase("connect", MS).latency(MS * 3));
        }
        let expected = expected.map(|text| serde_json::from_value::<Latency>(json!(text)).unwrap());
        verdict.finish(expected.as_ref())
    }

    #[test]
    fn the_worst_step_decides_and_the_first_of_the_worst_explains() {
        use Status::{Degraded, Down, Unknown, Up};
        for (ends, status, message) in [
            (&[Up, Up][..], Up, "2 steps passed"),
            (&[Up, Degraded, Up], Degraded, "s1: degraded"),
            (&[Down, Down], Down, "s0: down"),
            (&[Unknown, Up], Unknown, "s0: unknown"),
            (&[Unknown, Down], Down, "s1: down"),
            (&[Down, Unknown], Down, "s0: down"),
            (&[Degraded, Unknown], Unknown, "s1: unknown"),
        ] {
            let outcome = verdict(ends, None);
            assert_eq!((outcome.status, outcome.message.as_str()), (status, message), "{ends:?}");
            assert_eq!(outcome.latency, Some(outcome.phases.iter().map(|(_, took)| *took).sum()));
        }
        let outcome = verdict(&[Up, Down], None);
        assert_eq!(outcome.phases, [("s0".into(), MS * 3), ("s1".into(), MS * 3)]);
        assert_eq!(json!(outcome.evidence), json!({ "step": "s1", "phases_ms": { "connect": 1.0 }, "nth": 1 }));
    }

    #[test]
    fn a_failed_expectation_is_listed_under_its_step() {
        let mut failed = Outcome::up("");
        failed.fail(Status::Degraded, "latency", "< 1s", "2s");
        let mut verdict = Verdict::new();
        verdict.add("login", failed);
        assert!(verdict.goes_on());
        let outcome = verdict.finish(None);
        assert_eq!(outcome.failed[0].expectation, "login.latency");
        assert_eq!(outcome.message, "login: latency: expected < 1s, got 2s");
    }

    #[test]
    fn the_latency_of_a_flow_is_that_of_all_its_steps() {
        assert_eq!(verdict(&[Status::Up; 2], Some("6ms")).message, "latency: expected < 6ms, got 6ms");
        assert_eq!(verdict(&[Status::Up; 2], Some("7ms")).status, Status::Up);
    }
}
