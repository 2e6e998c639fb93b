//! Opens the store that a config names. What a store does is the business of `pingmon_store`.

use std::{path::Path, sync::Arc};

use pingmon_core::{
    error::{Error, Result},
    store::Store,
    time::Timestamp,
};
use pingmon_store::{
    postgres::{PgOptions, PgStore},
    sqlite::{SqliteOptions, SqliteStore},
};

use crate::config::Store as Settings;

/// An open store, which is to be closed at the end.
pub(crate) enum Opened {
    /// In an SQLite file.
    Sqlite(Arc<SqliteStore>),
    /// In a PostgreSQL database.
    Postgres(Arc<PgStore>),
}

impl Opened {
    /// Opens a store to work with. The tables of an SQLite file are brought up to date; those of PostgreSQL are left as
    /// they are, which is the business of `pingmon migrate`.
    ///
    /// # Errors
    /// [`Error::Config`] when no store has such a URL; store errors when it can't be opened.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        Self::with(settings, SqliteOptions::new()).await
    }

    /// Opens a store to look at: one that isn't there is an error.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn open_existing(settings: &Settings) -> Result<Self> {
        Self::with(settings, SqliteOptions::new().existing()).await
    }

    async fn with(settings: &Settings, sqlite: SqliteOptions) -> Result<Self> {
        let url = &settings.url;
        check_url(url).map_err(|reason| Error::config("store.url", reason))?;
        Ok(match url.starts_with("sqlite:") {
            true => Self::Sqlite(Arc::new(sqlite.open(url).await?)),
            false => Self::Postgres(Arc::new(postgres(settings).connect(url).await?)),
        })
    }

    /// The store.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Brings the tables up to date. An SQLite file had that when it was opened.
    ///
    /// # Errors
    /// When the role may not, or the tables are of a newer program; store errors.
    pub(crate) async fn migrate(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(store) => store.migrate().await,
        }
    }

    /// What its clock shows.
    ///
    /// # Errors
    /// Store errors.
    pub(crate) async fn now(&self) -> Result<Timestamp> {
        match self {
            Self::Sqlite(store) => Ok(store.now()),
            Self::Postgres(store) => store.now().await,
        }
    }

    /// Ends all work with it.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// Whether the store is a file that isn't there yet.
pub(crate) fn is_missing(settings: &Settings) -> bool {
    let file = settings.url.strip_prefix("sqlite:").filter(|file| *file != ":memory:");
    file.is_some_and(|file| !Path::new(file.strip_prefix("//").unwrap_or(file)).exists())
}

/// The SQL of `pingmon migrate`, for who lets no program change tables.
///
/// # Errors
/// [`Error::Config`] when the store isn't PostgreSQL.
pub(crate) fn migrations(settings: &Settings) -> Result<String> {
    check_url(&settings.url).map_err(|reason| Error::config("store.url", reason))?;
    match settings.url.starts_with("sqlite:") {
        true => {
            Err(Error::config("store.url", "names an SQLite file, which needs no SQL: opening it brings it up to date"))
        }
        false => postgres(settings).migrations(),
    }
}

/// How a PostgreSQL store is opened.
fn postgres(settings: &Settings) -> PgOptions {
    PgOptions::new().schema(&settings.schema.0).connections(settings.connections)
}

/// Whether some store has such a URL.
///
/// # Errors
/// What is wrong with it, without repeating it: it may hold a password.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    match url.split_once(':') {
        Some(("sqlite", file)) if !file.is_empty() => Ok(()),
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(()),
        _ => {
            Err("names no store: write \"sqlite:pingmon.db\" or \"postgres://user:password@host/database\"".to_owned())
        }
    }
}

/// The URL as it may be shown: without user, password and parameters.
pub(crate) fn describe(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(describe("postgres://me:pass@word@db/x?password=y"), "postgres://db/x");
        assert_eq!(describe("sqlite:pingmon.db"), "sqlite:pingmon.db");
    }

    #[test]
    fn a_url_of_a_known_store_is_taken() {
        for good in
            ["sqlite:pingmon.db", "sqlite::memory:", "postgres://db/x", "postgresql://me:pw@db:5432/x?sslmode=require"]
        {
            check_url(good).unwrap();
        }
    }

    #[test]
    fn a_url_of_no_known_store_is_refused_without_repeating_it() {
        for bad in ["", "pingmon.db", "mysql://me:secret@x/y", "sqlite:", "postgres:me:secret@x/y"] {
            let reason = check_url(bad).unwrap_err();
            assert!(reason.contains("sqlite:pingmon.db") && !reason.contains("secret"), "{reason}");
        }
    }
}
