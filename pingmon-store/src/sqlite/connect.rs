//! From a URL to one open connection, and what SQLite's error codes mean for the caller.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use pingmon_core::error::{Error, Result};
use sqlx::{
    ConnectOptions as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::error::cause;

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows that may wait between the connection's thread and its reader.
const ROW_BUFFER: usize = 1_024;
/// Pages in the WAL at which it is folded into the file: 16 MB. The runs of a batch lie far apart in the file, so a page
/// is often written again soon, and is then copied once.
const WAL_PAGES: &str = "4000";
/// What the WAL is cut to after a large transaction has made it longer, in bytes.
const WAL_KEPT_BYTES: &str = "67108864";
/// Page cache of the connection that writes: 16 MB, in SQLite's negative KiB.
const WRITER_CACHE: &str = "-16000";
/// How often, and with which pause between, a new file is tried while another process makes it: 5 s in all.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);
/// Statements kept prepared on a connection: more than this store has.
const STATEMENTS: usize = 128;

/// Where a store keeps its tables.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Location {
    /// In this process; gone with the connection.
    Memory,
    /// In a file, by its absolute path: later connections find it even if the working directory changes.
    File(PathBuf),
}

impl Location {
    /// Reads `sqlite:path` or `sqlite::memory:`.
    ///
    /// # Errors
    /// [`Error::Config`] naming `store.url`.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let path = url.strip_prefix("sqlite:").ok_or_else(|| {
            refused("is to begin with \"sqlite:\", as in \"sqlite:pingmon.db\" or \"sqlite::memory:\"")
        })?;
        if path == ":memory:" {
            return Ok(Self::Memory);
        }
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(refused("names no file: write \"sqlite:\" and its path, as in \"sqlite:pingmon.db\""));
        }
        if let Some(at) = path.find('?') {
            return Err(refused(format!("takes no parameters: leave out \"{}\"", &path[at..])));
        }
        let path = std::path::absolute(path).map_err(|error| refused(format!("\"{path}\" is no path: {error}")))?;
        check_place(&path)?;
        Ok(Self::File(path))
    }

    /// Opens the first connection that may write; makes the file if it isn't there.
    pub(super) async fn create(&self) -> sqlx::Result<SqliteConnection> {
        let options = self.writing().create_if_missing(true);
        for _ in 0..WAL_TRIES {
            match options.connect().await {
                // Switching a new file to WAL doesn't wait for another process that does the same.
                Err(error) if is_busy(&error) => tokio::time::sleep(WAL_PAUSE).await,
                answer => return answer,
            }
        }
        options.connect().await
    }

    /// Opens a connection that may write in place of a lost one. If the file is gone, that is an error and no reason to
    /// begin an empty one.
    pub(super) async fn open_writer(&self) -> sqlx::Result<SqliteConnection> {
        self.writing().connect().await
    }

    fn writing(&self) -> SqliteConnectOptions {
        // With synchronous = FULL each commit reaches the disk before it is answered: a run that was acknowledged is
        // there after a power cut. NORMAL would spare that wait, but commits are batched, so it is paid once a batch.
        let options = self.options().synchronous(SqliteSynchronous::Full);
        match self {
            Self::Memory => options.in_memory(true),
            Self::File(_) => options
                .journal_mode(SqliteJournalMode::Wal)
                .pragma("wal_autocheckpoint", WAL_PAGES)
                .pragma("journal_size_limit", WAL_KEPT_BYTES)
                .pragma("cache_size", WRITER_CACHE),
        }
    }

    /// Opens a connection that only reads. Not a read-only file handle: that one can't recover a WAL on its own.
    pub(super) async fn open_reader(&self) -> sqlx::Result<SqliteConnection> {
        self.options().pragma("query_only", "ON").connect().await
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = match self {
            Self::Memory => SqliteConnectOptions::new(),
            Self::File(path) => SqliteConnectOptions::new().filename(path),
        };
        options
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // Sorting spills to memory: with a full disk there is no room for temporary files.
            .pragma("temp_store", "MEMORY")
            .statement_cache_capacity(STATEMENTS)
            .row_buffer_size(ROW_BUFFER)
            .disable_statement_logging()
    }
}

