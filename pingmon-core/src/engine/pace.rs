//! How many notices a channel may be handed now: its rate limit, its circuit breaker, and the patience it asked for. A pure
//! machine: it is told the time and how attempts ended.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::backoff;
use crate::channel::{Breaker, ChannelPolicy};

/// The first wait of an open circuit.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that a channel may ask for on behalf of all its notices.
const MAX_PATIENCE: Duration = Duration::from_secs(3_600);

/// How an attempt ended, as far as the next ones are concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// The channel lives: it took the notice, or refused it for good.
    Answered,
    /// Another try may help, in the channel's opinion not before so long.
    Failed(Option<Duration>),
}

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Room {
    /// So many notices may be handed over, at least one.
    For(usize),
    /// None before then.
    At(Instant),
}

/// The state of one channel.
#[derive(Debug)]
pub(super) struct Pace {
    policy: ChannelPolicy,
    /// When the latest attempts began, as many as the rate allows at most.
    begun: VecDeque<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Nothing is sent before.
    not_before: Option<Instant>,
}

impl Pace {
    pub(super) fn new(policy: ChannelPolicy) -> Self {
        Self { policy, begun: VecDeque::new(), failures: 0, not_before: None }
    }

    /// Starts anew when the channel is to be used otherwise than before.
    pub(super) fn follow(&mut self, policy: &ChannelPolicy) {
        if self.policy != *policy {
            *self = Self::new(policy.clone());
        }
    }

    /// Whether the channel has failed so often that it is tried with one notice at a time.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= self.policy.breaker.after
    }

    /// How many notices may be handed over now, `most` at the most.
    pub(super) fn room(&mut self, now: Instant, most: usize) -> Room {
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Room::At(at);
        }
        let most = if self.is_open() { 1 } else { most };
        let Some(rate) = self.policy.rate else { return Room::For(most) };
        while self.begun.front().is_some_and(|begun| *begun + rate.per.0 <= now) {
            self.begun.pop_front();
        }
        match (rate.count as usize).saturating_sub(self.begun.len()) {
            0 => Room::At(self.begun.front().map_or(now, |begun| *begun + rate.per.0)),
            left => Room::For(left.min(most)),
        }
    }

    /// Notes that so many attempts begin.
    pub(super) fn begin(&mut self, attempts: usize, now: Instant) {
        if self.policy.rate.is_some() {
            self.begun.extend(std::iter::repeat_n(now, attempts));
        }
    }

    /// Notes how an attempt ended.
    pub(super) fn end(&mut self, end: End, now: Instant) {
        let asked = match end {
            End::Answered => {
                self.failures = 0;
                return;
            }
            End::Failed(asked) => asked.unwrap_or_default().min(MAX_PATIENCE),
        };
        self.failures = self.failures.saturating_add(1);
        let Breaker { after, retry_every } = self.policy.breaker;
        let wait = match self.failures.checked_sub(after) {
            Some(beyond) => backoff::wait(FIRST_WAIT, retry_every.0, beyond + 1).max(asked),
            None => asked,
        };
        if !wait.is_zero() {
            self.not_before = self.not_before.max(Some(now + wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::Rate, time::Span};

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: Option<(u32, u64)>, after: u32) -> Pace {
        let rate = rate.map(|(count, seconds)| Rate { count, per: Span(Duration::from_secs(seconds)) });
        let breaker = Breaker { after, retry_every: Span(8 * SECOND) };
        Pace::new(ChannelPolicy { rate, breaker, ..ChannelPolicy::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn no_span_of_time_has_more_attempts_than_the_rate_allows() {
        let (mut pace, start) = (pace(Some((3, 60)), 5), Instant::now());
        assert_eq!(pace.room(start, 16), Room::For(3));
        pace.begin(2, start);
        assert_eq!(pace.room(start + SECOND, 16), Room::For(1));
        pace.begin(1, start + 10 * SECOND);
        assert_eq!(pace.room(start + 20 * SECOND, 16), Room::At(start + 60 * SECOND));
        assert_eq!(pace.room(start + 60 * SECOND, 16), Room::For(2));
        pace.begin(2, start + 60 * SECOND);
        assert_eq!(pace.room(start + 61 * SECOND, 16), Room::At(start + 70 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_fails_in_a_row_is_tried_with_one_notice_ever_more_seldom() {
        let (mut pace, mut now) = (pace(None, 3), Instant::now());
        for _ in 0..2 {
            pace.end(End::Failed(None), now);
        }
        assert_eq!(pace.room(now, 16), Room::For(16), "twice is no row yet");
        for longest in [1, 2, 4, 8, 8, 8] {
            pace.end(End::Failed(None), now);
            let Room::At(at) = pace.room(now, 16) else { panic!("it isn't left alone") };
            let wait = at - now;
            assert!(wait <= longest * SECOND && wait >= longest * SECOND / 2, "{wait:?}, at most {longest} s");
            now = at;
            assert_eq!(pace.room(now, 16), Room::For(1));
        }
        pace.end(End::Answered, now);
        assert_eq!(pace.room(now, 16), Room::For(16), "it lives: all the others go");
    }

    #[tokio::test(start_paused = true)]
    async fn the_patience_a_channel_asks_for_holds_for_all_its_notices() {
        for (asked, waits) in [(90, 90), (1_000_000, 3_600)] {
            let (mut pace, now) = (pace(None, 5), Instant::now());
            pace.end(End::Failed(Some(Duration::from_secs(asked))), now);
            // One that was under way meanwhile got through: what was asked for is still asked for.
            pace.end(End::Answered, now);
            assert_eq!(pace.room(now, 16), Room::At(now + waits * SECOND));
            assert_eq!(pace.room(now + waits * SECOND, 16), Room::For(16));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_that_changes_starts_anew_and_one_that_stays_does_not() {
        let (mut pace, now) = (pace(None, 1), Instant::now());
        pace.end(End::Failed(None), now);
        pace.follow(&pace.policy.clone());
        assert!(pace.is_open());
        pace.follow(&ChannelPolicy::default());
        assert_eq!(pace.room(now, 16), Room::For(16));
    }
}
