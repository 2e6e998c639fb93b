//! The memory store keeps every law of a store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    conformance::{Harness, SteeredClock},
    store::Store,
    time::{Clock, Timestamp},
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
