//! The rules of `advance` as tables.

use std::time::Duration;

use super::*;
use crate::time::Span;
use Event::{Eased, Opened, Reminder, Resolved, Worsened};
use Status::{Degraded, Down, Unknown, Up};

/// Feeds one verdict every 10 s and notes which events came at which run, as (run, event, level).
fn play(policy: &Policy, verdicts: &[Status]) -> (Health, Vec<(usize, Event, Status)>) {
    let monitor = MonitorId::from_uuid(uuid::Uuid::from_u128(7));
    let mut health = Health::default();
    let mut events = Vec::new();
    for (run, status) in verdicts.iter().enumerate() {
        let (after, transitions) = advance(&health, judged(monitor, run, *status), policy);
        health = after;
        events.extend(transitions.iter().map(|t| (run, t.event, t.incident.level)));
    }
    (health, events)
}

fn judged(monitor: MonitorId, run: usize, status: Status) -> Judged {
    let slot = Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(10) * u32::try_from(run).unwrap();
    Judged { monitor, slot, status, at: slot + Duration::from_millis(100) }
}

fn seconds(seconds: u64) -> Threshold {
    Threshold::For(Duration::from_secs(seconds))
}

#[test]
fn the_table_of_verdicts_and_events_holds() {
    let default = Policy::default();
    let patient = Policy { open_after: seconds(30), close_after: seconds(20), ..default.clone() };
    let eager = Policy { open_after: Threshold::Count(1), ..default.clone() };
    let deaf = Policy { open_after: Threshold::Never, unknown_after: Threshold::Never, ..default.clone() };
    let record_degraded = Policy { degraded_after: Some(Threshold::Never), ..default.clone() };
    type Row<'a> = (&'a str, &'a Policy, &'a [Status], &'a [(usize, Event, Status)]);
    let table: &[Row<'_>] = &[
        ("one failure is not confirmed", &default, &[Up, Down, Up, Down, Up], &[]),
        (
            "two failures open, one success closes",
            &default,
            &[Down, Down, Up],
            &[(1, Opened, Down), (2, Resolved, Down)],
        ),
        ("an open incident opens no second time", &default, &[Down, Down, Down, Down], &[(1, Opened, Down)]),
        ("unknown freezes the count of failures", &default, &[Down, Unknown, Down], &[(2, Opened, Down)]),
        ("unknown alone never opens a target's incident", &default, &[Unknown; 4], &[]),
        ("unknown for long is about the monitoring", &default, &[Unknown; 9], &[(4, Opened, Unknown)]),
        (
            "the first verdict ends blindness",
            &eager,
            &[Unknown, Unknown, Unknown, Unknown, Unknown, Down],
            &[(4, Opened, Unknown), (5, Resolved, Unknown), (5, Opened, Down)],
        ),
        (
            "unknown doesn't close an incident",
            &default,
            &[Down, Down, Unknown, Unknown, Up],
            &[(1, Opened, Down), (4, Resolved, Down)],
        ),
        (
            "a duration opens at the run that completes it",
            &patient,
            &[Down, Down, Down, Down, Down],
            &[(3, Opened, Down)],
        ),
        ("a duration is interrupted by success", &patient, &[Down, Down, Down, Up, Down, Down, Down], &[]),
        (
            "a duration closes at the run that completes it",
            &patient,
            &[Down, Down, Down, Down, Up, Up, Up],
            &[(3, Opened, Down), (6, Resolved, Down)],
        ),
        (
            "degraded is a level of its own",
            &default,
            &[Degraded, Degraded, Up],
            &[(1, Opened, Degraded), (2, Resolved, Degraded)],
        ),
        (
            "degraded then down worsens",
            &default,
            &[Degraded, Degraded, Down, Down, Up],
            &[(1, Opened, Degraded), (3, Worsened, Down), (4, Resolved, Down)],
        ),
        (
            "down and degraded together confirm degraded",
            &default,
            &[Down, Degraded, Down, Degraded],
            &[(1, Opened, Degraded)],
        ),
        (
            "down then degraded eases",
            &default,
            &[Down, Down, Degraded, Up],
            &[(1, Opened, Down), (2, Eased, Degraded), (3, Resolved, Degraded)],
        ),
        (
            "degraded may be recorded only",
            &record_degraded,
            &[Degraded, Degraded, Degraded, Down, Down],
            &[(4, Opened, Down)],
        ),
        ("never means never", &deaf, &[Down, Down, Down, Unknown, Unknown, Unknown, Unknown, Unknown, Unknown], &[]),
    ];
    for (name, policy, verdicts, expected) in table {
        assert_eq!(play(policy, verdicts).1, *expected, "{name}");
    }
}

