//! Real notices, made the way the engine makes them.

use std::time::Duration;

use pingmon_core::{
    incident::{self, Health, Judged},
    monitor::{Definition, Monitor, State},
    notification::{self, Notification, Subject},
    outcome::Outcome,
    policy::{Policy, Threshold},
    time::{Span, Timestamp},
};

/// When the first run ended: 2026-11-22T12:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

pub(crate) const MONITOR: &str = "0193c5a0-0000-7000-8000-000000000001";

/// The notices to channel `ops` of the monitor "shop api" whose runs, a minute apart, ended like this. An incident opens
/// at once and is announced again every three minutes.
pub(crate) fn after(outcomes: impl IntoIterator<Item = Outcome>) -> Vec<Notification> {
    let definition = Definition::new("shop api", "http").label("team", "shop");
    let monitor = Monitor::new(MONITOR.parse().unwrap(), 1, State::Active, definition);
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    policy.remind_every = Some(Span(Duration::from_secs(180)));
    let mut health = Health::default();
    let mut at = START;
    let mut notices = Vec::new();
    for outcome in outcomes {
        let run = Judged { monitor: monitor.id, slot: at, status: outcome.status, at };
        let (next, transitions) = incident::advance(&health, run, &policy);
        let expiry = notification::DEFAULT_EXPIRY;
        let subject = Subject::of(&monitor);
        let deliveries = notification::announce(&subject, &["ops".into()], &transitions, Some(&outcome), expiry);
        notices.extend(deliveries.into_iter().map(|delivery| delivery.notification));
        health = next;
        at = at + Duration::from_secs(60);
    }
    notices
}

/// One notice: "shop api is down".
pub(crate) fn opened() -> Notification {
    after([Outcome::down("500 Internal Server Error")]).remove(0)
}
