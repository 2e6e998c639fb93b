//! What PostgreSQL's error codes mean: for the caller, and for the connection they came on
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::io;

use pingmon_core::error::Error;
use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

use super::url::refused;
use crate::error::Failure;

/// An error of our own about a server, worth another try: it is silent, or none that a store can use.
pub(super) fn unusable(kind: io::ErrorKind, reason: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(kind, reason.into()))
}

/// Whether the same call may succeed later: the way to the server failed, or it is short of something, busy, starting,
/// stopping or a standby for now.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        Some(code) => {
            // Connection; rollback for the sake of others; resources; operator intervention; system error.
            let classes = ["08", "40", "53", "57", "58"];
            // A lock not had in time; a transaction that failed before, or was idle for too long.
            let codes = ["55P03", "25P02", "25P03"];
            classes.iter().any(|class| code.starts_with(class)) || codes.contains(&&*code) || is_read_only(error)
        }
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed
        ),
    }
}

/// Whether the connection that answered so is no use any more, and those beside it in doubt: it broke, its server stops
/// or became a standby, or it isn't in the state that we believe.
pub(super) fn is_fatal(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        // Shut down by an administrator or a crash, or starting; a failed transaction, or one idle for too long.
        Some(code) => {
            let codes = ["57P01", "57P02", "57P03", "25P02", "25P03"];
            code.starts_with("08") || codes.contains(&&*code) || is_read_only(error)
        }
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)),
    }
}

/// Whether the server takes no writes.
fn is_read_only(error: &sqlx::Error) -> bool {
    sqlstate(error).as_deref() == Some("25006")
}

/// Whether something between us and the server refuses what a connection asks for as it begins: poolers know only some
/// parameters.
pub(super) fn is_refused_parameter(error: &sqlx::Error) -> bool {
    // A breach of protocol; a feature that isn't supported; an invalid parameter, or one unknown.
    sqlstate(error).is_some_and(|code| ["08", "0A", "22", "42"].iter().any(|class| code.starts_with(class)))
}

/// Why no connection came about, or no migration: the URL is blamed where it is to blame.
pub(super) fn refusal(error: sqlx::Error) -> Failure {
    let reason = match sqlstate(&error).as_deref() {
        Some(code) if code.starts_with("28") => "doesn't let us in",
        Some("3D000") => "names no database of this server",
        Some("42501") => "names a role that may not do what is needed",
        None if is_distrust(&error) => "names a server whose certificate isn't trusted",
        _ => return error.into(),
    };
    Failure::Refused(refused(format!("{reason}: {error}")))
}

/// The error of a failed migration, see [`refusal`].
pub(super) fn open_error(error: sqlx::Error) -> Error {
    refusal(error).into_error("open the store", is_transient)
}

/// Whether TLS was asked for and the server couldn't show who it is.
fn is_distrust(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Whether a row was refused because there is one of its key.
pub(super) fn is_unique_violation(error: &Error) -> bool {
    let Error::Store { source, .. } = error else { return false };
    source.downcast_ref::<PgDatabaseError>().is_some_and(|error| error.code() == "23505")
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error().and_then(DatabaseError::code)?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_worth_another_try() {
        assert!(is_transient(&sqlx::Error::PoolTimedOut));
        assert!(is_transient(&sqlx::Error::Io(io::ErrorKind::ConnectionReset.into())));
        assert!(!is_transient(&sqlx::Error::PoolClosed));
        assert!(!is_transient(&sqlx::Error::RowNotFound));
    }

    #[test]
    fn a_connection_that_broke_is_no_use_and_one_that_found_nothing_is() {
        assert!(is_fatal(&sqlx::Error::Io(io::ErrorKind::ConnectionReset.into())));
        assert!(is_fatal(&sqlx::Error::Protocol("lost the thread".to_owned())));
        assert!(!is_fatal(&sqlx::Error::RowNotFound));
    }
}
