//! What a run comes to: the plug-in's outcome in our words, or why there is none. That a plug-in broke says nothing about
//! its target, hence `unknown`.

use std::{collections::BTreeMap, time::Duration};

use pingmon_core::{
    outcome::{Metric, Outcome, Status},
    time::Span,
};
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use super::{bindings::pingmon::check::types, limits::Halt, state::Unreadable};
use crate::stopwatch::Timing;

/// Longest part of what a plug-in wrote while it broke that is shown, in characters.
const MAX_LAST_WORDS: usize = 1_000;

/// Why a run has no outcome.
#[derive(Debug)]
pub(super) enum Broken {
    /// It didn't end in time.
    Late(Duration),
    /// All slots were taken all the time.
    Crowded(Duration),
    /// It was stopped, or stopped itself.
    Trapped(wasmtime::Error),
    /// It said that it can't.
    Refused(types::Error),
    /// It isn't there.
    Missing(String),
    /// It can't do with the config, or is for something else.
    Unfit(String),
}

impl Broken {
    /// The stable word for it, and one line for people.
    pub(super) fn explain(&self) -> (&'static str, String) {
        match self {
            Self::Late(limit) => ("plugin_timeout", format!("the plug-in didn't end within {}", Span(*limit))),
            Self::Crowded(limit) => {
                let reason = "all slots for plug-ins (wasm.max_runs) were taken";
                ("plugin_limit", format!("the plug-in didn't get its turn within {}: {reason}", Span(*limit)))
            }
            Self::Trapped(error) => trapped(error),
            Self::Missing(reason) => ("plugin_missing", reason.clone()),
            Self::Unfit(reason) => ("plugin_config", reason.clone()),
            Self::Refused(types::Error::Config(reason)) => {
                ("plugin_config", format!("the plug-in can't use its config: {reason}"))
            }
            Self::Refused(types::Error::Broken(reason)) => ("plugin_failed", format!("the plug-in failed: {reason}")),
        }
    }
}

/// Whether it was the plug-in's code that broke, or was stopped, and not what it gave us.
pub(super) fn is_trap(error: &wasmtime::Error) -> bool {
    error.is::<Halt>() || error.is::<I32Exit>() || error.is::<Trap>()
}

fn trapped(error: &wasmtime::Error) -> (&'static str, String) {
    if let Some(halt) = error.downcast_ref::<Halt>() {
        return ("plugin_limit", format!("the plug-in was stopped: {halt}"));
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return ("plugin_trap", format!("the plug-in broke: it exited with {code}"));
    }
    if let Some(Unreadable(reason)) = error.downcast_ref() {
        return ("plugin_state", format!("what the monitor keeps can't be read: {reason}"));
    }
    let stopped = |what: &str| ("plugin_limit", format!("the plug-in was stopped: {what}"));
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => stopped("it needs more stack than wasm.max_stack, as endless recursion does"),
        Some(Trap::OutOfFuel) => stopped("it needs more instructions than wasm.fuel"),
        Some(Trap::UnreachableCodeReached) => {
            ("plugin_trap", "the plug-in broke: it reached `unreachable`, as a panic does".to_owned())
        }
        Some(trap) => ("plugin_trap", format!("the plug-in broke: {trap}")),
        None => {
            let cause = error.root_cause().to_string();
            ("plugin_trap", format!("the plug-in broke: {}", cause.lines().next().unwrap_or_default()))
        }
    }
}

/// The verdict on a run that broke.
pub(super) fn unknown(broken: &Broken, wrote: &str) -> Outcome {
    let (kind, message) = broken.explain();
    let outcome = Outcome::unknown(message).evidence("error", kind);
    let last_words = last_words(wrote);
    if last_words.is_empty() { outcome } else { outcome.evidence("stderr", last_words) }
}

/// The end of what a plug-in wrote while it broke.
pub(super) fn last_words(wrote: &str) -> String {
    let skipped = wrote.chars().count().saturating_sub(MAX_LAST_WORDS);
    wrote.trim_end().chars().skip(skipped).collect()
}

/// The plug-in's outcome in our words.
pub(super) fn outcome(found: types::Outcome) -> Outcome {
    let status = match found.status {
        types::Status::Up => Status::Up,
        types::Status::Degraded => Status::Degraded,
        types::Status::Down => Status::Down,
        types::Status::Unknown => Status::Unknown,
    };
    let message = found.message;
    let mut outcome = Outcome::new(status, "");
    outcome.latency = found.latency.map(Duration::from_micros);
    outcome.phases =
        found.phases.into_iter().map(|phase| (phase.name.into(), Duration::from_micros(phase.microseconds))).collect();
    for failure in found.failed {
        let level = match failure.level {
            types::Level::Degraded => Status::Degraded,
            types::Level::Down => Status::Down,
        };
        outcome.fail(level, failure.expectation, failure.expected, failure.actual);
    }
    // The plug-in's own words stand, whatever failed.
    (outcome.status, outcome.message) = (status, message);
    outcome.metrics = found.metrics.into_iter().map(metric).collect();
    outcome.evidence = found.evidence.into_iter().map(|fact| (fact.name, fact.value.into())).collect();
    outcome
}

pub(super) fn metric(metric: types::Metric) -> Metric {
    let labels: BTreeMap<_, _> = metric.labels.into_iter().map(|label| (label.key, label.value)).collect();
    let mut measured = Metric::new(metric.name, metric.value, metric.unit);
    measured.labels = labels;
    measured
}

/// Where the time of a request went, in the plug-in's words.
pub(super) fn phases(timing: &Timing) -> Vec<types::Phase> {
    let stamped = timing.stamp(Outcome::up(""));
    let micros = |spent: Duration| u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
    let phases = stamped.phases.into_iter();
    phases.map(|(name, spent)| types::Phase { name: name.into_owned(), microseconds: micros(spent) }).collect()
}
