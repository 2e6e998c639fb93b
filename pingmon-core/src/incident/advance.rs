//! From verdicts to incidents: the one pure function that says what a run changes.

use std::time::Duration;

use super::{About, Closed, Event, Health, Judged, Open, Streak, Transition};
use crate::{
    id::{IncidentId, MonitorId},
    outcome::Status,
    policy::{Policy, Threshold},
    time::Timestamp,
};

/// What a run changes: the health after it, and the incident changes in the order they happened (at most one about the
/// monitoring and one about the target). Runs are to be handed over in slot order.
pub fn advance(health: &Health, run: Judged, policy: &Policy) -> (Health, Vec<Transition>) {
    let mut step = Step { health: health.clone(), transitions: Vec::new(), run, policy };
    step.note_status();
    match run.status {
        Status::Unknown => step.judge_blindness(),
        status => {
            step.health.blind = None;
            step.resolve(About::Monitoring, Closed::Recovered);
            step.count(status);
            match step.health.target {
                None => step.judge_failure(),
                Some(open) => step.judge_recovery(open),
            }
        }
    }
    step.remind();
    (step.health, step.transitions)
}

/// Closes whatever is open because nobody watches any more (paused or retired), and forgets all streaks.
pub fn close(
    health: &Health,
    monitor: MonitorId,
    why: Closed,
    at: Timestamp,
    policy: &Policy,
) -> (Health, Vec<Transition>) {
    let run = Judged { monitor, slot: at, status: Status::Unknown, at };
    let mut step = Step { health: health.clone(), transitions: Vec::new(), run, policy };
    step.resolve(About::Monitoring, why);
    step.resolve(About::Target, why);
    let changes = std::mem::take(&mut step.health.changes);
    (Health { changes, ..Health::default() }, step.transitions)
}

/// The working state of one `advance`.
struct Step<'a> {
    health: Health,
    transitions: Vec<Transition>,
    run: Judged,
    policy: &'a Policy,
}

