//! Made-up notices, one a state that a channel has to tell of: to try a channel, to look at its messages, and to hold
//! templates against.

use std::time::Duration;

use pingmon_core::{
    id::MonitorId,
    incident::{Closed, Event, Health, Judged, advance},
    monitor::{Definition, Monitor, State},
    notification::{Affected, Companion, Link, Notification, Subject, announce},
    outcome::{Outcome, Status},
    policy::{Policy, Threshold},
    time::{Span, Timestamp},
};

/// How far apart the runs of a sample are.
const MINUTE: Duration = Duration::from_secs(60);

/// The notices to `channel` of a sample monitor whose first failing run ended at `at`, in the order in which they would
/// come, each with the name of its state. All but `grouped` are of one incident, which is another for another `at`.
pub fn notices(channel: &str, at: Timestamp) -> Vec<(&'static str, Notification)> {
    let mut slow = Outcome::up("200 OK").latency(Duration::from_millis(1_840));
    slow.fail(Status::Degraded, "latency", "< 500ms", "1.84s");
    let mut notices: Vec<_> =
        story(channel, 1, "sample: shop api", at, [slow, failing(), failing(), Outcome::up("200 OK")])
            .into_iter()
            .map(|notice| (notice.event.as_str(), notice))
            .collect();
    let of =
        |event| notices.iter().find(|(state, _)| *state == event).map(|(_, notice): &(_, Notification)| notice.clone());
    let (reminder, resolved) = (of("reminder"), of("resolved"));
    if let Some(mut paused) = resolved.clone() {
        (paused.incident.closed, paused.outcome) = (Some(Closed::Paused), None);
        paused.incident.message.clear();
        notices.push(("paused", paused));
    }
    // Of an outage that was over before its channel could be told of it.
    if let Some(mut missed) = resolved {
        missed.opening = Some(failing().message);
        notices.push(("missed", missed));
    }
    if let Some(mut escalated) = reminder {
        escalated.event = Event::Escalated;
        notices.push(("escalated", escalated));
    }
    notices.push(("grouped", grouped(channel, at)));
    notices
}

/// One notice of what failed and two things that failed with it.
fn grouped(channel: &str, at: Timestamp) -> Notification {
    let failed = |number, name| story(channel, number, name, at, [failing()]).remove(0);
    let mut first = failed(2, "sample: database");
    first.also = vec![Companion::of(&failed(3, "sample: cart")), Companion::of(&failed(4, "sample: checkout"))];
    first
}

fn failing() -> Outcome {
    let mut outcome = Outcome::up("500 Internal Server Error").latency(Duration::from_millis(38));
    outcome.fail(Status::Down, "status", "2xx", "500");
    outcome.fail(Status::Down, "body[0].json", "ok", "broken");
    outcome.evidence("address", "192.0.2.10:443").evidence("body", "{\"status\": \"broken\"}")
}

/// The notices of a monitor whose runs, a minute apart, ended like this.
fn story(
    channel: &str,
    number: u32,
    name: &str,
    mut at: Timestamp,
    runs: impl IntoIterator<Item = Outcome>,
) -> Vec<Notification> {
    let definition = Definition::new(name, "http").label("team", "shop");
    let id = format!("00000000-0000-7000-8000-{number:012}").parse().unwrap_or_else(|_| MonitorId::new());
    let subject = Subject::of(&Monitor::new(id, 1, State::Active, definition));
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    policy.degraded_after = Some(Threshold::Count(1));
    policy.remind_every = Some(Span(MINUTE));
    let (mut health, mut notices) = (Health::default(), Vec::new());
    for outcome in runs {
        let run = Judged { monitor: id, slot: at, status: outcome.status, at };
        let (next, transitions) = advance(&health, run, &policy);
        let told = announce(&subject, &[channel.to_owned()], &transitions, Some(&outcome), MINUTE);
        notices.extend(told.into_iter().map(|delivery| complete(delivery.notification)));
        (health, at) = (next, at + MINUTE);
    }
    notices
}

/// With the facts that only some notices have.
fn complete(mut notice: Notification) -> Notification {
    if notice.event != Event::Resolved {
        notice.confirmed_by = vec!["worker-1".to_owned(), "worker-2".to_owned()];
    }
    if notice.event == Event::Opened {
        notice.affected = Affected::new(12, vec!["sample: cart".to_owned(), "sample: checkout".to_owned()]);
    }
    notice.links = vec![Link::new("Details", "https://status.example/monitors/sample")];
    notice
}