#[test]
fn a_steady_state_is_equal_to_itself() {
    for status in [Up, Degraded, Down, Unknown] {
        let policy = Policy { open_after: seconds(30), ..Policy::default() };
        for policy in [Policy::default(), policy] {
            let (early, _) = play(&policy, &[status; 10]);
            let (late, _) = play(&policy, &[status; 11]);
            let strip =
                |health: Health| format!("{health:?}").replace(&format!("{:?}", health.target.map(|t| t.id)), "");
            assert_eq!(strip(early), strip(late), "{status}");
        }
    }
}

#[test]
fn each_wait_for_a_reminder_is_longer_up_to_the_longest() {
    let policy = Policy {
        remind_every: Some(Span(Duration::from_secs(60))),
        remind_factor: 2,
        remind_at_most: Some(Span(Duration::from_secs(200))),
        ..Policy::default()
    };
    let (_, events) = play(&policy, &[Down; 100]);
    let reminders = [7, 19, 39, 59, 79, 99].map(|run| (run, Reminder, Down));
    assert_eq!(events, [[(1, Opened, Down)].as_slice(), &reminders].concat());
}

#[test]
fn a_reminder_comes_each_time_the_interval_has_passed_and_stops_with_the_incident() {
    let policy = Policy { remind_every: Some(Span(Duration::from_secs(60))), ..Policy::default() };
    let mut verdicts = vec![Down; 15];
    verdicts.extend([Up; 10]);
    let events = play(&policy, &verdicts).1;
    assert_eq!(events, [(1, Opened, Down), (7, Reminder, Down), (13, Reminder, Down), (15, Resolved, Down)]);
}

#[test]
fn flap_damping_delays_the_notice_and_never_the_record() {
    let monitor = MonitorId::new();
    let policy = Policy { open_after: Threshold::Count(1), ..Policy::default() };
    let mut health = Health::default();
    let mut holds = Vec::new();
    for run in 0..10 {
        let status = if run % 2 == 0 { Down } else { Up };
        let judged = judged(monitor, run, status);
        let (after, transitions) = advance(&health, judged, &policy);
        assert_eq!(transitions.len(), 1, "each run opens or resolves, damped or not");
        assert_eq!(transitions[0].at, judged.at);
        holds.push(transitions[0].hold);
        health = after;
    }
    let held = Duration::from_secs(300);
    assert_eq!(holds, [[Duration::ZERO; 6].as_slice(), &[held; 4]].concat());
    assert!(health.changes.len() <= 6);
}

#[test]
fn re_checks_are_asked_for_only_while_something_is_unconfirmed() {
    let policy = Policy { close_after: Threshold::Count(2), ..Policy::default() };
    let unconfirmed = |verdicts: &[Status]| play(&policy, verdicts).0.is_unconfirmed(&policy);
    assert!(!unconfirmed(&[Up]));
    assert!(unconfirmed(&[Up, Down]));
    assert!(!unconfirmed(&[Down, Down]));
    assert!(unconfirmed(&[Down, Down, Up]));
    assert!(!unconfirmed(&[Down, Down, Up, Up]));
    let deaf = Policy { open_after: Threshold::Never, ..Policy::default() };
    assert!(!play(&deaf, &[Down]).0.is_unconfirmed(&deaf));
}

#[test]
fn ending_the_watch_closes_what_is_open_and_forgets_the_streaks() {
    let policy = Policy::default();
    let (health, _) = play(&policy, &[Down, Down, Unknown, Unknown, Unknown, Unknown, Unknown]);
    assert_eq!(health.open().count(), 2);
    let at = Timestamp::from_micros(1_900_000_000_000_000);
    let (after, transitions) = close(&health, MonitorId::new(), Closed::Paused, at, &policy);
    assert!(transitions.iter().all(|t| t.event == Resolved && t.closed == Some(Closed::Paused)));
    assert_eq!((transitions.len(), after.open().count(), after.status), (2, 0, None));
}
