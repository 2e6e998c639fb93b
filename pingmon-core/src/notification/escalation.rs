//! Escalation: who else is told, and when, as long as nobody sees to an incident.

use std::{collections::BTreeSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Delivery, Subject, announce, delivery::notices};
use crate::{
    error::{Error, Result},
    incident::{Event, Transition},
    monitor::Definition,
    outcome::Outcome,
    policy::MAX_DURATION,
    time::Span,
};

/// Most steps of an escalation.
pub const MAX_STEPS: usize = 10;

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

/// Whom a monitor's notices go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audience {
    /// The channels that are told of everything at once.
    pub notify: Vec<String>,
    /// Those that are told later.
    pub escalation: Vec<Step>,
}

impl Audience {
    /// Those whom a definition names.
    pub fn of(definition: &Definition) -> Self {
        Self { notify: definition.notify.clone(), escalation: definition.escalation.clone() }
    }

    /// The deliveries that `transitions` call for: those of [`announce`], and one for each channel of each step when an
    /// incident opens. Whoever may have been escalated to is told that it is resolved; the outbox folds what tells that to
    /// one who has heard nothing.
    pub fn notices(
        &self,
        subject: &Subject,
        transitions: &[Transition],
        outcome: Option<&Outcome>,
        expiry: Duration,
    ) -> Vec<Delivery> {
        let mut deliveries = announce(subject, &self.notify, transitions, outcome, expiry);
        let announced = transitions.iter().filter(|change| !change.incident.held && !self.escalation.is_empty());
        for transition in announced {
            match transition.event {
                Event::Opened => deliveries.extend(self.escalate(subject, *transition, outcome, expiry)),
                Event::Resolved => {
                    let others: BTreeSet<_> = self.escalation.iter().flat_map(|step| &step.notify).collect();
                    let others = others.into_iter().filter(|channel| !self.notify.contains(channel));
                    deliveries.extend(notices(subject, others, *transition, outcome, expiry));
                }
                _ => {}
            }
        }
        deliveries
    }

    /// The deliveries of all steps, each at its time: so they stand in line behind what happens before.
    fn escalate(
        &self,
        subject: &Subject,
        opened: Transition,
        outcome: Option<&Outcome>,
        expiry: Duration,
    ) -> Vec<Delivery> {
        let step = |(number, step): (u32, &Step)| {
            let mut escalated = Transition { event: Event::Escalated, hold: Duration::ZERO, ..opened };
            escalated.at = opened.at + step.after.0;
            escalated.incident.sequence = number;
            let channels: BTreeSet<_> = step.notify.iter().collect();
            notices(subject, channels, escalated, outcome, expiry).collect::<Vec<_>>()
        };
        (1..).zip(&self.escalation).flat_map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        incident::{Health, Judged, advance},
        monitor::{Monitor, State},
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
            let deliveries = audience.notices(&subject, &transitions, Some(outcome), MINUTE);
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