impl Step<'_> {
    fn note_status(&mut self) {
        if self.health.status != Some(self.run.status) {
            self.health.status = Some(self.run.status);
            self.health.since = Some(self.run.at);
        }
    }

    /// Lengthens the streaks a verdict belongs to and ends the others.
    fn count(&mut self, status: Status) {
        let at = self.run.at;
        let policy = self.policy;
        let open = self.health.target.is_some();
        let extend = |streak: &mut Option<Streak>, belongs: bool, limit: Threshold| {
            *streak = belongs.then(|| lengthened(*streak, at, limit));
        };
        // A success with nothing open is the ordinary state: no streak is kept, so that it stays equal to itself.
        extend(&mut self.health.passing, open && status == Status::Up, policy.close_after);
        extend(&mut self.health.easing, open && status != Status::Down, policy.close_after);
        extend(&mut self.health.failing, status != Status::Up, policy.degraded_after());
        extend(&mut self.health.down, status == Status::Down, policy.open_after);
    }

    fn judge_failure(&mut self) {
        if let Some(streak) = self.health.down.filter(|streak| reached(*streak, self.policy.open_after, self.run.at)) {
            self.open(About::Target, Status::Down, streak.since);
        } else if let Some(streak) =
            self.health.failing.filter(|streak| reached(*streak, self.policy.degraded_after(), self.run.at))
        {
            self.open(About::Target, Status::Degraded, streak.since);
        }
    }

    fn judge_recovery(&mut self, open: Open) {
        let now = self.run.at;
        let reached = |streak: Option<Streak>, threshold| streak.is_some_and(|streak| reached(streak, threshold, now));
        if reached(self.health.passing, self.policy.close_after) {
            self.resolve(About::Target, Closed::Recovered);
        } else if open.level == Status::Degraded && reached(self.health.down, self.policy.open_after) {
            self.relevel(Event::Worsened, Status::Down);
        } else if open.level == Status::Down
            && self.run.status == Status::Degraded
            && reached(self.health.easing, self.policy.close_after)
        {
            self.relevel(Event::Eased, Status::Degraded);
        }
    }

    fn judge_blindness(&mut self) {
        let streak = lengthened(self.health.blind, self.run.at, self.policy.unknown_after);
        self.health.blind = Some(streak);
        if self.health.monitoring.is_none() && reached(streak, self.policy.unknown_after, self.run.at) {
            self.open(About::Monitoring, Status::Unknown, streak.since);
        }
    }

    fn open(&mut self, about: About, level: Status, failing_since: Timestamp) {
        let at = self.run.at;
        let incident = Open {
            id: IncidentId::derive(self.run.monitor, about.as_str(), self.run.slot),
            level,
            failing_since,
            opened_at: at,
            opened_slot: self.run.slot,
            announced_at: at,
            sequence: 1,
            acknowledged: false,
            held: false,
            released_at: None,
            eased: false,
        };
        *self.health.slot_of(about) = Some(incident);
        let hold = self.note_change();
        self.transitions.push(Transition { event: Event::Opened, about, incident, closed: None, at, hold });
    }

    fn resolve(&mut self, about: About, why: Closed) {
        let Some(mut incident) = self.health.slot_of(about).take() else { return };
        incident.sequence += 1;
        if about == About::Target {
            self.health.passing = None;
            self.health.easing = None;
        }
        let hold = self.note_change();
        let at = self.run.at;
        self.transitions.push(Transition { event: Event::Resolved, about, incident, closed: Some(why), at, hold });
    }

    fn relevel(&mut self, event: Event, level: Status) {
        let at = self.run.at;
        let Some(open) = &mut self.health.target else { return };
        open.level = level;
        open.sequence += 1;
        match event {
            Event::Worsened => open.announced_at = at,
            _ => open.eased = true,
        }
        let incident = *open;
        let hold = self.flap_hold();
        self.transitions.push(Transition { event, about: About::Target, incident, closed: None, at, hold });
    }

    /// Announces again what has been open and silent for `remind_every`.
    fn remind(&mut self) {
        let Some(every) = self.policy.remind_every else { return };
        let at = self.run.at;
        for about in [About::Target, About::Monitoring] {
            let policy = self.policy;
            let Some(open) = self.health.slot_of(about) else { continue };
            // The waits so far add up to the next one less the first: with twice as long each, 1 + 2 + 4 is 8 - 1.
            let waited = open.announced_at.since(open.told_since());
            let grown = every.0.saturating_add(waited.saturating_mul(policy.remind_factor.saturating_sub(1)));
            let wait = policy.remind_at_most.map_or(grown, |longest| grown.min(longest.0));
            if open.acknowledged || at.since(open.announced_at) < wait {
                continue;
            }
            open.announced_at = at;
            open.sequence += 1;
            let incident = *open;
            let hold = Duration::ZERO;
            self.transitions.push(Transition { event: Event::Reminder, about, incident, closed: None, at, hold });
        }
    }

    /// Remembers that something opened or resolved now, and says how long its notice is held.
    fn note_change(&mut self) -> Duration {
        let flap = self.policy.flap;
        if flap.changes == 0 {
            self.health.changes.clear();
            return Duration::ZERO;
        }
        let hold = self.flap_hold();
        let at = self.run.at;
        self.health.changes.retain(|change| at.since(*change) < flap.within.0);
        self.health.changes.push(at);
        let surplus = self.health.changes.len().saturating_sub(flap.changes as usize);
        self.health.changes.drain(..surplus);
        hold
    }

    fn flap_hold(&self) -> Duration {
        let flap = self.policy.flap;
        let recent = self.health.changes.iter().filter(|change| self.run.at.since(**change) < flap.within.0).count();
        if flap.changes > 0 && recent >= flap.changes as usize { flap.hold.0 } else { Duration::ZERO }
    }
}

/// The streak with one more run in it, its count standing still at the threshold.
fn lengthened(streak: Option<Streak>, at: Timestamp, threshold: Threshold) -> Streak {
    let limit = match threshold {
        Threshold::Count(count) => count,
        Threshold::For(_) | Threshold::Never => 1,
    };
    match streak {
        None => Streak { since: at, count: 1 },
        Some(streak) => Streak { count: (streak.count + 1).min(limit), ..streak },
    }
}

fn reached(streak: Streak, threshold: Threshold, now: Timestamp) -> bool {
    match threshold {
        Threshold::Count(count) => streak.count >= count,
        Threshold::For(duration) => now.since(streak.since) >= duration,
        Threshold::Never => false,
    }
}

impl Health {
    pub(super) fn slot_of(&mut self, about: About) -> &mut Option<Open> {
        match about {
            About::Target => &mut self.target,
            About::Monitoring => &mut self.monitoring,
        }
    }
}
