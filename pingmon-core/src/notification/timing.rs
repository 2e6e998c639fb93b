//! When a channel is told: the one place that puts a delivery off because of what its channel asks for. Pure decisions,
//! made when a delivery is written, so that its due time says when it goes out. What is told is decided before; how fast
//! a channel's lane goes is the dispatcher's business.

use super::{
    Delivery,
    grouping::{QUIET, wait},
};
use crate::{
    error::{Error, Result},
    incident,
    outcome::Status,
    policy::MAX_DURATION,
    time::Timestamp,
    window::Window,
};

/// Most stretches of quiet hours of one channel.
pub const MAX_QUIET: usize = 32;
/// Most quiet hours in a row that are looked through for their end.
const MAX_JOINED: usize = 1_000;

/// When a channel is told.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Timing {
    /// Its quiet hours, at most [`MAX_QUIET`] of them: what is to be told then is told when they end.
    pub quiet: Vec<Window>,
    /// Levels of incidents that it is told of in its quiet hours all the same.
    pub quiet_except: Vec<Status>,
}

impl Timing {
    /// Adds quiet hours.
    #[must_use]
    pub fn quiet(mut self, window: Window) -> Self {
        self.quiet.push(window);
        self
    }

    /// Adds a level that is told of in quiet hours all the same: degraded, down or unknown.
    #[must_use]
    pub fn quiet_except(mut self, level: Status) -> Self {
        self.quiet_except.push(level);
        self
    }

    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if self.quiet.len() > MAX_QUIET {
            let count = self.quiet.len();
            return Err(Error::config("quiet", format!("{count} are more than the {MAX_QUIET} allowed; join some")));
        }
        // What comes again every week or month did so then.
        let long_ago = Timestamp::from_micros(1_000_000_000_000_000);
        if self.end_of_quiet(long_ago).since(long_ago) > MAX_DURATION {
            return Err(Error::config(
                "quiet",
                "has no end within a month: whom nothing is to be told needs no notifier",
            ));
        }
        incident::levels("quiet_except", &self.quiet_except)
    }

    /// Puts a delivery off whose time lies in the quiet hours, unless they don't hold for the level of its incident. It
    /// expires as much later.
    pub fn put_off(&self, delivery: &mut Delivery) {
        if self.quiet_except.contains(&delivery.notification.incident.level) {
            return;
        }
        let due_at = self.end_of_quiet(delivery.due_at);
        if due_at > delivery.due_at {
            wait(delivery, due_at);
            // Not with those that pass: they would take it along.
            delivery.group = delivery.group.take().map(|group| format!("{QUIET}{group}"));
        }
    }

    /// The first instant from `at` on that isn't in quiet hours; those that touch are one.
    fn end_of_quiet(&self, at: Timestamp) -> Timestamp {
        let mut end = at;
        for _ in 0..MAX_JOINED {
            match self.quiet.iter().filter_map(|window| window.end_of(end)).max() {
                Some(later) => end = later,
                None => break,
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::Weekday;

    use super::*;
    use crate::{
        id::MonitorId,
        incident::{About, Closed, Event, Open, Transition},
        monitor::{Definition, Monitor, State},
        notification::{Subject, announce},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Nights in Berlin and all of Sunday.
    fn nights() -> Timing {
        let night = Window::weekly(&[], "22:00", "07:00", "Europe/Berlin").unwrap();
        let sunday = Window::weekly(&[Weekday::Sun], "00:00", "00:00", "Europe/Berlin").unwrap();
        Timing::default().quiet(night).quiet(sunday)
    }

    /// What becomes of a delivery that is to go out at an instant, and expires a minute later.
    fn timed(timing: &Timing, level: Status, due_at: &str) -> Timestamp {
        let (shop, at) = (Definition::new("shop", "http"), at(due_at));
        let subject = Subject::of(&Monitor::new(MonitorId::new(), 1, State::Active, shop));
        let open = Open {
            id: crate::id::IncidentId::derive(subject.id, "target", at),
            level,
            failing_since: at,
            opened_at: at,
            opened_slot: at,
            announced_at: at,
            sequence: 1,
            acknowledged: false,
            held: false,
            released_at: None,
            eased: false,
        };
        let (event, closed) = (Event::Resolved, Some(Closed::Recovered));
        let change = Transition { event, about: About::Target, incident: open, closed, at, hold: Duration::ZERO };
        let mut delivery = announce(&subject, &["ops".to_owned()], &[change], None, MINUTE).remove(0);
        timing.put_off(&mut delivery);
        assert_eq!(delivery.expires_at, delivery.due_at + MINUTE, "it expires from when it is due");
        assert_eq!(delivery.notification.at, at, "it says when it happened");
        delivery.due_at
    }

    #[test]
    fn what_falls_into_quiet_hours_is_due_at_their_end_unless_its_level_passes() {
        // The 20th is a Friday; Berlin is an hour ahead.
        let (all, some) = (nights(), nights().quiet_except(Status::Down));
        let table = [
            (&all, Status::Down, "2026-11-20T20:59:59Z", "2026-11-20T20:59:59Z"),
            (&all, Status::Down, "2026-11-20T21:00:00Z", "2026-11-21T06:00:00Z"),
            (&all, Status::Down, "2026-11-21T05:59:59Z", "2026-11-21T06:00:00Z"),
            (&all, Status::Down, "2026-11-21T06:00:00Z", "2026-11-21T06:00:00Z"),
            // From Saturday evening over Sunday to Monday morning.
            (&all, Status::Degraded, "2026-11-21T22:00:00Z", "2026-11-23T06:00:00Z"),
            (&all, Status::Degraded, "2026-11-22T12:00:00Z", "2026-11-23T06:00:00Z"),
            (&some, Status::Down, "2026-11-20T21:00:00Z", "2026-11-20T21:00:00Z"),
            (&some, Status::Degraded, "2026-11-20T21:00:00Z", "2026-11-21T06:00:00Z"),
            (&some, Status::Unknown, "2026-11-20T21:00:00Z", "2026-11-21T06:00:00Z"),
            (&Timing::default(), Status::Unknown, "2026-11-20T21:00:00Z", "2026-11-20T21:00:00Z"),
        ];
        for (timing, level, due_at, expected) in table {
            assert_eq!(timed(timing, level, due_at), at(expected), "{level} at {due_at}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_name() {
        let always = Window::weekly(&[], "00:00", "00:00", "UTC").unwrap();
        let halves = ["00:00", "12:00"].map(|from| {
            let until = if from == "00:00" { "12:00" } else { "00:00" };
            Window::weekly(&[], from, until, "UTC").unwrap()
        });
        let crowd = nights().quiet.into_iter().cycle().take(MAX_QUIET + 1);
        for (timing, words) in [
            (Timing::default().quiet(always), "invalid quiet: has no end within"),
            (halves.into_iter().fold(Timing::default(), Timing::quiet), "invalid quiet: has no end"),
            (crowd.fold(Timing::default(), Timing::quiet), "invalid quiet: 33 are more"),
            (nights().quiet_except(Status::Up), "invalid quiet_except: "),
        ] {
            let error = timing.validate().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        nights().quiet_except(Status::Down).validate().unwrap();
    }
}
