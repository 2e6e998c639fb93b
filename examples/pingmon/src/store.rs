//! Opens the store that a config names. What a store does is the business of `pingmon_store`.

use std::sync::Arc;

use pingmon_core::{
    error::{Error, Result},
    store::Store,
};
use pingmon_store::sqlite::SqliteStore;

/// An open store, which is to be closed at the end.
pub(crate) enum Opened {
    /// In an SQLite file.
    Sqlite(Arc<SqliteStore>),
}

impl Opened {
    /// Opens the store of a URL.
    ///
    /// # Errors
    /// [`Error::Config`] when no store has such a URL; store errors when it can't be opened.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        check_url(url).map_err(|reason| Error::config("store.url", reason))?;
        Ok(Self::Sqlite(Arc::new(SqliteStore::open(url).await?)))
    }

    /// The store.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Ends all work with it.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(store) => store.close().await,
        }
    }
}

/// Whether some store has such a URL.
///
/// # Errors
/// What is wrong with it, without repeating it: it may hold a password.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    match url.split_once(':') {
        Some(("sqlite", "")) => Err("names no file: write \"sqlite:pingmon.db\"".to_owned()),
        Some(("sqlite", _)) => Ok(()),
        Some(("postgres" | "postgresql", _)) => {
            Err("PostgreSQL is not supported by this build yet: write \"sqlite:pingmon.db\"".to_owned())
        }
        _ => Err("names no store that is known: write \"sqlite:pingmon.db\"".to_owned()),
    }
}

/// The URL as it may be shown: without user and password.
pub(crate) fn describe(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(describe("postgres://me:pass@word@db/x"), "postgres://db/x");
        assert_eq!(describe("sqlite:pingmon.db"), "sqlite:pingmon.db");
    }

    #[test]
    fn a_url_of_no_known_store_is_refused_without_repeating_it() {
        for bad in ["", "pingmon.db", "mysql://me:secret@x/y", "sqlite:", "postgres://me:secret@x/y"] {
            let reason = check_url(bad).unwrap_err();
            assert!(reason.contains("sqlite:pingmon.db") && !reason.contains("secret"), "{reason}");
        }
    }
}
