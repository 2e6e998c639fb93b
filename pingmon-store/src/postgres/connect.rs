//! From a URL to connections that a store can use: to a server that takes writes, the first of several that does.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use pingmon_core::error::Result;
use sqlx::{ConnectOptions as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    codes::{is_refused_parameter, is_transient, refusal, unusable},
    transactions::CALL,
    url,
};
use crate::error::{self, Failure};

/// How long a host has at the least to let us in: some seven round trips (TCP, TLS, SCRAM, the greeting) have room even
/// half way round the world. With few hosts each has its part of a call, so that the last is reached within it; with many
/// the call may end before, and the next one goes on from there.
const HOST_DEADLINE: Duration = Duration::from_millis(1500);
/// Statements kept prepared on a connection: more than this store has.
const STATEMENTS: usize = 128;
/// A parameter that only we know, given when a connection begins. A server that shows it again is one that we speak with
/// directly: a pooler, whose connections begin without us, doesn't know it.
const MARK: &str = "pingmon.connection";

/// The servers and how to log in. Holds the password: no `Debug`.
pub(super) struct Target {
    hosts: Vec<PgConnectOptions>,
    /// The host to try first: the one that served last.
    first: AtomicUsize,
    /// Whether a pooler hands each transaction to whatever server connection is free.
    pooled: AtomicBool,
}

/// A new connection.
pub(super) struct Connected {
    pub(super) conn: PgConnection,
    /// Whether each transaction may meet another server: nothing is prepared by name then.
    pub(super) pooled: bool,
}

impl Target {
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `store.url`, see [`url::parse`].
    pub(super) fn parse(url: &str) -> Result<Self> {
        let url = url::parse(url)?;
        let ours = |options: PgConnectOptions| {
            let name = options.get_application_name().unwrap_or("pingmon").to_owned();
            // A pooler refuses startup parameters that it doesn't know, and nothing here is a float.
            let options = options.application_name(&name).extra_float_digits(None);
            options.statement_cache_capacity(STATEMENTS).disable_statement_logging()
        };
        let hosts = url.hosts.into_iter().map(ours).collect();
        Ok(Self { hosts, first: AtomicUsize::new(0), pooled: AtomicBool::new(url.pooled) })
    }

    /// What it is called, without who we are.
    #[cfg(feature = "copy")]
    pub(super) fn name(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(|host| format!("{}:{}", host.get_host(), host.get_port())).collect();
        let database = self.hosts.first().and_then(PgConnectOptions::get_database).unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    /// Whether every host is a socket of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.hosts.iter().all(|host| host.get_socket().is_some())
    }

    /// Connects to the first host that lets us in and takes writes. As in libpq, a refused login ends the search.
    pub(super) async fn connect(&self) -> error::Result<Connected> {
        let first = self.first.load(Ordering::Relaxed);
        let patience = HOST_DEADLINE.max(CALL / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX));
        let mut failures = Vec::new();
        for at in (0..self.hosts.len()).map(|step| (first + step) % self.hosts.len()) {
            let options = &self.hosts[at];
            let silence = || unusable(io::ErrorKind::TimedOut, "the server didn't let us in, in time");
            match timeout(patience, self.enter(options)).await.unwrap_or_else(|_| Err(silence())) {
                Ok(connected) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(connected);
                }
                Err(error) => match refusal(error) {
                    Failure::Database(error) if is_transient(&error) => failures.push((options, error)),
                    failure => return Err(failure),
                },
            }
            // If the call ends before another host serves, the next call begins there.
            let next = (at + 1) % self.hosts.len();
            let _ = self.first.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        Err(none_serves(failures))
    }

    async fn enter(&self, options: &PgConnectOptions) -> sqlx::Result<Connected> {
        let mark = Uuid::now_v7().simple().to_string();
        let mut conn = match self.pooled.load(Ordering::Relaxed) {
            true => options.connect().await?,
            false => match options.clone().options([(MARK, &mark)]).connect().await {
                Err(error) if is_refused_parameter(&error) => options.connect().await?,
                conn => conn?,
            },
        };
        let pooled = greet(&mut conn).await?.as_deref() != Some(&*mark);
        if pooled && !self.pooled.swap(true, Ordering::Relaxed) {
            tracing::info!("a pooler stands between the store and PostgreSQL: no statement is prepared by name");
        }
        Ok(Connected { conn, pooled })
    }
}

// A standby's transactions are read-only, and so are those of a primary that is being retired.
const GREETING: &str = "SELECT pg_catalog.current_setting('pingmon.connection', true),
    pg_catalog.current_setting('transaction_read_only') = 'on'";

/// Refuses a server that takes no writes; answers the mark that it shows.
async fn greet(conn: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let row = sqlx::raw_sql(GREETING).fetch_one(conn).await?;
    if row.try_get(1)? {
        return Err(read_only());
    }
    row.try_get(0)
}

/// The error of a server that takes no writes.
pub(super) fn read_only() -> sqlx::Error {
    unusable(io::ErrorKind::ReadOnlyFilesystem, "the server is read-only: a standby, or a primary that was demoted")
}

fn none_serves(mut failures: Vec<(&PgConnectOptions, sqlx::Error)>) -> Failure {
    if failures.len() == 1
        && let Some((_, error)) = failures.pop()
    {
        return error.into();
    }
    let reasons: Vec<_> = failures
        .iter()
        .map(|(options, error)| format!("{}:{}: {error}", options.get_host(), options.get_port()))
        .collect();
    unusable(io::ErrorKind::NotConnected, format!("no host serves: {}", reasons.join("; "))).into()
}
