//! Escalation: who else is told, and when, as long as nobody sees to an incident.

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Delivery, Subject, delivery::notices};
use crate::{
    error::{Error, Result},
    incident::{Event, Transition},
    outcome::Outcome,
    policy::MAX_DURATION,
    time::Span,
};

/// Most steps of an escalation.
pub const MAX_STEPS: usize = 10;
/// Room for the numbers of the steps between those of two changes of an incident.
const STRIDE: u32 = 100;

/// A step of an escalation: channels that are told of an incident that is neither resolved nor acknowledged by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the incident opened, up to 31 days.
    pub after: Span,
    /// Names of the notifiers that are told.
    #[schemars(length(min = 1, max = 32))]
    pub notify: Vec<String>,
}

impl Step {
    /// A step that tells `channels` after that long.
    pub fn new<S: Into<String>>(after: Duration, channels: impl IntoIterator<Item = S>) -> Self {
        Self { after: Span(after), notify: channels.into_iter().map(Into::into).collect() }
    }
}

/// Refuses what is out of its limits; whether there are such channels is for others to say.
pub(crate) fn validate(steps: &[Step]) -> Result<()> {
    if steps.len() > MAX_STEPS {
        return Err(Error::config(
            "escalation",
            format!("{} steps are more than the {MAX_STEPS} allowed", steps.len()),
        ));
    }
    match steps.iter().find(|step| step.after.0 > MAX_DURATION || step.notify.is_empty()) {
        Some(step) if step.notify.is_empty() => Err(Error::config("escalation", "has a step that tells nobody")),
        Some(step) => Err(Error::config("escalation", format!("{} is out of range: up to 31days", step.after))),
        None => Ok(()),
    }
}

