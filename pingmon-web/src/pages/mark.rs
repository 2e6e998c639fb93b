//! How a monitor, a run or an incident stands, in one word with its shape and colour.

use std::time::Duration;

use pingmon_core::{
    monitor::State,
    outcome::Status,
    store::catalog::Overview,
    time::{Span, Timestamp},
};
use serde::Serialize;

use super::wording;

/// How long after its slot and timeout a run may still be missing before that is said: the committer's and a takeover's
/// time with room to spare.
const GRACE: Duration = Duration::from_secs(60);

/// A word, and the class that gives it shape and colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
}

impl Mark {
    pub(super) const fn of_status(status: Status) -> Self {
        let word = match status {
            Status::Up => "Up",
            Status::Degraded => "Degraded",
            Status::Down => "Down",
            Status::Unknown => "Unknown",
        };
        Self { class: status.as_str(), word }
    }

    pub(super) const fn of_monitor(overview: &Overview) -> Self {
        match (overview.monitor.state, overview.health.status) {
            (State::Paused, _) => Self { class: "idle", word: "Paused" },
            (State::Retired, _) => Self { class: "idle", word: "Retired" },
            (State::Active, None) => Self { class: "idle", word: "Waiting" },
            (State::Active, Some(status)) => Self::of_status(status),
        }
    }
}

/// What the word alone doesn't say.
pub(super) fn note(overview: &Overview, now: Timestamp) -> Option<String> {
    if overview.monitor.state != State::Active {
        return None;
    }
    let Span(timeout) = overview.monitor.definition.timeout;
    if now > overview.slot + timeout + GRACE {
        return Some(format!("overdue for {}", wording::span(now.since(overview.slot))));
    }
    if let Some(reason) = &overview.health.held_because {
        return Some(format!("nobody is told: {reason}"));
    }
    if overview.health.deferred_since.is_some() {
        return Some("looking at what it depends on".into());
    }
    if overview.health.second_opinion {
        return Some("another worker is to see it".into());
    }
    match (overview.health.status?, overview.health.target.is_some()) {
        (Status::Up, true) => Some("recovering".into()),
        (Status::Degraded | Status::Down, false) => {
            let unconfirmed = overview.health.is_unconfirmed(&overview.monitor.definition.policy);
            unconfirmed.then(|| "not confirmed yet".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::{
        id::MonitorId,
        incident::{self, Health, Judged},
        monitor::{Definition, Monitor},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn after(statuses: &[Status]) -> Overview {
        let monitor = Monitor::new(MonitorId::new(), 1, State::Active, Definition::new("shop", "http"));
        let policy = &monitor.definition.policy;
        let health = statuses.iter().fold(Health::default(), |health, status| {
            let run = Judged { monitor: monitor.id, slot: NOW, status: *status, at: NOW };
            incident::advance(&health, run, policy).0
        });
        Overview::new(monitor, health, NOW + Duration::from_secs(30))
    }

    #[test]
    fn the_note_tells_what_is_not_confirmed() {
        use Status::{Down, Up};
        for (statuses, word, expected) in [
            (&[][..], "Waiting", None),
            (&[Up], "Up", None),
            (&[Up, Down], "Down", Some("not confirmed yet")),
            (&[Up, Down, Down], "Down", None),
        ] {
            let overview = after(statuses);
            assert_eq!(Mark::of_monitor(&overview).word, word);
            assert_eq!(note(&overview, NOW).as_deref(), expected, "{statuses:?}");
        }
    }

    #[test]
    fn the_note_tells_why_nobody_is_told() {
        let mut overview = after(&[Status::Up, Status::Down, Status::Down]);
        overview.health.held_because = Some("maintenance \"deploy\"".to_owned());
        assert_eq!(note(&overview, NOW).as_deref(), Some("nobody is told: maintenance \"deploy\""));
    }

    #[test]
    fn a_run_that_never_came_is_told_but_a_paused_one_is_not_missed() {
        let mut overview = after(&[Status::Up]);
        let later = overview.slot + Duration::from_secs(300);
        assert_eq!(note(&overview, later).as_deref(), Some("overdue for 5 min"));
        overview.monitor.state = State::Paused;
        assert_eq!(note(&overview, later), None);
        assert_eq!(Mark::of_monitor(&overview).word, "Paused");
    }
}
