//! The store laws over SQLite in a file, and the file that the other modules try it in.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    conformance::{Harness, SteeredClock},
    store::Store,
    time::{Clock as _, Timestamp},
};
use pingmon_store::sqlite::{SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// A place for one database file; gone when dropped.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("pingmon.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.url()).await.unwrap()
    }

    /// A connection beside the store's, to look behind its back.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).busy_timeout(Duration::ZERO);
        options.connect().await.unwrap()
    }
}

struct SqliteHarness {
    clock: SteeredClock,
    store: Arc<SqliteStore>,
    second: Arc<SqliteStore>,
    _place: Place,
}

impl SqliteHarness {
    async fn fresh() -> Self {
        let clock = SteeredClock::default();
        let place = Place::new();
        let open = async || {
            let options = SqliteOptions::new().clock(Arc::new(clock.clone()));
            Arc::new(options.open(&place.url()).await.unwrap())
        };
        let (store, second) = (open().await, open().await);
        Self { clock, store, second, _place: place }
    }
}

#[async_trait]
impl Harness for SqliteHarness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn second(&self) -> Arc<dyn Store> {
        Arc::clone(&self.second) as Arc<dyn Store>
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pingmon_core::conformance_tests!(SqliteHarness::fresh().await);
