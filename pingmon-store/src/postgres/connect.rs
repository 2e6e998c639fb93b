//! From a URL to what opens connections, and what PostgreSQL's error codes mean for the caller.

use std::{str::FromStr as _, time::Duration};

use pingmon_core::error::{Error, Result};
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements kept prepared on a connection: more than this store has.
const STATEMENTS: usize = 128;
/// The parameter of a URL that says what stands between us and the server.
const POOLER: &str = "pooler=";

/// A server and how to log in. Holds the password: no `Debug`.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    /// Whether a pooler hands each transaction to whatever server connection is free.
    pub(super) pooled: bool,
}

impl Target {
    /// Reads a URL: `postgres://user:password@host:5432/database`, with libpq's parameters and `pooler=transaction`.
    /// What it leaves out is taken from libpq's environment variables, as every PostgreSQL program does.
    ///
    /// # Errors
    /// [`Error::Config`] naming `store.url`, without repeating the URL: it holds a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        const FORM: &str = "write it as \"postgres://user:password@host:5432/database\"";
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused(format!("is to begin with \"postgres://\": {FORM}")));
        }
        let (url, pooled) = without_pooler(url)?;
        let options = PgConnectOptions::from_str(&url).map_err(|_| refused(format!("can't be read: {FORM}")))?;
        let options = options
            .application_name("pingmon")
            // A pooler refuses startup parameters that it doesn't know, and nothing here is a float.
            .extra_float_digits(None)
            .statement_cache_capacity(if pooled { 0 } else { STATEMENTS })
            .disable_statement_logging();
        Ok(Self { options, pooled })
    }

    /// Opens a pool of up to `connections`, one of them at once.
    pub(super) async fn pool(&self, connections: u32) -> Result<PgPool> {
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
        // Each use begins with a statement that tells, see `transactions`.
        let pool = pool.test_before_acquire(false);
        pool.connect_with(self.options.clone()).await.map_err(open_error)
    }
}

/// The URL without the parameter that only we know, and whether it asked for a pooler's ways.
fn without_pooler(url: &str) -> Result<(String, bool)> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), false)) };
    let (pooler, others): (Vec<_>, Vec<_>) = query.split('&').partition(|parameter| parameter.starts_with(POOLER));
    let pooled = match pooler.as_slice() {
        [] => false,
        ["pooler=transaction"] => true,
        _ => return Err(refused("has a pooler that isn't known: write \"pooler=transaction\" or leave it out")),
    };
    let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    Ok((url, pooled))
}

fn refused(reason: impl Into<String>) -> Error {
    Error::config("store.url", reason)
}

/// The error of a failed first connection or migration: the URL is blamed where it is to blame.
pub(super) fn open_error(error: sqlx::Error) -> Error {
    match sqlstate(&error).as_deref() {
        Some(code) if code.starts_with("28") => refused(format!("doesn't let us in: {error}")),
        Some("3D000") => refused(format!("names no database of this server: {error}")),
        Some("42501") => refused(format!("names a role that may not do what is needed: {error}")),
        _ => Error::Store { action: "open the store", retryable: is_transient(&error), source: Box::new(error) },
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the same call may succeed later: the way to the server failed, or it is short of something, busy, starting,
/// stopping or a standby for now (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        Some(code) => {
            // Connection; rollback for the sake of others; resources; operator intervention; system error.
            let classes = ["08", "40", "53", "57", "58"];
            // A lock not had in time; a read-only standby; a transaction that failed before.
            let codes = ["55P03", "25006", "25P02"];
            classes.iter().any(|class| code.starts_with(class)) || codes.contains(&code.as_str())
        }
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        for (url, reason) in [
            ("sqlite:pingmon.db", "is to begin with \"postgres://\""),
            ("postgres://me:secret@host:port/x", "can't be read"),
            ("postgres://me:secret@host/x?pooler=session", "write \"pooler=transaction\""),
            ("postgres://me:secret@host/x?pooler=transaction&pooler=transaction", "a pooler that isn't known"),
        ] {
            let error = Target::parse(url).err().unwrap().to_string();
            assert!(error.starts_with("invalid store.url: ") && error.contains(reason), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_pooler_is_ours_and_the_other_parameters_are_the_server_s() {
        for (query, left, pooled) in [
            ("", "", false),
            ("?sslmode=disable", "?sslmode=disable", false),
            ("?pooler=transaction", "", true),
            ("?sslmode=disable&pooler=transaction&host=x", "?sslmode=disable&host=x", true),
        ] {
            let url = format!("postgres://me@host/x{query}");
            assert_eq!(without_pooler(&url).unwrap(), (format!("postgres://me@host/x{left}"), pooled));
        }
    }

    #[test]
    fn what_may_pass_by_itself_is_worth_another_try() {
        assert!(is_transient(&sqlx::Error::PoolTimedOut));
        assert!(is_transient(&sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())));
        assert!(!is_transient(&sqlx::Error::PoolClosed));
        assert!(!is_transient(&sqlx::Error::RowNotFound));
    }
}
