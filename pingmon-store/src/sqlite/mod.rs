//! The store in an SQLite file: for one process, or a few on one machine.
//!
//! One connection writes, a transaction at a time; others read beside it (WAL). Several processes may have the file
//! open: each transaction takes the write lock at its beginning (`BEGIN IMMEDIATE`), so what it reads can't change under
//! it. Sessions whose lease ran out end at the start of each transaction, before anything else is looked at: inside it
//! every owner is alive, and a free monitor is one without an owner.
//!
//! An answer means that it is on the disk. A full disk or an I/O error is an answer too (`Error::Store`, retryable):
//! nothing of that call was kept, what was answered before stays, reads go on, and the next call tries anew.

mod batch;
mod catalog;
mod claims;
mod completions;
mod connect;
#[cfg(feature = "copy")]
pub(crate) mod copying;
mod definitions;
mod deliveries;
#[cfg(test)]
mod full_disk;
mod groups;
mod history;
mod incidents;
mod kept;
mod migrate;
mod outbox;
mod plugins;
mod readers;
mod rows;
mod sessions;
mod silences;
mod writer;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use pingmon_core::{
    error::Result,
    time::{Clock, SystemClock, Timestamp},
};
use sqlx::SqliteConnection;

use self::{
    connect::{Location, is_transient, open_error},
    history::PruneFrom,
    readers::Readers,
    writer::Writer,
};
use crate::error;

/// Keeps everything in one SQLite file. Share it in an [`Arc`].
///
/// ```no_run
/// # async fn open() -> pingmon_core::error::Result<()> {
/// use pingmon_store::sqlite::SqliteStore;
///
/// let store = SqliteStore::open("sqlite:pingmon.db").await?;
/// // … hand it to an engine …
/// store.close().await;
/// # Ok(())
/// # }
/// ```
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    location: Location,
    writer: Writer,
    readers: Readers,
    prune_from: Mutex<PruneFrom>,
}

/// How a store is to be opened.
#[derive(Clone)]
pub struct SqliteOptions {
    clock: Arc<dyn Clock>,
    create: bool,
}

impl SqliteOptions {
    /// The wall clock of this machine; a file that isn't there is made.
    pub fn new() -> Self {
        Self { clock: Arc::new(SystemClock), create: true }
    }

    /// Sets where all instants come from. Processes that share a file are to go by the same clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Refuses a file that isn't there instead of making it: for whoever only wants to look.
    #[must_use]
    pub fn existing(mut self) -> Self {
        self.create = false;
        self
    }

    /// Opens the store at `sqlite:path` (the file is made if it isn't there, its directory isn't) or
    /// `sqlite::memory:`, and brings its tables to the form this program knows.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.url` when the URL can't be used, the file is
    /// no SQLite database or can't be written, or its tables are of a newer program; store errors.
    pub async fn open(self, url: &str) -> Result<SqliteStore> {
        let location = Location::parse(url)?;
        let opened = if self.create { location.create().await } else { location.open_writer().await };
        let mut connection = opened.map_err(|error| open_error(&location, error))?;
        migrate::migrate(&location, &mut connection).await?;
        migrate::refuse_half_copied(&location, &mut connection).await?;
        Ok(SqliteStore {
            clock: self.clock,
            writer: Writer::new(location.clone(), connection),
            readers: Readers::new(location.clone()),
            location,
            prune_from: Mutex::default(),
        })
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens a store that goes by the wall clock: [`SqliteOptions::open`] with nothing set.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(url: &str) -> Result<Self> {
        SqliteOptions::new().open(url).await
    }

    /// What the store's clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits for the writes that run and closes all connections, which folds the WAL into the file. Later calls fail. A
    /// store that is dropped instead loses nothing: the next one to open the file reads the WAL.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// One transaction: what `work` does happens at one instant, after the sessions that are over by then have ended.
    async fn write<T, W>(&self, action: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> BoxFuture<'c, error::Result<T>> + Send + 'static,
    {
        let clock = Arc::clone(&self.clock);
        let transaction = self.writer.transact(action, move |conn| {
            Box::pin(async move {
                let now = clock.now();
                sessions::end_expired(conn, now).await?;
                work(conn, now).await
            })
        });
        transaction.await
    }

    /// Reads beside the writer.
    async fn read<T, W>(&self, action: &'static str, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, error::Result<T>> + Send,
    {
        let answer = match self.location {
            Location::Memory => self.writer.read(work).await,
            Location::File(_) => self.readers.read(work).await,
        };
        answer.map_err(|failure| failure.into_error(action, is_transient))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("location", &self.location).finish_non_exhaustive()
    }
}
