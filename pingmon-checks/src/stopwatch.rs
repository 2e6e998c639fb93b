//! Where a probe is and how long it has spent in each phase. Phases entered again (a redirect connects once more) add
//! up, so that they always sum up to the latency.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pingmon_core::outcome::Outcome;
use tokio::time::Instant;

/// A stretch of a probe, in the order in which they happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A name is being resolved.
    Dns,
    /// A TCP connection is being opened.
    Connect,
    /// TLS is being asked for in the clear.
    #[cfg(feature = "tls")]
    Starttls,
    /// TLS is being agreed upon.
    #[cfg(any(feature = "http", feature = "handshake"))]
    Tls,
    /// The request is being sent.
    #[cfg(feature = "http")]
    Request,
    /// The request has left; ends with the head of the answer.
    #[cfg(feature = "http")]
    FirstByte,
    /// The body is being read.
    #[cfg(feature = "http")]
    Transfer,
    /// A database agrees on TLS and lets us in.
    #[cfg(feature = "postgres")]
    Auth,
    /// A database or a nameserver is answering.
    #[cfg(any(feature = "postgres", feature = "dns"))]
    Query,
    /// Something is said, and the reply awaited.
    #[cfg(feature = "tcp")]
    Reply,
}

impl Phase {
    const COUNT: usize = 10;

    /// The word for it in outcomes.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            #[cfg(feature = "tls")]
            Self::Starttls => "starttls",
            #[cfg(any(feature = "http", feature = "handshake"))]
            Self::Tls => "tls",
            #[cfg(feature = "http")]
            Self::Request => "request",
            #[cfg(feature = "http")]
            Self::FirstByte => "first_byte",
            #[cfg(feature = "http")]
            Self::Transfer => "transfer",
            #[cfg(feature = "postgres")]
            Self::Auth => "auth",
            #[cfg(any(feature = "postgres", feature = "dns"))]
            Self::Query => "query",
            #[cfg(feature = "tcp")]
            Self::Reply => "reply",
        }
    }
}

/// A running clock. Shared between a probe and the hooks that see it pass.
#[derive(Debug)]
pub(crate) struct Stopwatch(Mutex<Laps>);

#[derive(Debug)]
struct Laps {
    started: Instant,
    since: Instant,
    current: Phase,
    spent: [Option<(Phase, Duration)>; Phase::COUNT],
}

impl Stopwatch {
    /// Starts in the given phase.
    pub(crate) fn start(first: Phase) -> Self {
        let now = Instant::now();
        Self(Mutex::new(Laps { started: now, since: now, current: first, spent: [None; Phase::COUNT] }))
    }

    /// Ends the current phase and begins the next.
    pub(crate) fn enter(&self, next: Phase) {
        self.laps().enter(next, Instant::now());
    }

    /// A piece of the request has left: if it was the last one, the wait for the answer begins.
    #[cfg(feature = "http")]
    pub(crate) fn sent(&self) {
        let mut laps = self.laps();
        if matches!(laps.current, Phase::Request | Phase::FirstByte) {
            laps.current = Phase::Request;
            laps.enter(Phase::FirstByte, Instant::now());
        }
    }

    /// The next piece of the request can't leave yet: the request is still being sent.
    #[cfg(feature = "http")]
    pub(crate) fn stalled(&self) {
        let mut laps = self.laps();
        if laps.current == Phase::FirstByte {
            laps.current = Phase::Request;
        }
    }

    /// The phase the probe is in.
    pub(crate) fn current(&self) -> Phase {
        self.laps().current
    }

    /// Stops the clock: the whole and its parts.
    pub(crate) fn stop(&self) -> Timing {
        let mut laps = self.laps();
        let (now, current) = (Instant::now(), laps.current);
        laps.enter(current, now);
        Timing { total: now - laps.started, spent: laps.spent }
    }

    fn laps(&self) -> MutexGuard<'_, Laps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Laps {
    fn enter(&mut self, next: Phase, now: Instant) {
        let spent = self.spent[self.current as usize].map_or(Duration::ZERO, |(_, spent)| spent);
        self.spent[self.current as usize] = Some((self.current, spent + (now - self.since)));
        (self.current, self.since) = (next, now);
    }
}

/// What a stopped clock shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From start to stop.
    pub(crate) total: Duration,
    spent: [Option<(Phase, Duration)>; Phase::COUNT],
}

impl Timing {
    /// What was spent in a phase; nothing if there was no such phase.
    #[cfg(feature = "http")]
    pub(crate) fn spent(&self, phase: Phase) -> Duration {
        self.spent[phase as usize].map_or(Duration::ZERO, |(_, spent)| spent)
    }

    /// What a clock would have shown, in milliseconds.
    #[cfg(all(test, feature = "http"))]
    pub(crate) fn fake(phases: &[(Phase, u64)]) -> Self {
        let mut spent = [None; Phase::COUNT];
        for (phase, millis) in phases {
            spent[*phase as usize] = Some((*phase, Duration::from_millis(*millis)));
        }
        let total = phases.iter().map(|(_, millis)| Duration::from_millis(*millis)).sum();
        Self { total, spent }
    }

    /// Puts latency and phases into an outcome.
    pub(crate) fn stamp(&self, outcome: Outcome) -> Outcome {
        let parts = self.spent.iter().flatten();
        parts.fold(outcome.latency(self.total), |outcome, (phase, spent)| outcome.phase(phase.as_str(), *spent))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[cfg(feature = "http")]
    #[tokio::test(start_paused = true)]
    async fn the_request_lasts_until_its_last_piece_has_left() {
        let ms = Duration::from_millis;
        let watch = Stopwatch::start(Phase::Request);
        for _ in 0..3 {
            advance(ms(5)).await;
            watch.sent();
        }
        watch.stalled();
        assert_eq!(watch.current(), Phase::Request);
        advance(ms(1)).await;
        watch.sent();
        advance(ms(7)).await;
        watch.enter(Phase::Transfer);
        watch.sent();
        let outcome = watch.stop().stamp(Outcome::up(""));
        assert_eq!(outcome.phases[..2], [("request".into(), ms(16)), ("first_byte".into(), ms(7))]);
    }

    #[tokio::test(start_paused = true)]
    async fn phases_that_come_again_add_up_and_sum_up_to_the_latency() {
        let watch = Stopwatch::start(Phase::Dns);
        for ms in [1, 2] {
            watch.enter(Phase::Dns);
            advance(Duration::from_millis(ms)).await;
            watch.enter(Phase::Connect);
            advance(Duration::from_millis(10)).await;
        }
        assert_eq!(watch.current(), Phase::Connect);
        let outcome = watch.stop().stamp(Outcome::up(""));
        let ms = Duration::from_millis;
        assert_eq!(outcome.phases, [("dns".into(), ms(3)), ("connect".into(), ms(20))]);
        assert_eq!(outcome.latency, Some(ms(23)));
    }
}
