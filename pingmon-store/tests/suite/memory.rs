//! The memory store keeps every law of a store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    conformance::{Harness, SteeredClock},
    error::Error,
    matcher::Matcher,
    silence::{Draft, End, MAX_ALIVE},
    store::{Store, silences::Silences as _},
    time::{Clock, Span, Timestamp},
};
use pingmon_store::memory::MemoryStore;

struct Memory {
    clock: SteeredClock,
    store: Arc<MemoryStore>,
}

impl Memory {
    fn fresh() -> Self {
        let clock = SteeredClock::default();
        Self { store: Arc::new(MemoryStore::with_clock(Arc::new(clock.clone()))), clock }
    }
}

#[async_trait]
impl Harness for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pingmon_core::conformance_tests!(Memory::fresh());

#[tokio::test]
async fn no_more_silences_than_the_limit_are_alive() {
    let store = Memory::fresh().store;
    let hour = || Draft::new(Matcher::all(), End::After(Span(Duration::from_secs(3_600))), "anna");
    let first = store.silence(hour()).await.unwrap();
    for _ in 1..MAX_ALIVE {
        store.silence(hour()).await.unwrap();
    }
    assert!(matches!(store.silence(hour()).await, Err(Error::Config { field, .. }) if field == "silences"));
    store.end_silence(first.id).await.unwrap();
    store.silence(hour()).await.unwrap();
}
