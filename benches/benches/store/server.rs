//! A PostgreSQL of our own that keeps what it says it keeps, and what it takes: processor, WAL, updates in page.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use pgtemp::{PgTempDB, PgTempDBBuilder};
use pingmon_benches::ground::process::{self, Usage};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Set apart from the defaults: memory, and room for WAL, so that no checkpoint falls into a measurement.
const SETTINGS: [(&str, &str); 10] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("autovacuum", "on"),
    ("shared_buffers", "2GB"),
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "60min"),
    ("max_connections", "100"),
    ("logging_collector", "on"),
    ("log_min_messages", "fatal"),
];

pub(crate) struct Server {
    cluster: PgTempDB,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let builder = SETTINGS
            .iter()
            .fold(PgTempDBBuilder::new(), |builder, (name, value)| builder.with_config_param(name, value));
        let cluster = match programs() {
            Some(directory) => builder.with_bin_path(directory).start(),
            None => builder.start(),
        };
        let server = Self { cluster };
        while PgConnection::connect(&server.url()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// By its socket: over TCP another side of the machine would be measured too.
    pub(crate) fn url(&self) -> String {
        let directory = self.cluster.data_dir().display().to_string().replace('/', "%2F");
        self.tcp_url().replace("@localhost:", &format!("@{directory}:"))
    }

    pub(crate) fn tcp_url(&self) -> String {
        self.cluster.connection_uri()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements one by one: some may not stand in a transaction.
    pub(crate) async fn execute(&self, statements: &'static str) {
        let mut conn = self.connect().await;
        for statement in statements.split(';') {
            sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
        }
    }

    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// What has been taken up to now.
    pub(crate) async fn reading(&self) -> Reading {
        let wal = self.number("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await;
        Reading {
            at: Instant::now(),
            wal,
            server: self.on_processor(),
            own: Usage::of(std::process::id()).unwrap().cpu,
        }
    }

    /// How long the server's processes, those that have ended too, have been on a processor.
    fn on_processor(&self) -> Duration {
        let pids = fs::read_to_string(self.cluster.data_dir().join("postmaster.pid")).unwrap();
        process::cpu_of_family(pids.lines().next().unwrap().parse().unwrap()).unwrap()
    }
}

/// Debian keeps the newest server's programs off the `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(format!("/usr/lib/postgresql/{newest}/bin").into())
}

/// What had been taken at some instant.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    wal: i64,
    server: Duration,
    own: Duration,
}

/// What some runs took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) runs: usize,
    pub(crate) time: Duration,
    wal: i64,
    server: Duration,
    own: Duration,
}

impl Taken {
    pub(crate) fn between(runs: usize, before: Reading, after: Reading) -> Self {
        Self {
            runs,
            time: after.at - before.at,
            wal: after.wal - before.wal,
            server: after.server - before.server,
            own: after.own - before.own,
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            time: self.time + other.time,
            wal: self.wal + other.wal,
            server: self.server + other.server,
            own: self.own + other.own,
        }
    }

    /// Runs per second.
    pub(crate) fn rate(self) -> f64 {
        self.runs as f64 / self.time.as_secs_f64()
    }

    /// Bytes of WAL per run.
    pub(crate) fn wal(self) -> f64 {
        self.wal as f64 / self.runs as f64
    }

    /// Microseconds of the server's processor per run.
    pub(crate) fn server(self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.runs as f64
    }

    /// Microseconds of this process's processor per run.
    pub(crate) fn own(self) -> f64 {
        self.own.as_secs_f64() * 1e6 / self.runs as f64
    }
}
