//! Brings the tables to the form this program knows, and says whether it can work with those that are there.
//!
//! What migrating does is one SQL script, which people can run themselves.

use std::fmt::Write as _;

use pingmon_core::error::{Error, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{
    codes::{is_transient, open_error, refusal},
    connect::Target,
    retention::ADD_DAYS,
    statements::Schema,
};
use crate::error;

/// A step from one form of the tables to the next. A released one is never edited.
struct Migration {
    version: i64,
    name: &'static str,
    /// Up to this version back, programs can work on the tables as it leaves them: those run on while it is applied,
    /// and beside newer ones until the last of them is replaced.
    oldest: i64,
    sql: &'static str,
}

/// All migrations by version.
const MIGRATIONS: [Migration; 6] = [
    Migration {
        version: 1,
        name: "initial",
        oldest: 1,
        sql: include_str!("../../migrations/postgres/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "delivery",
        oldest: 1,
        sql: include_str!("../../migrations/postgres/0002_delivery.sql"),
    },
    Migration {
        version: 3,
        name: "dependencies",
        oldest: 1,
        sql: include_str!("../../migrations/postgres/0003_dependencies.sql"),
    },
    Migration { version: 4, name: "groups", oldest: 1, sql: include_str!("../../migrations/postgres/0004_groups.sql") },
    Migration {
        version: 5,
        name: "silences",
        oldest: 1,
        sql: include_str!("../../migrations/postgres/0005_silences.sql"),
    },
    Migration {
        version: 6,
        name: "plugins",
        oldest: 1,
        sql: include_str!("../../migrations/postgres/0006_plugins.sql"),
    },
];
/// The version of the tables that this program knows.
const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Applies what is missing, in one transaction on a connection of its own, which is closed whatever the outcome.
///
/// # Errors
/// When the tables are of a newer program that has left this one behind, or the role may not make them; store errors.
pub(super) async fn migrate(target: &Target, schema: &Schema) -> Result<()> {
    let failed = |failure: error::Failure| failure.into_error("migrate the store", is_transient);
    let mut conn = target.connect().await.map_err(failed)?.conn;
    let migrated = apply(&mut conn, schema).await;
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "failed to close the connection that migrated the store");
    }
    migrated
}

async fn apply(conn: &mut PgConnection, schema: &Schema) -> Result<()> {
    let failed = |failure: error::Failure| failure.into_error("migrate the store", is_transient);
    if let Some(found) = found(conn, schema).await.map_err(failed)? {
        found.runs_on(KNOWN)?;
    }
    sqlx::raw_sql(AssertSqlSafe(script(schema))).execute(&mut *conn).await.map_err(open_error)?;
    // Apart, because readers may be in the way, and results find a place without them too.
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(schema.fill(ADD_DAYS))).execute(conn).await {
        tracing::info!(%error, "couldn't add partitions for the days to come: the engine tries again");
    }
    Ok(())
}

