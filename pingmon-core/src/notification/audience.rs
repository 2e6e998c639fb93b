//! Whom a monitor's notices go to: who is told of which change, as which event. When it goes out is `timing`'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Delivery, Step, Subject, delivery::notices, escalation::escalate};
use crate::{
    incident::{Event, Transition},
    monitor::Definition,
    outcome::{Outcome, Status},
    route::Route,
};

/// Whom a monitor's notices go to, beside those that routes lead to.
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

    /// The deliveries that `transitions` call for, with `outcome`, the run behind them: one to each channel that the monitor
    /// or a route names, and one for each channel of each step of its escalation when an incident opens or worsens.
    /// Whoever may have been told is told that it is resolved; the outbox folds what tells that to one who has heard nothing.
    pub fn notices(
        &self,
        subject: &Subject,
        routes: &[Route],
        transitions: &[Transition],
        outcome: Option<&Outcome>,
        expiry: Duration,
    ) -> Vec<Delivery> {
        let routes: Vec<_> = routes.iter().filter(|route| route.matcher.matches(subject)).collect();
        let mut deliveries = Vec::new();
        for change in transitions.iter().filter(|change| change.event != Event::Eased && !change.incident.held) {
            for (channel, event) in self.told(&routes, change) {
                deliveries.extend(notices(subject, [channel], Transition { event, ..*change }, outcome, expiry));
            }
            if matches!(change.event, Event::Opened | Event::Worsened) && !change.incident.acknowledged {
                deliveries.extend(escalate(&self.escalation, subject, *change, outcome, expiry));
            }
        }
        deliveries
    }

    /// The channels that are told of a change, and of which event each: where nothing was told while it was degraded, an
    /// incident that worsens opens.
    fn told<'a>(&'a self, routes: &[&'a Route], change: &Transition) -> BTreeMap<&'a String, Event> {
        let Transition { event, incident, .. } = *change;
        let led_to = |level| routes.iter().filter(move |route| route.takes(level)).flat_map(|route| &route.notify);
        let escalated = self.escalation.iter().flat_map(|step| &step.notify);
        let as_it_is = |channel| (channel, event);
        let mut told: BTreeMap<_, _> = match event {
            Event::Resolved => routes.iter().flat_map(|route| &route.notify).chain(escalated).map(as_it_is).collect(),
            Event::Worsened if !incident.eased => {
                let told_before: BTreeSet<_> = led_to(Status::Degraded).collect();
                let event = |channel| if told_before.contains(channel) { event } else { Event::Opened };
                led_to(incident.level).map(|channel| (channel, event(channel))).collect()
            }
            _ => led_to(incident.level).map(as_it_is).collect(),
        };
        told.extend(self.notify.iter().map(as_it_is));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        incident::{Health, Judged, advance},
        matcher::Matcher,
        monitor::{Monitor, State},
        policy::{Policy, Threshold},
        time::{Span, Timestamp},
    };
    use Event::{Opened, Reminder, Resolved, Worsened};
    use Status::{Degraded, Down, Unknown, Up};

    /// What the channels of a monitor of the shop hear, one run a minute: (minute, channel, event), in this order.
    fn heard(audience: &Audience, routes: &[Route], runs: &[Status]) -> Vec<(usize, String, Event)> {
        let one = Threshold::Count(1);
        let mut policy = Policy { open_after: one, unknown_after: one, ..Policy::default() };
        policy.remind_every = Some(Span(Duration::from_secs(120)));
        let shop = Definition::new("shop", "http").label("team", "shop");
        let subject = Subject::of(&Monitor::new(MonitorId::new(), 1, State::Active, shop));
        let (mut health, mut heard) = (Health::default(), Vec::new());
        for (minute, status) in runs.iter().enumerate() {
            let at = Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(60 * minute as u64);
            let run = Judged { monitor: subject.id, slot: at, status: *status, at };
            let (after, transitions) = advance(&health, run, &policy);
            health = after;
            let outcome = Outcome::new(*status, "");
            let deliveries = audience.notices(&subject, routes, &transitions, Some(&outcome), Duration::ZERO);
            let ids: BTreeSet<_> = deliveries.iter().map(|delivery| *delivery.id().as_uuid()).collect();
            assert_eq!(ids.len(), deliveries.len(), "each has a key of its own");
            heard.extend(deliveries.into_iter().map(|delivery| {
                let notice = delivery.notification;
                (minute, notice.channel, notice.event)
            }));
        }
        heard
    }

    fn shop() -> Matcher {
        Matcher::all().label("team", "shop")
    }

    #[test]
    fn routes_add_to_what_the_monitor_names_and_each_channel_is_told_once() {
        let routes = [
            Route::new(shop(), ["team", "ops"]),
            Route::new(Matcher::all(), ["team"]).level(Down),
            Route::new(Matcher::all().label("team", "mill"), ["miller"]),
        ];
        let audience = Audience { notify: vec!["ops".to_owned()], ..Audience::default() };
        let line = |minute, channel: &str, event| (minute, channel.to_owned(), event);
        let expected =
            [line(0, "ops", Opened), line(0, "team", Opened), line(1, "ops", Resolved), line(1, "team", Resolved)];
        assert_eq!(heard(&audience, &routes, &[Down, Up]), expected);
        assert_eq!(heard(&audience, &[], &[Down, Up]), [line(0, "ops", Opened), line(1, "ops", Resolved)]);
    }

    #[test]
    fn a_channel_hears_of_the_levels_that_its_routes_take_and_of_every_end() {
        let route =
            |levels: &[Status]| levels.iter().fold(Route::new(shop(), ["pager"]), |route, level| route.level(*level));
        type Row<'a> = (&'a str, &'a [Status], &'a [Status], &'a [(usize, Event)]);
        let table: &[Row<'_>] = &[
            ("what worsens opens for it", &[Down], &[Degraded, Down, Up], &[(1, Opened), (2, Resolved)]),
            ("what is down from the first", &[Down], &[Down, Up], &[(0, Opened), (1, Resolved)]),
            // The outbox folds the end of what was never heard.
            ("what stays degraded", &[Down], &[Degraded, Degraded, Degraded, Up], &[(3, Resolved)]),
            (
                "it is reminded while it is as bad",
                &[Down],
                &[Down, Down, Down, Up],
                &[(0, Opened), (2, Reminder), (3, Resolved)],
            ),
            ("not once it has eased", &[Down], &[Down, Degraded, Degraded, Up], &[(0, Opened), (3, Resolved)]),
            (
                "it knows what worsens once more",
                &[Down],
                &[Down, Degraded, Down, Up],
                &[(0, Opened), (2, Worsened), (3, Resolved)],
            ),
            ("both levels", &[Degraded, Down], &[Degraded, Down, Up], &[(0, Opened), (1, Worsened), (2, Resolved)]),
            ("degraded only", &[Degraded], &[Degraded, Down, Up], &[(0, Opened), (2, Resolved)]),
            ("the monitoring", &[Unknown], &[Unknown, Down, Up], &[(0, Opened), (1, Resolved), (2, Resolved)]),
        ];
        for (title, levels, runs, expected) in table {
            let heard: Vec<_> = heard(&Audience::default(), &[route(levels)], runs)
                .into_iter()
                .map(|(minute, _, event)| (minute, event))
                .collect();
            assert_eq!(heard, *expected, "{title}");
        }
    }

    #[test]
    fn two_routes_to_one_channel_take_the_levels_of_both() {
        let routes = [Down, Degraded].map(|level| Route::new(shop(), ["pager"]).level(level));
        let events: Vec<_> =
            heard(&Audience::default(), &routes, &[Degraded, Down, Up]).into_iter().map(|line| line.2).collect();
        assert_eq!(events, [Opened, Worsened, Resolved]);
    }
}
