//! A pgbouncer in transaction mode between the engines and a cluster.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{Instant, sleep},
};

use super::{
    cluster::{Cluster, ROLE, url},
    daemon::free_port,
    process::{give_away, server_command, signal},
};
use crate::Result;

/// How long a start may take.
const START: Duration = Duration::from_secs(10);

pub(crate) struct Bouncer {
    directory: TempDir,
    port: u16,
    log: PathBuf,
    server: Option<Child>,
}

impl Bouncer {
    /// Starts a bouncer for the cluster; what it prints goes to the end of `log`.
    pub(crate) async fn before(cluster: &Cluster, log: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pingmon-pgbouncer-").tempdir()?;
        let port = free_port()?;
        fs::write(directory.path().join("pgbouncer.ini"), settings(port, cluster.port()))?;
        give_away(directory.path()).await?;
        let mut bouncer = Self { directory, port, log: log.to_owned(), server: None };
        bouncer.start().await?;
        Ok(bouncer)
    }

    /// Where a store is reached through it.
    pub(crate) fn url(&self) -> String {
        format!("{}&pooler=transaction", url(self.port))
    }

    /// Starts it and waits until it lets us in.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut pgbouncer = server_command("pgbouncer");
        pgbouncer.arg(self.directory.path().join("pgbouncer.ini")).kill_on_drop(true);
        pgbouncer.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.server = Some(pgbouncer.spawn().map_err(|error| format!("failed to start pgbouncer: {error}"))?);
        let until = Instant::now() + START;
        while let Err(error) = PgConnection::connect(&url(self.port)).await {
            if Instant::now() > until {
                return Err(format!("pgbouncer lets nobody in within {START:?}: {error}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Ends it where it stands: SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        match self.server.take() {
            Some(mut server) => Ok(server.kill().await?),
            None => Ok(()),
        }
    }

    /// Lets what is under way end and nothing new begin: PAUSE.
    pub(crate) async fn pause(&self) -> Result<()> {
        self.signal("USR1").await
    }

    /// Goes on: RESUME.
    pub(crate) async fn resume(&self) -> Result<()> {
        self.signal("USR2").await
    }

    async fn signal(&self, name: &str) -> Result<()> {
        signal(self.server.as_ref().and_then(Child::id).ok_or("pgbouncer isn't running")?, name).await
    }
}

// With the default of 15 s it would refuse everybody for that long after one failed log-in to a server that is away.
fn settings(port: u16, server: u16) -> String {
    format!(
        "[databases]\npostgres = host=127.0.0.1 port={server} dbname=postgres user={ROLE}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = 6\nmax_client_conn = 200\n\
         ignore_startup_parameters = extra_float_digits\nserver_login_retry = 1\n"
    )
}
