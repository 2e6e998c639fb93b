//! What is recorded but not announced: incidents of monitors that are being worked on, or that depend on something that
//! is down itself. Pure decisions on what the state machine said; who looks up the reasons is the engine's business.

use std::time::Duration;

use super::{About, Event, Health, Open, Transition, take_back_opening};
use crate::{id::MonitorId, outcome::Status, time::Timestamp};

/// How long an incident waits at most until it is known how the monitors are that its own depends on.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a monitor is that another depends on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parent {
    /// Which one.
    pub id: MonitorId,
    /// Its name.
    pub name: String,
    /// Whether an incident about its target is open.
    pub is_down: bool,
    /// What its last run said.
    pub status: Option<Status>,
    /// When its last run started.
    pub looked_at: Option<Timestamp>,
}

impl Parent {
    /// A monitor as it is known by what a store has of it.
    pub fn new(id: MonitorId, name: impl Into<String>, health: &Health, looked_at: Option<Timestamp>) -> Self {
        Self { id, name: name.into(), is_down: health.target.is_some(), status: health.status, looked_at }
    }
}

/// What the monitors say of a failure that its own monitor depends on.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// They are well: the failure is the monitor's own.
    Own,
    /// That one is down.
    Parent(String),
    /// It isn't known yet: these are to be looked at.
    Unknown(Vec<MonitorId>),
}

/// Whether a failure that began at `failing_since` comes from one of `parents`.
pub fn cause(parents: &[Parent], failing_since: Timestamp) -> Cause {
    if let Some(down) = parents.iter().find(|parent| parent.is_down) {
        return Cause::Parent(down.name.clone());
    }
    let is_well = |parent: &&Parent| {
        parent.status == Some(Status::Up) && parent.looked_at.is_some_and(|looked_at| looked_at >= failing_since)
    };
    let unsure: Vec<_> = parents.iter().filter(|parent| !is_well(parent)).map(|parent| parent.id).collect();
    if unsure.is_empty() { Cause::Own } else { Cause::Unknown(unsure) }
}

/// Leaves it to the next run what becomes of the incident about the target, as long as that hasn't waited for long enough
/// already: one that has just opened is taken back. Answers whether it did.
pub fn defer(before: &Health, after: &mut Health, transitions: &mut Vec<Transition>, now: Timestamp) -> bool {
    let since = before.deferred_since.unwrap_or(now);
    if now.since(since) >= LONGEST_WAIT {
        return false;
    }
    take_back_opening(before, after, transitions);
    after.deferred_since = Some(since);
    true
}

/// The changes that are to be announced of those that a run made. While `held` names a reason, nothing is but the end of
/// what was announced before; what opened then is announced with the first run when there is none, if it is still open.
pub fn announced(
    before: &Health,
    after: &mut Health,
    transitions: &[Transition],
    held: impl Fn(About) -> Option<String>,
    now: Timestamp,
) -> Vec<Transition> {
    let was_held = |about| open(before, about).is_some_and(|open| open.held);
    let mut announced: Vec<_> = transitions
        .iter()
        .filter(|change| match change.event {
            Event::Resolved => !was_held(change.about),
            _ => !was_held(change.about) && held(change.about).is_none(),
        })
        .copied()
        .collect();
    after.held_because = None;
    for about in [About::Target, About::Monitoring] {
        let reason = held(about);
        let fresh = transitions.iter().any(|change| change.event == Event::Opened && change.about == about);
        let Some(open) = after.slot_of(about) else { continue };
        match reason {
            Some(reason) if fresh || was_held(about) => {
                open.held = true;
                after.held_because = Some(reason);
            }
            None if was_held(about) && !fresh => {
                (open.held, open.eased) = (false, false);
                (open.announced_at, open.released_at) = (now, Some(now));
                open.sequence += 1;
                let incident = *open;
                announced.retain(|change| change.about != about);
                let (event, hold) = (Event::Opened, Duration::ZERO);
                announced.push(Transition { event, about, incident, closed: None, at: now, hold });
            }
            _ => {}
        }
    }
    announced
}

