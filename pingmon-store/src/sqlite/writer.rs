//! The one connection that writes. What is done on it once begun is brought to its end.

use std::{mem, sync::Arc};

use futures_util::future::BoxFuture;
use pingmon_core::error::Error;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::connect::{Location, is_sound_after, is_transient};
use crate::error::{Failure, Result};

/// Writes one transaction at a time, in the order they were asked for.
///
/// Each runs as a task of its own: a caller that is dropped half-way (a timeout, a shutdown) can't leave a transaction
/// open on the only connection.
pub(super) struct Writer {
    location: Location,
    seat: Arc<Mutex<Seat>>,
    running: TaskTracker,
}

/// The connection between transactions.
enum Seat {
    Open(Box<SqliteConnection>),
    /// The file beneath it failed: the next transaction opens a new one. It is kept until then, because the shared memory
    /// that readers need lives no longer than the last connection, and can't be made anew on a failing disk.
    Doubtful(Box<SqliteConnection>),
    /// The store is closed.
    Closed,
}

impl Writer {
    pub(super) fn new(location: Location, connection: SqliteConnection) -> Self {
        let seat = Seat::Open(Box::new(connection));
        Self { location, seat: Arc::new(Mutex::new(seat)), running: TaskTracker::new() }
    }

    /// Does `work` in one transaction, all or nothing, even if the caller stops waiting for it.
    pub(super) async fn transact<T, W>(&self, action: &'static str, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let seat = Arc::clone(&self.seat);
        let location = self.location.clone();
        let task = self.running.spawn(async move { seat.lock().await.transact(&location, work).await });
        match task.await {
            Ok(answer) => answer.map_err(|failure| failure.into_error(action, is_transient)),
            Err(lost) => Err(Error::Store { action, retryable: false, source: Box::new(lost) }),
        }
    }

    /// Reads on this connection: for a store in memory, which has no other.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send,
    {
        let mut seat = self.seat.lock().await;
        work(seat.connection()?).await
    }

    /// Waits for what is running and closes the connection; later calls fail.
    pub(super) async fn close(&self) {
        self.running.close();
        self.running.wait().await;
        let seat = mem::replace(&mut *self.seat.lock().await, Seat::Closed);
        if let Seat::Open(connection) | Seat::Doubtful(connection) = seat
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "failed to close the store's connection");
        }
    }
}

impl Seat {
    async fn transact<T, W>(&mut self, location: &Location, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
    {
        if let Self::Doubtful(_) = self {
            *self = Self::Open(Box::new(location.open_writer().await?));
        }
        let answer = transact(self.connection()?, work).await;
        if let Err(Failure::Database(error)) = &answer
            && !is_sound_after(error)
            && *location != Location::Memory
        {
            tracing::warn!(%error, "the store's connection failed and is to be replaced");
            *self = match mem::replace(self, Self::Closed) {
                Self::Open(connection) => Self::Doubtful(connection),
                seat => seat,
            };
        }
        answer
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        match self {
            Self::Open(connection) | Self::Doubtful(connection) => Ok(connection),
            Self::Closed => Err(sqlx::Error::PoolClosed.into()),
        }
    }
}

/// `BEGIN IMMEDIATE`, the work, `COMMIT`; `ROLLBACK` after any error.
///
/// Plain statements instead of sqlx's transaction: SQLite rolls back by itself when the disk is full, and sqlx would
/// then count a transaction that isn't there for as long as the connection lives.
async fn transact<T, W>(conn: &mut SqliteConnection, work: W) -> Result<T>
where
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
{
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    let answer = match work(conn).await {
        Ok(answer) => sqlx::query("COMMIT").execute(&mut *conn).await.map(|_| answer).map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    if answer.is_err() {
        // Fails when SQLite has rolled back already. Were it to fail otherwise, the next BEGIN would, and the connection
        // be replaced.
        let _ = sqlx::query("ROLLBACK").execute(conn).await;
    }
    answer
}
