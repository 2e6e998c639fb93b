//! What a copy needs of a store at either end; `sqlite` and `postgres` have one each. And what is decided before it
//! begins.

use async_trait::async_trait;
use pingmon_core::error::Error;

use super::{Place, Row, Table, Value};
use crate::{
    error::{Failure, Result},
    postgres::copying::PgSide,
    sqlite::copying::SqliteSide,
};

/// Which end of a copy a store is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The one to read. It mustn't bear the mark of a copy: half a store is none.
    From,
    /// The one to write.
    To,
}

/// A store at one end of a copy, by one connection of its own: dropped at any point, it rolls back what was begun.
#[async_trait]
pub(crate) trait Side: Send {
    /// What it is called: the same each time, different for each store, without secrets.
    fn name(&self) -> String;

    /// The host of an engine that is alive, if there is one.
    async fn worker(&mut self) -> Result<Option<String>>;

    /// Marks the store as the target of a copy from `source`, if [`admit`] lets it, and shuts engines out.
    async fn begin(&mut self, source: &str) -> Result<()>;

    /// Takes the mark off.
    async fn end(&mut self) -> Result<()>;

    /// How many rows a table has.
    async fn count(&mut self, table: &'static Table) -> Result<u64>;

    /// The greatest key of a table.
    async fn last(&mut self, table: &'static Table) -> Result<Option<Vec<Value>>>;

    /// The rows that follow a key, in order: at most [`PAGE_ROWS`](super::PAGE_ROWS), none only at the end.
    async fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>>;

    /// Writes rows, all or none.
    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()>;

    /// Takes leave.
    async fn close(self: Box<Self>);
}

/// A failure of the store to read, as callers see it.
pub(super) fn from(failure: Failure) -> Error {
    blame("from", failure)
}

/// A failure of the store to write, as callers see it.
pub(super) fn to(failure: Failure) -> Error {
    blame("to", failure)
}

/// What is wrong with the URL of an end is said of that end.
fn blame(end: &'static str, failure: Failure) -> Error {
    let lost = |error: &sqlx::Error| matches!(error, sqlx::Error::Io(_));
    match failure.into_error("copy the store", lost) {
        Error::Config { field, reason } if field == "store.url" => Error::config(end, reason),
        Error::Config { field, reason } if field == "store.schema" => Error::config("schema", reason),
        error => error,
    }
}

/// A store that can't be used.
pub(crate) fn unusable(reason: impl Into<String>) -> Failure {
    Error::config("store.url", reason).into()
}

/// Opens the store of one end.
pub(super) async fn open(end: End, place: &Place) -> Result<Box<dyn Side>> {
    match place.url.split_once(':') {
        Some(("sqlite", _)) => Ok(Box::new(SqliteSide::open(&place.url, end).await?)),
        Some(("postgres" | "postgresql", _)) => Ok(Box::new(PgSide::open(&place.url, &place.schema, end).await?)),
        _ => Err(unusable("names no store: write \"sqlite:pingmon.db\" or \"postgres://user:password@host/database\"")),
    }
}

/// An engine is alive where none may be.
pub(super) fn busy(host: &str) -> Failure {
    unusable(format!("an engine works on it (host \"{host}\"): stop it, or wait until its lease has run out"))
}

/// Whether a copy from `source` may go on, or begin, in a store that bears such a mark and has such an engine or rows.
/// Answers whether it is yet to be marked.
pub(crate) fn admit(
    source: &str,
    marked: Option<&str>,
    worker: Option<&str>,
    occupied: Option<&'static str>,
) -> Result<bool> {
    match (marked, worker, occupied) {
        (_, Some(host), _) => Err(busy(host)),
        (Some(other), ..) if other != source => {
            Err(unusable(format!("a copy from {other} was begun there: finish that one, or empty the store")))
        }
        (Some(_), ..) => Ok(false),
        (None, None, Some(table)) => {
            Err(unusable(format!("has rows of its own in the table {table}: name a store that is empty")))
        }
        (None, None, None) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(answer: Result<bool>) -> String {
        answer.map_err(|failure| to(failure).to_string()).unwrap_err()
    }

    #[test]
    fn a_copy_begins_in_an_empty_store_and_goes_on_where_it_was_begun() {
        assert!(admit("a", None, None, None).is_ok_and(|to_mark| to_mark));
        assert!(admit("a", Some("a"), None, Some("monitors")).is_ok_and(|to_mark| !to_mark));
    }

    #[test]
    fn a_copy_is_refused_beside_an_engine_over_other_rows_and_over_another_copy() {
        let with_engine = refusal(admit("a", Some("a"), Some("anna"), None));
        assert!(with_engine.contains("invalid to: an engine works on it (host \"anna\")"), "{with_engine}");
        let occupied = refusal(admit("a", None, None, Some("monitors")));
        assert!(occupied.contains("has rows of its own in the table monitors"), "{occupied}");
        let other = refusal(admit("a", Some("b"), None, None));
        assert!(other.contains("a copy from b was begun there"), "{other}");
    }
}
