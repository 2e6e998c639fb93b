//! One run's findings while they come in: figures held against levels, and what couldn't be judged at all.

use std::fmt;

use pingmon_core::outcome::{Metric, Outcome, Status};

use crate::levels::Levels;

/// An outcome in the making. An expectation that couldn't be judged makes it `unknown`, unless another one has failed:
/// a known fault isn't hidden by a gap in what we see, and a gap is never passed off as health.
pub(crate) struct Judgement {
    outcome: Outcome,
    unjudged: Vec<String>,
}

impl Judgement {
    /// Nothing found so far.
    pub(crate) fn new() -> Self {
        Self { outcome: Outcome::up(""), unjudged: Vec::new() }
    }

    /// Records a number.
    pub(crate) fn metric(&mut self, metric: Metric) {
        self.outcome.metrics.push(metric);
    }

    /// Records a fact.
    #[cfg(feature = "postgres")]
    pub(crate) fn evidence(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.outcome.evidence.insert(name.to_owned(), value.into());
    }

    /// Holds a figure against its levels.
    pub(crate) fn level<T>(&mut self, levels: &Levels<T>, expectation: impl Into<String>, figure: T)
    where
        T: Copy + PartialOrd + fmt::Display,
    {
        if let Some((status, level)) = levels.reached(figure) {
            self.outcome.fail(status, expectation, format!("< {level}"), figure.to_string());
        }
    }

    /// Records an expectation that wasn't met.
    pub(crate) fn fail(
        &mut self,
        level: Status,
        expectation: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) {
        self.outcome.fail(level, expectation, expected, actual);
    }

    /// Records an expectation that we weren't able to judge, with the reason.
    pub(crate) fn unjudged(&mut self, expectation: &str, reason: impl fmt::Display) {
        self.unjudged.push(format!("{expectation}: {reason}"));
    }

    /// Holds how long the target took against what is expected of it.
    #[cfg(feature = "postgres")]
    pub(crate) fn latency(&mut self, latency: &crate::latency::Latency, took: std::time::Duration) {
        latency.judge(took, &mut self.outcome);
    }

    /// The verdict of a run that `end` cut short. What was found before stays; a fault found before stands against an
    /// `unknown` end.
    #[cfg(feature = "postgres")]
    pub(crate) fn cut_short(self, end: Outcome) -> Outcome {
        let mut outcome = self.finish("");
        if end.status == Status::Down || outcome.failed.is_empty() {
            (outcome.status, outcome.message) = (end.status, end.message);
        }
        outcome.evidence.extend(end.evidence);
        outcome
    }

    /// The verdict; `summary` is its line when all is well.
    pub(crate) fn finish(self, summary: impl Into<String>) -> Outcome {
        let Self { mut outcome, unjudged } = self;
        if outcome.status == Status::Up {
            outcome.message = summary.into();
        }
        if unjudged.is_empty() {
            return outcome;
        }
        if outcome.status == Status::Up {
            outcome.status = Status::Unknown;
            outcome.message = unjudged.join("; ");
        }
        outcome.evidence("unjudged", unjudged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_judged_is_unknown_and_never_hides_a_known_fault() {
        let mut unseen = Judgement::new();
        unseen.unjudged("disk", "no answer");
        let outcome = unseen.finish("fine");
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Unknown, "disk: no answer"));

        let mut faulty = Judgement::new();
        faulty.unjudged("disk", "no answer");
        faulty.level(&Levels { degraded: Some(80), down: None }, "cpu", 90);
        let outcome = faulty.finish("fine");
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Degraded, "cpu: expected < 80, got 90"));
        assert_eq!(outcome.evidence["unjudged"][0], "disk: no answer");
    }
}
