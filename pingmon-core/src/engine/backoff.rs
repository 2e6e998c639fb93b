//! Waiting longer after each failure, with jitter, so that many engines don't come back in step.

use std::time::Duration;

/// Doubles from `shortest` to `longest`; each wait is drawn between half of it and all of it.
#[derive(Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest: longest.max(shortest), failures: 0 }
    }

    /// Forgets the failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        wait(self.shortest, self.longest, self.failures)
    }
}

/// The wait after that many failures in a row.
pub(super) fn wait(shortest: Duration, longest: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = shortest.saturating_mul(1 << doublings).min(longest);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}
