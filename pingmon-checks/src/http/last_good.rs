//! The last run that went well, as far as this process knows, for a failure to be compared with.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pingmon_core::{
    outcome::{Outcome, millis},
    time::Timestamp,
};
use serde_json::json;

use super::answer::Answer;
use crate::stopwatch::{Phase, Timing};

/// What has to change at least for a phase to be worth a word.
const NOTABLE: Duration = Duration::from_millis(20);
const PHASES: [Phase; 5] = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::FirstByte, Phase::Transfer];

/// What is kept of a good run.
#[derive(Clone, Copy)]
struct Good {
    at: Timestamp,
    status: u16,
    size: usize,
    address: Option<SocketAddr>,
    timing: Timing,
}

impl Good {
    fn of(answer: &Answer, at: Timestamp) -> Self {
        let Answer { status, address, timing, ref body, .. } = *answer;
        Self { at, status: status.as_u16(), size: body.len(), address, timing }
    }
}

/// The memory of one check.
#[derive(Default)]
pub(super) struct LastGood(Mutex<Option<Good>>);

impl LastGood {
    /// Keeps an answer that was as it should be.
    pub(super) fn remember(&self, answer: &Answer, at: Timestamp) {
        *self.kept() = Some(Good::of(answer, at));
    }

    /// Adds to a failure how it differs from the last good run, if there was one.
    pub(super) fn compare(&self, answer: Option<&Answer>, timing: &Timing, outcome: Outcome) -> Outcome {
        let Some(good) = *self.kept() else { return outcome };
        let mut changes = slower(&good.timing, timing);
        if let Some(answer) = answer {
            changes.extend(differences(&good, &Good::of(answer, good.at)));
        }
        if changes.is_empty() {
            changes.push("nothing that was measured".to_owned());
        }
        outcome
            .evidence("last_good", json!({ "at": good.at, "latency_ms": millis(good.timing.total) }))
            .evidence("changed", changes.join(", "))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Good>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The phases that took at least twice as long.
fn slower(good: &Timing, bad: &Timing) -> Vec<String> {
    let change = |phase: Phase| {
        let (before, after) = (good.spent(phase), bad.spent(phase));
        let notable = after >= before * 2 && after - before >= NOTABLE;
        notable.then(|| format!("{} {} -> {}", phase.as_str(), shown(before), shown(after)))
    };
    PHASES.into_iter().filter_map(change).collect()
}

fn differences(good: &Good, bad: &Good) -> Vec<String> {
    let mut changes = Vec::new();
    if good.status != bad.status {
        changes.push(format!("status {} -> {}", good.status, bad.status));
    }
    if good.size > bad.size.saturating_mul(2) || bad.size > good.size.saturating_mul(2) {
        changes.push(format!("body {} -> {} bytes", good.size, bad.size));
    }
    changes.push(match (good.address, bad.address) {
        (Some(before), Some(after)) if before != after => format!("address {before} -> {after}"),
        _ => "same address".to_owned(),
    });
    changes
}

/// A length of time to two or three digits.
fn shown(took: Duration) -> String {
    let millis = millis(took);
    match millis {
        _ if millis < 10.0 => format!("{millis:.1} ms"),
        _ if millis < 1_000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn answer(address: &str, timing: Timing) -> Answer {
        Answer { address: Some(address.parse().unwrap()), timing, ..Answer::sample() }
    }

    #[test]
    fn a_failure_says_what_changed_since_the_last_good_run() {
        let good = answer("192.0.2.1:443", Timing::fake(&[(Phase::Connect, 8), (Phase::FirstByte, 40)]));
        let memory = LastGood::default();
        let compare = |bad: &Answer| memory.compare(Some(bad), &bad.timing, Outcome::down("")).evidence;
        assert!(compare(&good).is_empty());
        memory.remember(&good, Timestamp::default());

        let slow = answer("192.0.2.1:443", Timing::fake(&[(Phase::Connect, 9), (Phase::FirstByte, 4_100)]));
        let evidence = compare(&slow);
        assert_eq!(evidence["changed"], "first_byte 40 ms -> 4.1 s, same address");
        assert_eq!(evidence["last_good"]["latency_ms"], 48.0);

        let moved = answer("192.0.2.2:443", Timing::fake(&[]));
        let moved = Answer { status: StatusCode::BAD_GATEWAY, body: vec![b'x'; 9], ..moved };
        let changed = "status 200 -> 502, body 0 -> 9 bytes, address 192.0.2.1:443 -> 192.0.2.2:443";
        assert_eq!(compare(&moved)["changed"], changed);

        let none = memory.compare(None, &Timing::fake(&[(Phase::Connect, 5_000)]), Outcome::down(""));
        assert_eq!(none.evidence["changed"], "connect 8.0 ms -> 5.0 s");
    }
}