// Of several processes that start together one migrates, and the others find it done. Nothing is created that is there:
// a role that may create nothing can find that nothing is missing.
const BEGIN: &str = "BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('{schema}.migrations', 0));
DO $do$ BEGIN
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA {schema};
    END IF;
    IF to_regclass('{schema}.migrations') IS NULL THEN
        -- `oldest` is the oldest program, by the version it knows, that can work on these tables.
        CREATE TABLE {schema}.migrations (
            version    bigint      PRIMARY KEY,
            name       text        NOT NULL,
            oldest     bigint      NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
    END IF;
END $do$;
";

/// What migrating says to the server: whatever version the tables have, it leaves them as this program knows them.
pub(super) fn script(schema: &Schema) -> String {
    let mut script = BEGIN.to_owned();
    for Migration { version, name, oldest, sql } in MIGRATIONS {
        let _ = write!(
            script,
            "DO $do$ BEGIN
    IF EXISTS (SELECT FROM {{schema}}.migrations WHERE version = {version}) THEN
        RETURN;
    END IF;
    INSERT INTO {{schema}}.migrations (version, name, oldest) VALUES ({version}, '{name}', {oldest});
    EXECUTE $migration$
{sql}
$migration$;
END $do$;
"
        );
    }
    schema.fill(&(script + "COMMIT;\n"))
}

/// The script that people run, with the partitions for the days to come.
pub(super) fn printed(schema: &Schema) -> String {
    format!(
        "-- The tables of pingmon in the form of version {KNOWN}. Whatever they are now, run all of it: psql -f FILE\n{}{};\n",
        script(schema),
        schema.fill(ADD_DAYS)
    )
}

/// The form in which tables were found.
#[derive(Clone, Copy)]
struct Found {
    version: i64,
    oldest: i64,
}

const FOUND: &str = "SELECT version, oldest FROM {schema}.migrations ORDER BY version DESC LIMIT 1";

/// The form of the tables that are there; none when there are none.
async fn found(conn: &mut PgConnection, schema: &Schema) -> error::Result<Option<Found>> {
    const UNDEFINED_TABLE: &str = "42P01";
    match sqlx::raw_sql(AssertSqlSafe(schema.fill(FOUND))).fetch_optional(conn).await {
        Ok(row) => Ok(row
            .map(|row| Ok::<_, sqlx::Error>(Found { version: row.try_get(0)?, oldest: row.try_get(1)? }))
            .transpose()?),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(refusal(error)),
    }
}

/// Refuses a connection to tables that this program can't work with, or that hold half of a copy: what each new one is
/// asked.
pub(super) async fn check(conn: &mut PgConnection, schema: &Schema) -> error::Result<()> {
    fits(found(conn, schema).await?, KNOWN)?;
    match is_half_copied(conn, schema).await? {
        true => Err(Error::config("store.url", error::HALF_COPIED).into()),
        false => Ok(()),
    }
}

/// Refuses tables that aren't exactly those this program knows: of newer ones it can't see all.
#[cfg(feature = "copy")]
pub(super) async fn check_known(conn: &mut PgConnection, schema: &Schema) -> error::Result<()> {
    let found = found(conn, schema).await?;
    fits(found, KNOWN)?;
    match found {
        Some(Found { version, .. }) if version > KNOWN => {
            let reason =
                format!("the store has schema version {version} and this program knows {KNOWN}: run a newer pingmon");
            Err(Error::config("store.url", reason).into())
        }
        _ => Ok(()),
    }
}

const HALF_COPIED: &str = "SELECT to_regclass('{schema}.copying') IS NOT NULL";

/// Whether a copy into the store was begun and isn't finished.
pub(super) async fn is_half_copied(conn: &mut PgConnection, schema: &Schema) -> error::Result<bool> {
    Ok(sqlx::raw_sql(AssertSqlSafe(schema.fill(HALF_COPIED))).fetch_one(conn).await?.try_get(0)?)
}

/// What to do about tables that are missing or old.
const MIGRATE: &str = "run `pingmon migrate`, or call PgStore::migrate";

/// Whether a program that knows version `known` can work with such tables.
fn fits(found: Option<Found>, known: i64) -> Result<()> {
    match found {
        None => Err(Error::config("store.url", format!("names a store that has no tables yet: {MIGRATE}"))),
        Some(Found { version, .. }) if version < known => {
            let reason = format!("the store has schema version {version} and this program needs {known}: {MIGRATE}");
            Err(Error::config("store.url", reason))
        }
        Some(found) => found.runs_on(known),
    }
}

impl Found {
    /// Refuses tables that have left the program behind which knows version `known`.
    fn runs_on(self, known: i64) -> Result<()> {
        let Self { version, oldest } = self;
        if oldest <= known {
            return Ok(());
        }
        let reason = format!(
            "the store has schema version {version}, for programs that know {oldest} or later, and this program knows \
             {known}: run a newer pingmon, or name another schema"
        );
        Err(Error::config("store.url", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_works_with_its_own_tables_and_with_newer_ones_that_allow_for_it() {
        for (version, oldest, known) in [(1, 1, 1), (3, 1, 3), (4, 3, 3), (9, 3, 3)] {
            fits(Some(Found { version, oldest }), known).unwrap();
        }
        for (found, known, reason) in [
            (None, 3, "run `pingmon migrate`"),
            (
                Some(Found { version: 2, oldest: 1 }),
                3,
                "has schema version 2 and this program needs 3: run `pingmon mi",
            ),
            (Some(Found { version: 5, oldest: 4 }), 3, "schema version 5, for programs that know 4 or later, and this"),
        ] {
            let error = fits(found, known).unwrap_err().to_string();
            assert!(error.starts_with("invalid store.url: ") && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn each_migration_follows_the_one_before_and_leaves_nobody_behind_who_is_newer() {
        assert!(MIGRATIONS.is_sorted_by(|one, next| one.version < next.version));
        for migration in &MIGRATIONS {
            assert!((1..=migration.version).contains(&migration.oldest));
            assert!(!migration.sql.contains("$do$") && !migration.sql.contains("$migration$"));
        }
    }
}
