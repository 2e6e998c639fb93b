//! How a piece of work on a database ends early, before it becomes the error that the contracts speak of. What makes an
//! error of a given database worth another try stands with that database.

use std::error::Error as StdError;

use pingmon_core::error::Error;

/// Why a store isn't opened that a copy was begun into: no engine is to run on half of what there is.
pub(crate) const HALF_COPIED: &str =
    "names a store into which a copy was begun that isn't finished: run the same `pingmon store copy` again";

/// Why a transaction was rolled back or a query gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database, or the way to it, failed.
    Database(sqlx::Error),
    /// The contract says no: the session has ended, there is no such monitor.
    Refused(Error),
}

impl Failure {
    /// A stored value that can't be read back.
    pub(crate) fn unreadable(what: &str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::Database(sqlx::Error::Decode(format!("the stored {what} can't be read: {source}").into()))
    }

    /// The error of the contracts: `action` is what was attempted, `retryable` knows the database's codes.
    pub(crate) fn into_error(self, action: &'static str, retryable: impl FnOnce(&sqlx::Error) -> bool) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Database(error) => Error::Store { action, retryable: retryable(&error), source: cause(error) },
        }
    }
}

/// What the database said. Without the wrapping of sqlx, which says it too, so that a log line would have it twice.
pub(crate) fn cause(error: sqlx::Error) -> Box<dyn StdError + Send + Sync> {
    match error {
        sqlx::Error::Database(error) => error,
        sqlx::Error::Io(error) => Box::new(error),
        sqlx::Error::Decode(error) | sqlx::Error::Encode(error) => error,
        error => Box::new(error),
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The result of a piece of work on a database.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;
