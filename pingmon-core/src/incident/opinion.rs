//! The second opinion: how many different workers must have seen a failure before its incident opens. One pure decision
//! around [`advance`]; who asks whom is the engine's business.

use serde::{Deserialize, Serialize};

use super::{Health, Judged, Transition, advance, take_back_opening};
use crate::{id::SessionId, outcome::Status, policy::Policy};

/// A worker that saw a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Witness {
    /// Its session.
    pub session: SessionId,
    /// Where it runs, for people.
    pub host: String,
}

impl Witness {
    /// A worker.
    pub fn new(session: SessionId, host: impl Into<String>) -> Self {
        Self { session, host: host.into() }
    }
}

/// As [`advance`], but the incident about the target opens only when [`Policy::confirm_by`] workers saw the failure, or
/// as many as are running, if those are fewer. `witness` is the worker that ran, `workers` how many are running.
///
/// Until then the health says [`second_opinion`](Health::second_opinion): the monitor is to be run by another worker. If
/// it comes back to one that has seen the failure already, nobody else could, and the incident opens.
pub fn advance_confirmed(
    health: &Health,
    run: Judged,
    policy: &Policy,
    witness: &Witness,
    workers: usize,
) -> (Health, Vec<Transition>) {
    let (mut after, mut transitions) = advance(health, run, policy);
    after.second_opinion = false;
    if policy.confirm_by <= 1 || (run.status == Status::Up && after.target.is_none()) {
        after.witnesses.clear();
        return (after, transitions);
    }
    let fails = matches!(run.status, Status::Degraded | Status::Down);
    let is_new = !health.witnesses.iter().any(|known| known.session == witness.session);
    if fails && is_new && health.target.is_none() {
        after.witnesses.push(witness.clone());
    }
    let needed = workers.min(policy.confirm_by as usize);
    let nobody_else_could = health.second_opinion && !is_new;
    if after.witnesses.len() < needed && !nobody_else_could {
        after.second_opinion = take_back_opening(health, &mut after, &mut transitions);
    }
    (after, transitions)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        id::MonitorId,
        incident::{About, Event},
        time::Timestamp,
    };
    use Status::{Down, Unknown, Up};

    /// Which worker ran, of how many, and its verdict.
    type Run = (u8, usize, Status);

    /// Plays runs at two failures to open; answers after which run the incident opened, and who had seen it.
    fn opened(confirm_by: u32, runs: &[Run]) -> Option<(usize, Vec<String>)> {
        let policy = Policy { confirm_by, ..Policy::default() };
        let sessions: Vec<_> = (0..4).map(|_| SessionId::new()).collect();
        let mut health = Health::default();
        for (n, (worker, workers, status)) in runs.iter().enumerate() {
            let at = Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(10 * n as u64);
            let run = Judged { monitor: MonitorId::from_uuid(uuid::Uuid::from_u128(7)), slot: at, status: *status, at };
            let witness = Witness::new(sessions[usize::from(*worker)], format!("host {worker}"));
            let (after, transitions) = advance_confirmed(&health, run, &policy, &witness, *workers);
            health = after;
            if transitions.iter().any(|change| change.event == Event::Opened && change.about == About::Target) {
                assert!(!health.second_opinion);
                return Some((n, health.witnesses.into_iter().map(|witness| witness.host).collect()));
            }
        }
        None
    }

    #[test]
    fn an_incident_opens_when_as_many_workers_as_are_asked_for_have_seen_the_failure() {
        type Row<'a> = (&'a str, u32, &'a [Run], Option<(usize, &'a [&'a str])>);
        let table: &[Row<'_>] = &[
            ("one is enough unless more are asked for", 1, &[(0, 3, Down), (0, 3, Down)], Some((1, &[]))),
            (
                "a second worker confirms at once",
                2,
                &[(0, 2, Down), (0, 2, Down), (1, 2, Down)],
                Some((2, &["host 0", "host 1"])),
            ),
            ("a second worker that finds it up ends the matter", 2, &[(0, 2, Down), (0, 2, Down), (1, 2, Up)], None),
            (
                "after that it begins anew",
                2,
                &[(0, 2, Down), (0, 2, Down), (1, 2, Up), (1, 2, Down), (1, 2, Down), (0, 2, Down)],
                Some((5, &["host 1", "host 0"])),
            ),
            (
                "one that had a run before counts already",
                2,
                &[(1, 2, Down), (0, 2, Down)],
                Some((1, &["host 1", "host 0"])),
            ),
            (
                "a second worker that can't judge settles nothing",
                2,
                &[(0, 3, Down), (0, 3, Down), (1, 3, Unknown), (2, 3, Down)],
                Some((3, &["host 0", "host 2"])),
            ),
            ("with one worker one is enough", 2, &[(0, 1, Down), (0, 1, Down)], Some((1, &["host 0"]))),
            (
                "if it comes back nobody else could",
                2,
                &[(0, 2, Down), (0, 2, Down), (0, 2, Down)],
                Some((2, &["host 0"])),
            ),
            (
                "three are asked one after the other",
                3,
                &[(0, 3, Down), (0, 3, Down), (1, 3, Down), (2, 3, Down)],
                Some((3, &["host 0", "host 1", "host 2"])),
            ),
        ];
        for (title, confirm_by, runs, expected) in table {
            let expected = expected.map(|(n, hosts)| (n, hosts.iter().map(ToString::to_string).collect()));
            assert_eq!(opened(*confirm_by, runs), expected, "{title}");
        }
    }

    #[test]
    fn who_confirmed_is_known_until_the_incident_has_closed() {
        let policy = Policy { confirm_by: 2, close_after: crate::policy::Threshold::Count(2), ..Policy::default() };
        let (one, other) = (Witness::new(SessionId::new(), "a"), Witness::new(SessionId::new(), "b"));
        let mut health = Health::default();
        let mut play = |n: u64, witness: &Witness, status| {
            let at = Timestamp::from_micros(1_800_000_000_000_000) + Duration::from_secs(10 * n);
            let run = Judged { monitor: MonitorId::from_uuid(uuid::Uuid::from_u128(7)), slot: at, status, at };
            health = advance_confirmed(&health, run, &policy, witness, 2).0;
            (health.second_opinion, health.witnesses.len(), health.target.is_some())
        };
        assert_eq!(play(0, &one, Down), (false, 1, false));
        assert_eq!(play(1, &one, Down), (true, 1, false));
        assert_eq!(play(2, &other, Down), (false, 2, true));
        assert_eq!(play(3, &other, Up), (false, 2, true));
        assert_eq!(play(4, &other, Up), (false, 0, false));
    }
}
