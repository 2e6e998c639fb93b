//! Reads pingmon's database from outside, without its code. Judging what it says is others' business.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection as _, FromRow, PgConnection, SqliteConnection,
    postgres::PgRow,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::{postgres, sqlite};
use crate::Result;

/// What is asked of a database, in its own words. Columns are named as the fields of what is made of them; instants are
/// microseconds since 1970, ids hexadecimal.
pub(super) struct Queries {
    pub(super) schedule: &'static str,
    pub(super) runs: &'static str,
    pub(super) gaps: &'static str,
    pub(super) incidents: &'static str,
    pub(super) deliveries: &'static str,
    /// How many sessions haven't ended.
    pub(super) open_sessions: &'static str,
    /// How many runs are recorded.
    pub(super) recorded: &'static str,
    /// How many incidents are open, deliveries on their way, and monitors overdue by more than a second.
    pub(super) unsettled: &'static str,
}

pub(crate) enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// What can be made of a row of either database.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl Database {
    /// An SQLite file.
    pub(crate) async fn file(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(10));
        Ok(Self::Sqlite(SqliteConnection::connect_with(&options).await?))
    }

    /// A PostgreSQL server.
    pub(crate) async fn server(url: &str) -> Result<Self> {
        Ok(Self::Postgres(PgConnection::connect(url).await?))
    }

    /// How many runs are recorded.
    pub(crate) async fn count_runs(&mut self) -> Result<i64> {
        self.number(self.queries().recorded).await
    }

    /// How many incidents are open, deliveries on their way, and monitors overdue by more than a second.
    pub(crate) async fn count_unsettled(&mut self) -> Result<i64> {
        self.number(self.queries().unsettled).await
    }

    /// What SQLite finds wrong with its file; nothing when it is sound.
    pub(crate) async fn damage(&mut self) -> Result<Vec<String>> {
        let Self::Sqlite(connection) = self else { return Ok(Vec::new()) };
        let mut found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(connection).await?;
        found.retain(|line| line != "ok");
        let orphans = self.number("SELECT count(*) FROM pragma_foreign_key_check").await?;
        found.extend((orphans > 0).then(|| format!("{orphans} rows refer to what isn't there")));
        Ok(found)
    }

    pub(super) fn queries(&self) -> &'static Queries {
        match self {
            Self::Sqlite(_) => &sqlite::QUERIES,
            Self::Postgres(_) => &postgres::QUERIES,
        }
    }

    /// Everything that a query answers.
    pub(super) async fn all<T: Row>(&mut self, sql: &'static str) -> Result<Vec<T>> {
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_as(sql).fetch_all(connection).await?,
            Self::Postgres(connection) => sqlx::query_as(sql).fetch_all(connection).await?,
        })
    }

    /// The one number that a query answers.
    pub(super) async fn number(&mut self, sql: &'static str) -> Result<i64> {
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
        })
    }
}