/// The deliveries of all steps whose time is still to come at `change`, which opened or worsened the incident, each at its
/// time: so they stand in line behind what happens before. Those that are written as it worsens say how bad it is by then;
/// in the outbox they supersede the ones of the same instant.
pub(super) fn escalate(
    steps: &[Step],
    subject: &Subject,
    change: Transition,
    outcome: Option<&Outcome>,
    expiry: Duration,
) -> Vec<Delivery> {
    let opened = change.event == Event::Opened;
    let first = if opened { 0 } else { change.incident.sequence.saturating_mul(STRIDE) };
    let step = |(number, step): (u32, &Step)| {
        let mut escalated = Transition { event: Event::Escalated, hold: Duration::ZERO, ..change };
        escalated.at = change.incident.told_since() + step.after.0;
        escalated.incident.sequence = first.saturating_add(number);
        let channels: BTreeSet<_> = step.notify.iter().filter(|_| opened || escalated.at > change.at).collect();
        notices(subject, channels, escalated, outcome, expiry).collect::<Vec<_>>()
    };
    (1..).zip(steps).flat_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        incident::{Health, Judged, advance},
        monitor::{Definition, Monitor, State},
        notification::Audience,
        outcome::Status,
        policy::{Policy, Threshold},
        time::Timestamp,
    };

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_step_is_a_delivery_at_its_time_and_everybody_may_hear_of_the_end() {
        let policy = Policy { open_after: Threshold::Count(1), ..Policy::default() };
        let shop = Definition::new("shop", "http").notify(["ops"]).policy(policy.clone());
        let shop =
            shop.escalation([Step::new(10 * MINUTE, ["oncall", "ops"]), Step::new(30 * MINUTE, ["boss", "oncall"])]);
        let (audience, monitor) = (Audience::of(&shop), Monitor::new(MonitorId::new(), 1, State::Active, shop));
        let subject = Subject::of(&monitor);
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let told = |health: &Health, minutes: u32, outcome: &Outcome| {
            let at = start + minutes * MINUTE;
            let judged = Judged { monitor: monitor.id, slot: at, status: outcome.status, at };
            let (health, transitions) = advance(health, judged, &policy);
            let deliveries = audience.notices(&subject, &[], &transitions, Some(outcome), MINUTE);
            let mut told: Vec<_> = deliveries
                .iter()
                .map(|delivery| {
                    let notice = &delivery.notification;
                    assert_eq!((delivery.due_at, delivery.expires_at), (notice.at, notice.at + MINUTE));
                    let minute = notice.at.since(start).as_secs() / 60;
                    (minute, notice.channel.clone(), notice.event)
                })
                .collect();
            let ids: BTreeSet<_> = deliveries.iter().map(|delivery| *delivery.id().as_uuid()).collect();
            assert_eq!(ids.len(), told.len(), "each has a key of its own");
            told.sort_by_key(|(minute, channel, _)| (*minute, channel.clone()));
            (health, told)
        };
        let line = |minute, channel: &str, event| (minute, channel.to_owned(), event);
        let (health, opened) = told(&Health::default(), 0, &Outcome::down("refused"));
        let expected = [
            line(0, "ops", Event::Opened),
            line(10, "oncall", Event::Escalated),
            line(10, "ops", Event::Escalated),
            line(30, "boss", Event::Escalated),
            line(30, "oncall", Event::Escalated),
        ];
        assert_eq!(opened, expected);
        let (_, resolved) = told(&health, 12, &Outcome::up("fine"));
        assert_eq!(resolved, ["boss", "oncall", "ops"].map(|channel| line(12, channel, Event::Resolved)));
        assert_eq!(health.status, Some(Status::Down));
    }

    #[test]
    fn what_worsens_is_escalated_as_it_is_then_unless_somebody_sees_to_it() {
        let one = Threshold::Count(1);
        let policy = Policy { open_after: one, degraded_after: Some(one), ..Policy::default() };
        let shop = Definition::new("shop", "http").policy(policy.clone());
        let shop = shop.escalation([Step::new(MINUTE, ["first"]), Step::new(10 * MINUTE, ["second"])]);
        let (audience, monitor) = (Audience::of(&shop), Monitor::new(MonitorId::new(), 1, State::Active, shop));
        let start = Timestamp::from_micros(1_800_000_000_000_000);
        let judged = |minutes: u32, status| {
            let at = start + minutes * MINUTE;
            Judged { monitor: monitor.id, slot: at, status, at }
        };
        let steps = |transitions: &[Transition]| {
            let deliveries = audience.notices(&Subject::of(&monitor), &[], transitions, None, MINUTE);
            let notices = deliveries.into_iter().map(|delivery| delivery.notification);
            notices
                .map(|notice| (notice.channel, notice.at.since(start).as_secs() / 60, notice.incident.level, notice.id))
                .collect::<Vec<_>>()
        };
        let (health, opened) = advance(&Health::default(), judged(0, Status::Degraded), &policy);
        let (opened, before) = (steps(&opened), advance(&health, judged(5, Status::Down), &policy).1);
        let worsened = steps(&before);
        assert_eq!(opened.len(), 2);
        let (channel, minute, level, id) = &worsened[0];
        assert_eq!((worsened.len(), channel.as_str(), *minute, *level), (1, "second", 10, Status::Down));
        assert_ne!(*id, opened[1].3, "it is another notice");
        let seen_to = health.acknowledged(health.target.unwrap().id).unwrap();
        assert_eq!(steps(&advance(&seen_to, judged(5, Status::Down), &policy).1), []);
    }

    #[test]
    fn steps_out_of_their_limits_are_refused() {
        let steps = |step: Step, count| validate(&vec![step; count]).is_ok();
        assert!(
            steps(Step::new(10 * MINUTE, ["oncall"]), MAX_STEPS) && steps(Step::new(Duration::ZERO, ["oncall"]), 1)
        );
        assert!(!steps(Step::new(MINUTE, ["oncall"]), MAX_STEPS + 1));
        assert!(!steps(Step::new(MINUTE, [""; 0]), 1));
        assert!(!steps(Step::new(32 * 1_440 * MINUTE, ["oncall"]), 1));
    }
}
