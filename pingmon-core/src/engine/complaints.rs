//! What is said of a failing store: at most one line a second for each cause, however many calls fail of it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long a cause is passed over after it was named.
const PAUSE: Duration = Duration::from_secs(1);
/// Most causes remembered. A server that words each of its errors differently isn't heard more often for it.
const MAX_CAUSES: usize = 32;

/// When each cause was named last, and how often it came up since.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<String, Cause>>);

#[derive(Debug)]
struct Cause {
    said_at: Instant,
    unsaid: u64,
}

impl Complaints {
    /// Whether `cause` may be named now; if so, how often it was passed over since the last time.
    pub(super) fn may_say(&self, cause: &str) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = causes.get_mut(cause) {
            let said = now.duration_since(known.said_at) >= PAUSE;
            let unsaid = known.unsaid;
            *known = if said { Cause { said_at: now, unsaid: 0 } } else { Cause { unsaid: unsaid + 1, ..*known } };
            return said.then_some(unsaid);
        }
        if causes.len() >= MAX_CAUSES {
            causes.retain(|_, known| now.duration_since(known.said_at) < PAUSE);
        }
        if causes.len() >= MAX_CAUSES {
            return None;
        }
        causes.insert(cause.to_owned(), Cause { said_at: now, unsaid: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cause_is_named_once_a_second_and_another_at_once() {
        let complaints = Complaints::default();
        assert_eq!(complaints.may_say("connection refused"), Some(0));
        assert_eq!(complaints.may_say("connection refused"), None);
        assert_eq!(complaints.may_say("disk full"), Some(0));
        tokio::time::advance(PAUSE).await;
        assert_eq!(complaints.may_say("connection refused"), Some(1));
        assert_eq!(complaints.may_say("connection refused"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn causes_beyond_all_measure_are_passed_over_until_others_have_aged() {
        let complaints = Complaints::default();
        let named = |from: usize| (from..from + 100).filter(|n| complaints.may_say(&n.to_string()).is_some()).count();
        assert_eq!(named(0), MAX_CAUSES);
        tokio::time::advance(PAUSE).await;
        assert_eq!(named(1_000), MAX_CAUSES);
    }
}
