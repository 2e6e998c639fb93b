//! Brings the tables to the form this program knows, and refuses those of a newer one.

use pingmon_core::error::{Error, Result};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Row as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{
    codes::{is_transient, open_error, refusal},
    connect::Target,
    retention::ADD_DAYS,
    statements::Schema,
};
use crate::error;

/// All migrations by version. A released one is never edited: its checksum is in the bookkeeping of every store.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "initial", include_str!("../../migrations/postgres/0001_initial.sql"))];

/// Held while migrating: of several processes that start together one migrates, and the others find it done.
const LOCK: i64 = i64::from_be_bytes(*b"\0pingmon");

/// Applies what is missing, in one transaction on a connection of its own, which is closed whatever the outcome.
///
/// # Errors
/// When the tables are of a newer program or were tampered with, or the role may not make them; store errors.
pub(super) async fn migrate(target: &Target, schema: &Schema) -> Result<()> {
    let connected = target.connect().await;
    let mut conn = connected.map_err(|failure| failure.into_error("open the store", is_transient))?.conn;
    let migrated = apply(&mut conn, schema).await;
    if migrated.is_ok() {
        add_days(&mut conn, schema).await;
    }
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "failed to close the connection that migrated the store");
    }
    migrated.map_err(migrate_error)
}

async fn apply(conn: &mut PgConnection, schema: &Schema) -> Result<(), MigrateError> {
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).persistent(false).execute(&mut *tx).await?;
    create_schema(&mut tx, schema).await?;
    migrator(schema).run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}

/// Adds the partitions that will be needed next: apart, because readers may be in the way, and results find a place
/// without them too.
async fn add_days(conn: &mut PgConnection, schema: &Schema) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(schema.fill(ADD_DAYS))).execute(conn).await {
        tracing::info!(%error, "couldn't add partitions for the days to come: the engine tries again");
    }
}

/// Makes the schema unless it is there: a role that may not make schemas can be given one.
async fn create_schema(conn: &mut PgConnection, schema: &Schema) -> sqlx::Result<()> {
    let exists = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)");
    if !exists.bind(schema.name()).persistent(false).fetch_one(&mut *conn).await? {
        sqlx::raw_sql(AssertSqlSafe(schema.fill("CREATE SCHEMA {schema}"))).execute(conn).await?;
    }
    Ok(())
}

fn migrator(schema: &Schema) -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        let sql = AssertSqlSafe(schema.fill(sql)).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    // An own bookkeeping table: with sqlx's default, two users of sqlx in one database would see each other's rows as
    // migrations gone missing. An own lock: sqlx's belongs to the connection, and outlives a migration that fails.
    migrator.dangerous_set_table_name(schema.fill("{schema}.migrations"));
    migrator.set_locking(false);
    migrator
}

const VERSION: &str = "SELECT max(version) FROM {schema}.migrations WHERE success";

/// Refuses a connection to tables that this program doesn't know: what each new one is asked.
pub(super) async fn check(conn: &mut PgConnection, schema: &Schema) -> error::Result<()> {
    let version: Option<i64> = match sqlx::raw_sql(AssertSqlSafe(schema.fill(VERSION))).fetch_one(conn).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => None,
        row => row.map_err(refusal)?.try_get(0)?,
    };
    Ok(fits(version)?)
}

/// What to do about tables that are missing or old.
const MIGRATE: &str = "run `pingmon migrate`, or call PgStore::migrate";

/// Whether this program knows the tables of a version; there are none before the first.
fn fits(version: Option<i64>) -> Result<()> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    match version {
        Some(version) if version > known => Err(newer(version)),
        Some(version) if version == known => Ok(()),
        Some(version) => {
            let reason = format!("the store has schema version {version} and this program needs {known}: {MIGRATE}");
            Err(Error::config("store.url", reason))
        }
        None => Err(Error::config("store.url", format!("names a store that has no tables yet: {MIGRATE}"))),
    }
}

fn newer(version: i64) -> Error {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    let reason = format!(
        "the store has schema version {version} and this program knows {known}: run a newer pingmon, or name another \
         schema"
    );
    Error::config("store.url", reason)
}

fn migrate_error(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => open_error(error),
        MigrateError::VersionMissing(version) => newer(version),
        error => Error::Store { action: "migrate the store", retryable: false, source: Box::new(error) },
    }
}
