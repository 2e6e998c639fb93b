//! The store in a PostgreSQL database: for any number of processes on any number of machines.
//!
//! Everything lies in a schema of its own. Time is the database's. Nothing belongs to a connection: no session state, no
//! LISTEN, no lock outside a transaction, so a pooler in transaction mode may stand between
//! (`?pooler=transaction` in the URL, then nothing is prepared by name either).
//!
//! Who waits for whom: a transaction locks the session it works for, then schedule rows in the order of their monitors,
//! then what hangs on them. Work of a session keeps it from being ended (`FOR KEY SHARE`) but not from being renewed;
//! edits of the catalog happen one after the other. So transactions wait in a line and not in a circle.
//!
//! An answer means that it is committed. An error means that nothing of that call was kept, or, if the connection broke
//! during the commit, that it isn't known. No commit is repeated here: the same call again, `owned` after a claim and
//! `put_back` after a take tell what became of it (`docs/postgresql.md` has the table).

mod batch;
mod catalog;
mod claims;
mod codes;
mod completions;
mod connect;
mod copy;
#[cfg(feature = "copy")]
pub(crate) mod copying;
mod definitions;
mod deliveries;
mod groups;
mod history;
mod incidents;
mod intake;
mod kept;
mod migrate;
mod outbox;
mod plugins;
mod pool;
mod retention;
mod rows;
mod sessions;
mod silences;
mod statements;
mod transactions;
mod unreadable;
mod url;

use std::{
    fmt,
    sync::{Arc, Once},
    time::Duration,
};

use futures_util::future::BoxFuture;
use pingmon_core::{
    error::{Error, Result},
    time::Timestamp,
};
use tokio::time::timeout;

use self::{
    connect::Target,
    pool::Pool,
    statements::{Schema, Statements},
    transactions::{Access, Transaction, Transactions, silence},
    unreadable::Unreadable,
};
use crate::error;

/// How long bringing the tables up to date may take: an index over a large table takes its time.
const MIGRATION: Duration = Duration::from_secs(900);

/// Keeps everything in one schema of a PostgreSQL database. Share it in an [`Arc`].
///
/// ```no_run
/// # async fn open() -> pingmon_core::error::Result<()> {
/// use pingmon_store::postgres::PgStore;
///
/// let store = PgStore::open("postgres://pingmon:secret@db/pingmon").await?;
/// // … hand it to an engine …
/// store.close().await;
/// # Ok(())
/// # }
/// ```
pub struct PgStore {
    target: Arc<Target>,
    schema: Schema,
    transactions: Arc<Transactions>,
    /// Whether somebody was told that the role may not change partitions.
    told_of_days: Once,
    unreadable: Unreadable,
}

/// How a store is to be opened.
#[derive(Clone, Debug)]
pub struct PgOptions {
    schema: String,
    connections: u32,
}

impl PgOptions {
    /// The schema `pingmon`, up to 8 connections.
    pub fn new() -> Self {
        Self { schema: "pingmon".to_owned(), connections: 8 }
    }

    /// Sets the schema: up to 63 lower-case letters, digits and underscores, beginning with no digit and not with `pg_`.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets how many connections there may be at one time; at least 1. An engine keeps 2 or 3 busy.
    #[must_use]
    pub fn connections(mut self, most: u32) -> Self {
        self.connections = most.max(1);
        self
    }

    /// The store at `postgres://user:password@host:5432/database`, which has its tables already: see
    /// [`PgStore::migrate`]. Several hosts may stand there as `a:5432,b:5432`: the first that takes writes serves. What
    /// the URL leaves out is taken from libpq's environment variables (`PGPASSWORD` …) and `.pgpass`.
    ///
    /// Connects at the first call: no server that is away keeps a program from starting. Until it is back, calls fail
    /// with an error worth another try; when it refuses who we are, or has no tables that this program knows, with
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.url`.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.url` or `store.schema` when it can't be used.
    pub async fn connect(self, url: &str) -> Result<PgStore> {
        let schema = Schema::parse(&self.schema)?;
        let target = Arc::new(Target::parse(url)?);
        let pool = Pool::new(Arc::clone(&target), schema.clone(), self.connections);
        let transactions = Arc::new(Transactions::new(pool, Statements::new(schema.clone())));
        Ok(PgStore { target, schema, transactions, told_of_days: Once::new(), unreadable: Unreadable::default() })
    }

    /// What [`PgStore::migrate`] says to the server, as a script for `psql`: for who lets no program change tables. It
    /// may be run again, and brings tables of any version to the form this program knows.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.schema`.
    pub fn migrations(&self) -> Result<String> {
        Ok(migrate::printed(&Schema::parse(&self.schema)?))
    }

    /// [`connect`](Self::connect), then [`PgStore::migrate`].
    ///
    /// # Errors
    /// As both.
    pub async fn open(self, url: &str) -> Result<PgStore> {
        let store = self.connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }
}

impl Default for PgOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PgStore {
    /// Connects to a store in the schema `pingmon`: [`PgOptions::connect`] with nothing set.
    ///
    /// # Errors
    /// As [`PgOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        PgOptions::new().connect(url).await
    }

    /// Connects to a store in the schema `pingmon` and brings its tables up to date: [`PgOptions::open`] with nothing
    /// set.
    ///
    /// # Errors
    /// As [`PgOptions::open`].
    pub async fn open(url: &str) -> Result<Self> {
        PgOptions::new().open(url).await
    }

    /// Brings the tables to the form this program knows; makes schema and tables where there are none. All or nothing,
    /// on a connection of its own. Of several processes that do it at once, one does it and the others wait.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.url` when the role may not, or the tables are
    /// of a newer program that has left this one behind; store errors.
    pub async fn migrate(&self) -> Result<()> {
        let overdue = || Error::Store { action: "migrate the store", retryable: true, source: Box::new(silence()) };
        timeout(MIGRATION, migrate::migrate(&self.target, &self.schema)).await.unwrap_or_else(|_| Err(overdue()))
    }

    /// What the store's clock shows: the database's.
    ///
    /// # Errors
    /// Store errors.
    pub async fn now(&self) -> Result<Timestamp> {
        self.read("read the clock", |mut tx| Box::pin(async move { sessions::now(&mut tx).await })).await
    }

    /// Waits for what is running and closes all connections. Later calls fail.
    pub async fn close(&self) {
        self.transactions.close().await;
    }

    async fn write<T, W>(&self, action: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, error::Result<T>> + Send + 'static,
    {
        self.transactions.transact(action, Access::Write, work).await
    }

    /// As [`write`](Self::write), for what takes many statements: the call as a whole may take longer.
    async fn administer<T, W>(&self, action: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, error::Result<T>> + Send + 'static,
    {
        self.transactions.transact(action, Access::Administer, work).await
    }

    async fn read<T, W>(&self, action: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, error::Result<T>> + Send + 'static,
    {
        self.transactions.transact(action, Access::Read, work).await
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").field("schema", &self.schema).finish_non_exhaustive()
    }
}
