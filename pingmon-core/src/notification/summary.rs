//! A message about several incidents: each of them, and what they come to in one line.

use std::{collections::BTreeSet, time::Duration};

use super::{Notification, Subject};
use crate::{
    incident::{About, Closed, Event, Incident},
    outcome::Status,
    time::{Span, Timestamp},
};

/// Most names in a headline.
const MAX_NAMES: usize = 10;

/// One of the incidents that a message tells of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Part<'a> {
    /// What is watched.
    pub monitor: &'a Subject,
    /// What happened.
    pub event: Event,
    /// When it happened.
    pub at: Timestamp,
    /// The incident after the event.
    pub incident: &'a Incident,
    /// As [`Notification::opening`].
    pub opening: Option<&'a str>,
}

impl Part<'_> {
    /// How long the failure has lasted up to this event, to the second.
    pub fn lasted(&self) -> Span {
        let lasted = self.at.since(self.incident.failing_since);
        Span(Duration::from_secs(lasted.as_secs()))
    }

    /// What comes of its incident, in words for one monitor and for several.
    fn state(&self) -> [String; 2] {
        let level = self.incident.level;
        let be = |rest: String| [format!("is {rest}"), format!("are {rest}")];
        match (self.event, self.incident.closed, self.incident.about) {
            (Event::Resolved, Some(Closed::Paused), _) => be("paused".to_owned()),
            (Event::Resolved, Some(Closed::Retired), _) => be("retired".to_owned()),
            (Event::Resolved, _, About::Target) => ["has recovered", "have recovered"].map(str::to_owned),
            (Event::Resolved, _, About::Monitoring) => ["can be judged again"; 2].map(str::to_owned),
            (Event::Reminder, _, About::Target) => be(format!("still {level}")),
            (Event::Reminder, _, About::Monitoring) => ["still can't be judged"; 2].map(str::to_owned),
            (Event::Escalated, _, About::Target) => be(format!("{level} and unattended")),
            (Event::Escalated, _, About::Monitoring) => ["can't be judged, unattended"; 2].map(str::to_owned),
            (_, _, About::Target) => be(level.to_string()),
            (_, _, About::Monitoring) => ["can't be judged"; 2].map(str::to_owned),
        }
    }

    /// How urgent it is: what is over least.
    fn gravity(&self) -> u8 {
        match (self.event, self.incident.level) {
            (Event::Resolved, _) => 0,
            (_, Status::Up | Status::Unknown) => 1,
            (_, Status::Degraded) => 2,
            (_, Status::Down) => 3,
        }
    }
}

/// What a message about several incidents comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary<'a> {
    /// How many monitors it is about and how they are: `3 monitors are down`, or `5 monitors: 3 are down, 2 have recovered`.
    pub words: String,
    /// The names of the monitors, if the same is to be said of all of them.
    pub names: Vec<&'a str>,
}

