//! Reads pingmon's SQLite file, from outside and without its code. Judging what it says is `ledger`'s business.

use std::path::Path;

use sqlx::{
    Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::Result;

pub(crate) struct Database(SqliteConnection);

impl Database {
    pub(crate) async fn open(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let options = options.busy_timeout(std::time::Duration::from_secs(10));
        Ok(Self(SqliteConnection::connect_with(&options).await?))
    }

    /// Everything that a query answers, row by row made into `T`.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &'static str,
        mut make: impl FnMut(&SqliteRow) -> std::result::Result<T, sqlx::Error>,
    ) -> Result<Vec<T>> {
        let rows = sqlx::query(sql).fetch_all(&mut self.0).await?;
        Ok(rows.iter().map(&mut make).collect::<std::result::Result<_, _>>()?)
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&mut self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query(sql).fetch_one(&mut self.0).await?.try_get(0)?)
    }

    /// What SQLite finds wrong with the file; nothing when it is sound.
    pub(crate) async fn damage(&mut self) -> Result<Vec<String>> {
        let mut found = self.all("PRAGMA integrity_check", |row| row.try_get::<String, _>(0)).await?;
        found.retain(|line| line != "ok");
        let orphans = self.number("SELECT count(*) FROM pragma_foreign_key_check").await?;
        found.extend((orphans > 0).then(|| format!("{orphans} rows refer to what isn't there")));
        Ok(found)
    }

    /// How many runs are recorded.
    pub(crate) async fn count_runs(&mut self) -> Result<i64> {
        self.number("SELECT count(*) FROM pingmon_results").await
    }
}
