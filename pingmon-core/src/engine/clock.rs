//! The store's clock as an engine follows it between answers: one reading, carried on by the monotonic clock. Replicas
//! with wrong wall clocks agree on slots because none of them looks at its own.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::time::Timestamp;

/// Crystal drift assumed of a machine: 100 ppm, several times what is usual.
const DRIFT_PER_SECOND: f64 = 100e-6;

/// One reading of the store's clock: it showed `shown` at `at`, give or take `error`.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    shown: Timestamp,
    at: Instant,
    error: Duration,
}

impl Anchor {
    fn read(&self, at: Instant) -> Timestamp {
        if at >= self.at { self.shown + at.duration_since(self.at) } else { self.shown - self.at.duration_since(at) }
    }

    /// How wrong the reading may have become by `at`.
    fn error_at(&self, at: Instant) -> Duration {
        self.error + at.saturating_duration_since(self.at).mul_f64(DRIFT_PER_SECOND)
    }
}

/// The store's clock, carried on locally.
#[derive(Debug, Default)]
pub(super) struct StoreClock(Mutex<Option<Anchor>>);

impl StoreClock {
    /// Takes in that the store's clock showed `shown` at some moment between `asked` and `answered` (Cristian's
    /// algorithm). A slow answer says little and replaces a quick one only when the two can't both be right: then the
    /// store's clock was set, or another server took over.
    pub(super) fn anchor(&self, asked: Instant, answered: Instant, shown: Timestamp) {
        let error = answered.duration_since(asked) / 2;
        let new = Anchor { shown, at: asked + error, error };
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = anchor.is_some_and(|old| {
            let (before, after) = (old.read(new.at), new.shown);
            let apart = before.since(after).max(after.since(before));
            let old_error = old.error_at(new.at);
            old_error < new.error && apart <= old_error + new.error
        });
        if !keep {
            *anchor = Some(new);
        }
    }

    /// What the store's clock shows now; the epoch before the first answer, when nothing is scheduled yet.
    pub(super) fn now(&self) -> Timestamp {
        self.carried().map_or(Timestamp::default(), |anchor| anchor.read(Instant::now()))
    }

    /// The local moment at which the store's clock shows `at`; now, if that has passed.
    pub(super) fn instant_of(&self, at: Timestamp) -> Instant {
        let now = Instant::now();
        self.carried().map_or(now, |anchor| now + at.since(anchor.read(now)))
    }

    fn carried(&self) -> Option<Anchor> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_does_not_move_a_clock_that_a_quick_one_set() {
        let clock = StoreClock::default();
        let start = Timestamp::from_micros(1_000_000_000_000);
        clock.anchor(Instant::now(), Instant::now(), start);
        tokio::time::advance(SECOND).await;
        let asked = Instant::now();
        tokio::time::advance(SECOND).await;
        clock.anchor(asked, Instant::now(), start + SECOND);
        assert_eq!(clock.now(), start + 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_stores_clock_is_followed_at_once() {
        let clock = StoreClock::default();
        let start = Timestamp::from_micros(1_000_000_000_000);
        clock.anchor(Instant::now(), Instant::now(), start);
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        clock.anchor(asked, Instant::now(), start + 3_600 * SECOND);
        assert!(clock.now() >= start + 3_600 * SECOND);
    }
}
