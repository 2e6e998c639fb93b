//! The connections that only read: beside the writer, in a snapshot of their own, and opened when they are needed.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Semaphore;

use super::connect::{Location, is_sound_after};
use crate::error::{Failure, Result};

/// Most connections that read at one time; more reads wait.
const READERS: usize = 4;

/// A few connections to one file. No timers: a paused clock of a test harms nothing.
pub(super) struct Readers {
    location: Location,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(location: Location) -> Self {
        Self { location, permits: Semaphore::new(READERS), idle: Mutex::default() }
    }

    /// Reads on a connection that nobody else uses meanwhile. A read that is dropped half-way takes its connection
    /// along; so does one that met a failing file.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send,
    {
        let _permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.location.open_reader().await?,
        };
        let answer = work(&mut connection).await;
        if !matches!(&answer, Err(Failure::Database(error)) if !is_sound_after(error)) {
            self.idle().push(connection);
        }
        answer
    }

    /// Closes what is idle; reads that run end by themselves, later ones fail.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "failed to close a reading connection of the store");
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
