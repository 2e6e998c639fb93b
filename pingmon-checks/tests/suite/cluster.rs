//! A real PostgreSQL for the tests of one binary: started for the first that asks, stopped after the last.
//!
//! Always a cluster of our own, whose logins are checked by password and whose superuser we are: that is what these
//! tests are about.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use pgtemp::{PgTempDB, PgTempDBBuilder};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, sleep};

/// A running server.
pub(crate) struct Cluster(PgTempDB);

/// The server of this binary.
pub(crate) async fn cluster() -> Arc<Cluster> {
    static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let cluster = {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Cluster::start());
            *running = Arc::downgrade(&started);
            started
        })
    };
    let starting = Instant::now();
    while let Err(error) = PgConnection::connect(&cluster.url()).await {
        assert!(starting.elapsed() < Duration::from_secs(30), "PostgreSQL doesn't start: {error}");
        sleep(Duration::from_millis(20)).await;
    }
    cluster
}

impl Cluster {
    fn start() -> Self {
        let builder = PgTempDBBuilder::new()
            .with_dbname("postgres")
            .with_initdb_arg("auth", "scram-sha-256")
            .with_config_param("max_connections", "50")
            // The server's own log: into the pipe that it was given nobody looks, and once it is full the server stands still.
            .with_config_param("logging_collector", "on");
        Self(match programs() {
            Some(directory) => builder.with_bin_path(directory).start(),
            None => builder.start(),
        })
    }

    /// As superuser.
    pub(crate) fn url(&self) -> String {
        self.url_as(self.0.db_user(), self.0.db_pass())
    }

    /// As somebody else.
    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@localhost:{}/postgres", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.db_port()
    }

    pub(crate) fn user(&self) -> &str {
        self.0.db_user()
    }

    pub(crate) fn password(&self) -> &str {
        self.0.db_pass()
    }

    /// Its files, its Unix socket among them.
    pub(crate) fn directory(&self) -> PathBuf {
        self.0.data_dir()
    }

    /// A connection of the test's own, as superuser.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements as superuser.
    pub(crate) async fn execute(&self, sql: &'static str) {
        self.connect().await.execute(sqlx::raw_sql(sql)).await.unwrap();
    }

    /// The one number that a statement returns.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }
}

/// Debian keeps the newest server's programs off the `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(format!("/usr/lib/postgresql/{newest}/bin").into())
}
