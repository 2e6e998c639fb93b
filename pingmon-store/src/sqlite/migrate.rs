//! Brings the tables to the form this program knows, and refuses those of a newer one.

use pingmon_core::error::{Error, Result};
use sqlx::{
    Connection as _, SqlSafeStr as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::connect::{Location, open_error};
use crate::error::HALF_COPIED;

/// The bookkeeping table. An own one: with sqlx's default, two users of sqlx in one file would see each other's rows as
/// migrations gone missing.
const BOOKKEEPING: &str = "pingmon_migrations";

/// All migrations by version. A released one is never edited: its checksum is in the bookkeeping of every store.
const MIGRATIONS: [(i64, &str, &str); 6] = [
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "delivery", include_str!("../../migrations/sqlite/0002_delivery.sql")),
    (3, "dependencies", include_str!("../../migrations/sqlite/0003_dependencies.sql")),
    (4, "groups", include_str!("../../migrations/sqlite/0004_groups.sql")),
    (5, "silences", include_str!("../../migrations/sqlite/0005_silences.sql")),
    (6, "plugins", include_str!("../../migrations/sqlite/0006_plugins.sql")),
];

/// Applies what is missing, under the write lock: of several processes that start together one migrates, and the others
/// find it done.
///
/// # Errors
/// When the tables are of a newer program or were tampered with; store errors.
pub(super) async fn migrate(location: &Location, conn: &mut SqliteConnection) -> Result<()> {
    let failed = |error| open_error(location, error);
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    migrator().run_direct(None, &mut *tx, false).await.map_err(|error| migrate_error(location, error))?;
    tx.commit().await.map_err(failed)
}

/// Whether a copy into the store was begun and isn't finished.
pub(super) const MARK: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'pingmon_copying')";

/// Refuses a file that holds half of a copy.
///
/// # Errors
/// Then; store errors.
pub(super) async fn refuse_half_copied(location: &Location, conn: &mut SqliteConnection) -> Result<()> {
    match sqlx::query_scalar(MARK).fetch_one(conn).await.map_err(|error| open_error(location, error))? {
        true => Err(Error::config("store.url", HALF_COPIED)),
        false => Ok(()),
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.dangerous_set_table_name(BOOKKEEPING);
    migrator
}

fn migrate_error(location: &Location, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => open_error(location, error),
        MigrateError::VersionMissing(version) => {
            let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
            let reason = format!(
                "the store has schema version {version} and this program knows {known}: run a newer pingmon, or name \
                 another file"
            );
            Error::config("store.url", reason)
        }
        error => Error::Store { action: "migrate the store", retryable: false, source: Box::new(error) },
    }
}
