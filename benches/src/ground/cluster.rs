//! A PostgreSQL server of our own, as durable as one that matters: fsync and synchronous_commit on. What its databases
//! hold is read by `ledger`.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{Instant, sleep},
};

use super::{
    daemon::free_port,
    process::{cpu_of_family, give_away, postgres_program, run, server_command, signal},
};
use crate::Result;

/// The role that everybody logs in as.
pub(super) const ROLE: &str = "pingmon";
/// How long a start may take: after a crash the log is replayed first.
const START: Duration = Duration::from_secs(60);
/// How long an immediate stop may take.
const STOP: Duration = Duration::from_secs(10);
/// Beside the defaults, which are durable. Times of commits are what latencies are read from.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "track_commit_timestamp=on",
    "max_connections=200",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "wal_keep_size=256MB",
];

pub(crate) struct Cluster {
    directory: TempDir,
    port: u16,
    log: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Makes a cluster and starts it; what it prints goes to the end of `log`.
    pub(crate) async fn create(log: &Path) -> Result<Self> {
        let cluster = Self::reserve(log).await?;
        // The first files needn't be durable one by one.
        let mut initdb = server_command(postgres_program("initdb"));
        run(initdb.arg("-D").arg(cluster.data()).args(["-A", "trust", "-U", ROLE, "-E", "UTF8", "-N"])).await?;
        cluster.started().await
    }

    /// Makes a cluster that follows `primary` and starts it.
    pub(super) async fn following(primary: &Self, log: &Path) -> Result<Self> {
        let cluster = Self::reserve(log).await?;
        let mut backup = server_command(postgres_program("pg_basebackup"));
        run(backup.arg("-D").arg(cluster.data()).args(["-R", "-c", "fast", "-d", &primary.url()])).await?;
        cluster.started().await
    }

    async fn reserve(log: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pingmon-postgres-").tempdir()?;
        give_away(directory.path()).await?;
        Ok(Self { directory, port: free_port()?, log: log.to_owned(), server: None })
    }

    async fn started(mut self) -> Result<Self> {
        self.start().await?;
        Ok(self)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is reached without anything between.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url()).await?)
    }

    /// Starts the server and waits until it lets us in.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut postgres = server_command(postgres_program("postgres"));
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        postgres.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.server = Some(postgres.spawn().map_err(|error| format!("failed to start PostgreSQL: {error}"))?);
        let until = Instant::now() + START;
        while let Err(error) = self.connect().await {
            if Instant::now() > until {
                return Err(format!("PostgreSQL lets nobody in within {START:?}: {error}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Ends the server as a crash does: no checkpoint, connections cut.
    pub(crate) async fn stop_immediately(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            signal(server.id().ok_or("PostgreSQL has ended by itself")?, "QUIT").await?;
            server.wait().await?;
        }
        Ok(())
    }

    /// What the server has used so far, with all its processes.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let pid = self.server.as_ref().and_then(Child::id).ok_or("PostgreSQL isn't running")?;
        cpu_of_family(pid)
    }

    /// Leaves the files behind when it is dropped.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }
}

impl Drop for Cluster {
    /// Ends the server before its files go.
    fn drop(&mut self) {
        let Some(server) = self.server.as_mut() else { return };
        if let Some(pid) = server.id() {
            // It may have ended by itself.
            let _ = std::process::Command::new("sh").args(["-c", &format!("kill -QUIT {pid}")]).status();
        }
        let until = Instant::now() + STOP;
        while matches!(server.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The URL of the database behind a port of this machine.
pub(crate) fn url(port: u16) -> String {
    format!("postgres://{ROLE}@127.0.0.1:{port}/postgres?sslmode=disable")
}

/// Says something to a server, and wants no answer.
pub(crate) async fn execute(connection: &mut PgConnection, sql: &'static str) -> Result<()> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}