impl Notification {
    /// The incident that it is about in the first place.
    pub fn own(&self) -> Part<'_> {
        let Self { monitor, event, at, incident, opening, .. } = self;
        Part { monitor, event: *event, at: *at, incident, opening: opening.as_deref() }
    }

    /// Each incident that it tells of: its own first.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let others = self.also.iter().map(|also| Part {
            monitor: &also.monitor,
            event: also.event,
            at: also.at,
            incident: &also.incident,
            opening: also.opening.as_deref(),
        });
        [self.own()].into_iter().chain(others)
    }

    /// The most urgent of what it tells of.
    pub fn gravest(&self) -> Part<'_> {
        self.parts().fold(self.own(), |grave, part| if part.gravity() > grave.gravity() { part } else { grave })
    }

    /// What it comes to, when it tells of several incidents.
    pub fn summary(&self) -> Option<Summary<'_>> {
        if self.also.is_empty() {
            return None;
        }
        // How things stand, the most urgent first, each with the monitors of which it is so.
        let mut states: Vec<([String; 2], u8, Vec<&Subject>)> = Vec::new();
        for part in self.parts() {
            let (state, gravity) = (part.state(), part.gravity());
            match states.iter_mut().find(|(known, ..)| *known == state) {
                Some((.., monitors)) if monitors.iter().any(|known| known.id == part.monitor.id) => {}
                Some((.., monitors)) => monitors.push(part.monitor),
                None => states.push((state, gravity, vec![part.monitor])),
            }
        }
        states.sort_by_key(|(_, gravity, _)| std::cmp::Reverse(*gravity));
        let all: BTreeSet<_> = self.parts().map(|part| part.monitor.id).collect();
        let count = format!("{} monitor{}", all.len(), if all.len() == 1 { "" } else { "s" });
        let say = |[one, several]: &[String; 2], count: usize| if count == 1 { one.clone() } else { several.clone() };
        if let [(state, _, monitors)] = states.as_slice() {
            let names = monitors.iter().map(|monitor| monitor.name.as_str()).collect();
            return Some(Summary { words: format!("{count} {}", say(state, monitors.len())), names });
        }
        let counts: Vec<_> = states
            .iter()
            .map(|(state, _, monitors)| format!("{} {}", monitors.len(), say(state, monitors.len())))
            .collect();
        Some(Summary { words: format!("{count}: {}", counts.join(", ")), names: Vec::new() })
    }
}

impl Summary<'_> {
    /// It as one line, with the first of the names.
    pub(super) fn line(&self) -> String {
        let Self { words, names } = self;
        let more = names.len().saturating_sub(MAX_NAMES);
        match (names.as_slice(), more) {
            ([], _) => words.clone(),
            (names, 0) => format!("{words}: {}", names.join(", ")),
            (names, _) => format!("{words}: {} and {more} more", names[..MAX_NAMES].join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        incident::{Health, Judged, advance},
        monitor::{Definition, Monitor, State},
        notification::{Companion, announce},
        outcome::Outcome,
        policy::{Policy, Threshold},
    };

    /// What a monitor of that name has announced when it fails, and when it recovers.
    fn story(name: &str) -> Vec<Notification> {
        let monitor = Monitor::new(MonitorId::new(), 1, State::Active, Definition::new(name, "http"));
        let (policy, mut health) = (Policy { open_after: Threshold::Count(1), ..Policy::default() }, Health::default());
        let runs = [Outcome::down("refused"), Outcome::up("fine")].into_iter().enumerate();
        let told = runs.flat_map(|(minute, outcome)| {
            let at = Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(60 * minute as u64);
            let judged = Judged { monitor: monitor.id, slot: at, status: outcome.status, at };
            let (next, changes) = advance(&health, judged, &policy);
            health = next;
            let channels = ["ops".to_owned()];
            announce(&Subject::of(&monitor), &channels, &changes, Some(&outcome), Duration::ZERO)
        });
        told.map(|delivery| delivery.notification).collect()
    }

    fn together(mut notices: impl Iterator<Item = Notification>) -> Notification {
        let mut first = notices.next().unwrap();
        first.also = notices.map(|notice| Companion::of(&notice)).collect();
        first
    }

    #[test]
    fn a_message_about_several_incidents_says_how_many_and_how_they_are() {
        let (a, b) = (story("a"), story("b"));
        let table = [
            (vec![&a[0], &b[0]], "2 monitors are down: a, b", Event::Opened),
            (vec![&a[1], &b[1]], "2 monitors have recovered: a, b", Event::Resolved),
            (vec![&a[1], &b[0]], "2 monitors: 1 is down, 1 has recovered", Event::Opened),
            (vec![&a[1], &a[1]], "1 monitor has recovered: a", Event::Resolved),
        ];
        for (notices, headline, gravest) in table {
            let notice = together(notices.into_iter().cloned());
            assert_eq!((notice.headline().as_str(), notice.gravest().event), (headline, gravest));
        }
        let many = together((0..25).map(|n| story(&format!("m{n}")).remove(0)));
        assert_eq!(many.headline(), "25 monitors are down: m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 and 15 more");
        assert_eq!(a[0].headline(), "a is down: refused");
        assert_eq!(a[0].summary(), None);
    }
}
