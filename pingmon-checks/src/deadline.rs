//! When a probe gives up by itself: a little before the engine would end it, so that it can say where it got stuck.

use std::time::Duration;

/// What is left for saying so, at most.
const MARGIN: Duration = Duration::from_millis(50);

/// The part of the engine's timeout that a probe uses: all of it but a tenth, or 50 ms if that is less.
pub(crate) fn own_limit(timeout: Duration) -> Duration {
    timeout - MARGIN.min(timeout / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_gives_up_a_little_before_its_timeout() {
        assert_eq!(own_limit(Duration::from_secs(5)), Duration::from_millis(4_950));
        assert_eq!(own_limit(Duration::from_millis(100)), Duration::from_millis(90));
        assert_eq!(own_limit(Duration::ZERO), Duration::ZERO);
    }
}