fn open(health: &Health, about: About) -> Option<&Open> {
    match about {
        About::Target => health.target.as_ref(),
        About::Monitoring => health.monitoring.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        incident::{Judged, advance},
        policy::Policy,
    };
    use Event::{Opened, Reminder, Resolved};
    use Status::{Down, Up};

    const DB: MonitorId = MonitorId::from_uuid(uuid::Uuid::from_u128(8));

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(second)
    }

    fn parent(is_down: bool, status: Status, looked_at: u64) -> Parent {
        Parent { id: DB, name: "db".to_owned(), is_down, status: Some(status), looked_at: Some(at(looked_at)) }
    }

    #[test]
    fn a_failure_is_the_monitors_own_when_all_it_depends_on_were_well_since_it_began() {
        for (parents, expected) in [
            (vec![], Cause::Own),
            (vec![parent(false, Up, 11)], Cause::Own),
            (vec![parent(false, Up, 9)], Cause::Unknown(vec![DB])),
            (vec![parent(false, Down, 11)], Cause::Unknown(vec![DB])),
            (vec![parent(false, Status::Unknown, 11)], Cause::Unknown(vec![DB])),
            (vec![Parent { looked_at: None, ..parent(false, Up, 0) }], Cause::Unknown(vec![DB])),
            (vec![parent(true, Down, 5)], Cause::Parent("db".to_owned())),
            (vec![parent(false, Up, 9), parent(true, Up, 5)], Cause::Parent("db".to_owned())),
        ] {
            assert_eq!(cause(&parents, at(10)), expected, "{parents:?}");
        }
    }

    /// Plays a verdict every 10 s beside what holds its announcements; answers what was announced at which run.
    fn play(policy: &Policy, runs: &[(Status, Option<&str>)]) -> Vec<(usize, Event)> {
        let mut health = Health::default();
        let mut said = Vec::new();
        for (n, (status, held)) in runs.iter().enumerate() {
            let now = at(10 * n as u64);
            let run =
                Judged { monitor: MonitorId::from_uuid(uuid::Uuid::from_u128(7)), slot: now, status: *status, at: now };
            let (mut after, transitions) = advance(&health, run, policy);
            let announced = announced(&health, &mut after, &transitions, |_| held.map(str::to_owned), now);
            said.extend(announced.iter().map(|change| (n, change.event)));
            assert_eq!(after.held_because.as_deref(), held.filter(|_| after.target.is_some_and(|open| open.held)));
            health = after;
        }
        said
    }

    #[test]
    fn what_opened_while_it_was_held_is_announced_afterwards_if_it_is_still_open() {
        let policy = Policy { open_after: crate::policy::Threshold::Count(1), ..Policy::default() };
        let reminding = Policy { remind_every: Some(crate::time::Span(Duration::from_secs(10))), ..policy.clone() };
        let work = Some("work");
        type Row<'a> = (&'a str, &'a Policy, &'a [(Status, Option<&'a str>)], &'a [(usize, Event)]);
        let table: &[Row<'_>] = &[
            ("nothing holds", &policy, &[(Down, None), (Up, None)], &[(0, Opened), (1, Resolved)]),
            ("over before the work is", &policy, &[(Down, work), (Down, work), (Up, work), (Up, None)], &[]),
            ("over with the work", &policy, &[(Down, work), (Up, None)], &[]),
            ("still open then", &policy, &[(Down, work), (Down, None), (Up, None)], &[(1, Opened), (2, Resolved)]),
            ("announced before", &policy, &[(Down, None), (Down, work), (Up, work)], &[(0, Opened), (2, Resolved)]),
            (
                "no reminders meanwhile",
                &reminding,
                &[(Down, None), (Down, work), (Down, work), (Down, None)],
                &[(0, Opened), (3, Reminder)],
            ),
            (
                "held again later",
                &policy,
                &[(Down, work), (Down, None), (Up, None), (Down, work), (Up, work)],
                &[(1, Opened), (2, Resolved)],
            ),
        ];
        for (title, policy, runs, expected) in table {
            assert_eq!(play(policy, runs), *expected, "{title}");
        }
    }

    #[test]
    fn an_incident_waits_no_longer_than_half_a_minute_for_what_it_depends_on() {
        let policy = Policy { open_after: crate::policy::Threshold::Count(1), ..Policy::default() };
        let mut health = Health::default();
        let mut opened = None;
        for n in 0..30 {
            let now = at(2 * n);
            let run =
                Judged { monitor: MonitorId::from_uuid(uuid::Uuid::from_u128(7)), slot: now, status: Down, at: now };
            let (mut after, mut transitions) = advance(&health, run, &policy);
            after.deferred_since = None;
            let deferred = defer(&health, &mut after, &mut transitions, now);
            assert_eq!(deferred, after.deferred_since.is_some());
            if !transitions.is_empty() {
                opened.get_or_insert(2 * n);
            }
            health = after;
        }
        assert_eq!(opened, Some(30));
    }
}
