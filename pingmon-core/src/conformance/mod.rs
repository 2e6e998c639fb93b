//! The laws of a store as tests that any implementation can run; each is named as the sentence it proves.
//!
//! A store's own tests say how to make a fresh one, and get one test per law:
//!
//! ```ignore
//! use pingmon_core::conformance::{Harness, SteeredClock};
//!
//! struct MyHarness { clock: SteeredClock, store: Arc<MyStore> }
//! impl Harness for MyHarness { /* hands out the store, moves the clock */ }
//!
//! pingmon_core::conformance_tests!(MyHarness::fresh().await);
//! ```
//!
//! Laws that single calls can show lie by role: `catalog` and `edits`; `sessions`, `claims`, `completions` and `keeping`;
//! `history`, `incidents`, `acknowledging`, `silences`, `outbox`, `folding`, `groups`, `timing`; `plugins`. `concurrency` has those that
//! need two callers at once; `random` runs long random interleavings against a model.
//! What an engine makes of a store isn't tested here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests: a broken law is to fail loudly where it breaks")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::runtime;

use self::fixture::Fixture;
use crate::{
    store::Store,
    time::{Clock, Timestamp, micros},
};

#[doc(hidden)]
pub mod acknowledging;
#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod claims;
#[doc(hidden)]
pub mod completions;
#[doc(hidden)]
pub mod concurrency;
#[doc(hidden)]
pub mod edits;
#[doc(hidden)]
pub mod folding;
#[doc(hidden)]
pub mod groups;
#[doc(hidden)]
pub mod history;
#[doc(hidden)]
pub mod incidents;
#[doc(hidden)]
pub mod keeping;
#[doc(hidden)]
pub mod outbox;
#[doc(hidden)]
pub mod plugins;
#[doc(hidden)]
pub mod random;
#[doc(hidden)]
pub mod sessions;
#[doc(hidden)]
pub mod silences;
#[doc(hidden)]
pub mod timing;

pub mod fixture;
mod laws;

/// A fresh, empty store whose time the laws steer. One harness is one store.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// The store under test; the same at each call.
    fn store(&self) -> Arc<dyn Store>;

    /// Another handle to the same state, as another process would hold it. Stores that only one process can hold
    /// leave it as it is.
    fn second(&self) -> Arc<dyn Store> {
        self.store()
    }

    /// The store's clock. It stands still but for [`advance`](Self::advance).
    async fn now(&self) -> Timestamp;

    /// Moves the store's clock forward.
    async fn advance(&self, by: Duration);
}

/// A clock that moves only when it is told to, for stores that go by a [`Clock`]. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SteeredClock(Arc<AtomicI64>);

impl SteeredClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Default for SteeredClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_micros(1_767_225_600_000_000))
    }
}

impl Clock for SteeredClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Runs one law on a fresh store.
#[doc(hidden)]
pub fn hold<H: Harness, L: Future<Output = ()>>(fresh: impl AsyncFn() -> H, law: impl FnOnce(Fixture) -> L) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::new(fresh().await);
        law(fixture).await;
    });
}