/// Refuses a path at which no database file can be.
fn check_place(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(refused(format!("\"{}\" is a directory: add the name of a file", path.display())));
    }
    match path.parent() {
        Some(directory) if !directory.is_dir() => Err(refused(format!(
            "\"{}\" can't be made: the directory \"{}\" doesn't exist",
            path.display(),
            directory.display()
        ))),
        _ => Ok(()),
    }
}

fn refused(reason: impl Into<String>) -> Error {
    Error::config("store.url", reason)
}

/// The error of a failed first connection or migration: the URL is blamed where it is to blame.
pub(super) fn open_error(location: &Location, error: sqlx::Error) -> Error {
    let Location::File(path) = location else { return store_error("open the store", error) };
    let path = path.display();
    match primary_code(&error) {
        Some(code::NOTADB) => refused(format!("\"{path}\" is not an SQLite database")),
        Some(code::CORRUPT) => refused(format!("\"{path}\" is damaged, restore a copy of it: {error}")),
        Some(code::CANTOPEN | code::READONLY | code::PERM | code::AUTH) => {
            refused(format!("\"{path}\" can't be opened for writing: {error}"))
        }
        _ => store_error("open the store", error),
    }
}

/// A database error as the contracts see it.
pub(super) fn store_error(action: &'static str, error: sqlx::Error) -> Error {
    Error::Store { action, retryable: is_transient(&error), source: cause(error) }
}

/// SQLite's primary result codes that mean something here (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const PROTOCOL: u32 = 15;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const AUTH: u32 = 23;
    pub(super) const NOTADB: u32 = 26;
}

/// The primary code of a database error: the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|extended| extended & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(code::BUSY | code::LOCKED))
}

/// Whether the same call may succeed later: locked, out of room, or a disk that may come back.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    use code::{BUSY, CANTOPEN, FULL, IOERR, LOCKED, NOMEM, PROTOCOL, READONLY};
    match primary_code(error) {
        Some(code) => matches!(code, BUSY | LOCKED | NOMEM | READONLY | IOERR | FULL | CANTOPEN | PROTOCOL),
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed),
    }
}

/// Whether a connection that met this error can go on. It can where SQLite refused one call (locked, out of room, a
/// constraint) or a value was unreadable; where the file or the connection itself failed, a new one is better.
pub(super) fn is_sound_after(error: &sqlx::Error) -> bool {
    use code::{BUSY, CONSTRAINT, FULL, LOCKED};
    match primary_code(error) {
        Some(code) => matches!(code, BUSY | LOCKED | FULL | CONSTRAINT),
        None => !matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_names_no_usable_file_is_refused_with_the_reason() {
        for (url, reason) in [
            ("pingmon.db", "is to begin with \"sqlite:\""),
            ("postgres://localhost/pingmon", "is to begin with \"sqlite:\""),
            ("sqlite:", "names no file"),
            ("sqlite://", "names no file"),
            ("sqlite:pingmon.db?mode=rwc", "leave out \"?mode=rwc\""),
            ("sqlite:/", "is a directory"),
            ("sqlite:/no/such/place/pingmon.db", "the directory \"/no/such/place\" doesn't exist"),
        ] {
            let error = Location::parse(url).unwrap_err().to_string();
            assert!(error.starts_with("invalid store.url: ") && error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn the_accepted_forms_name_the_same_file() {
        assert_eq!(Location::parse("sqlite::memory:").unwrap(), Location::Memory);
        let file = Location::parse("sqlite:/tmp/pingmon").unwrap();
        assert_eq!(file, Location::File("/tmp/pingmon".into()));
        assert_eq!(Location::parse("sqlite:///tmp/pingmon").unwrap(), file);
    }
}
