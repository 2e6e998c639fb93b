//! PostgreSQL servers of one test alone, which may stop, crash and follow each other.

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::time::sleep;

/// A running server, stopped and removed when it is dropped.
pub(crate) struct Cluster {
    directory: TempDir,
    pub(crate) port: u16,
}

impl Cluster {
    /// A new one, whose superuser `postgres` needs no password.
    pub(crate) fn start() -> Self {
        let cluster = Self::empty();
        let initdb = program("initdb").args(["-N", "-A", "trust", "-U", "postgres", "-D"]).arg(cluster.data()).output();
        assert!(initdb.unwrap().status.success(), "initdb fails");
        cluster.run();
        cluster
    }

    /// A standby of this server: a copy that follows it, asynchronously.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::empty();
        let mut copy = program("pg_basebackup");
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-X", "stream", "-c", "fast", "-N", "-R", "-p"]);
        let copied = copy.arg(self.port.to_string()).arg("-D").arg(standby.data()).output().unwrap();
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        standby.run();
        standby
    }

    fn empty() -> Self {
        let directory = TempDir::with_prefix("pingmon-cluster-").unwrap();
        // The server's user may be another one than ours.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self { directory, port: free_port() }
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn run(&self) {
        let settings = format!(
            "-p {} -c listen_addresses=127.0.0.1,localhost -c unix_socket_directories= -c fsync=off -c jit=off",
            self.port
        );
        let log = self.directory.path().join("log");
        self.control(["start", "-w", "-t", "30", "-o", &settings, "-l", &log.to_string_lossy()]);
    }

    /// Stops it as a crash would: nobody is told, nothing is written.
    pub(crate) fn crash(&self) {
        self.control(["stop", "-m", "immediate"]);
    }

    fn control<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) {
        let mut control = program("pg_ctl");
        let status = control.arg("-D").arg(self.data()).args(arguments).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "pg_ctl fails");
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// As superuser.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A connection of the test's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Runs statements as superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await).await.unwrap();
    }

    /// Changes a setting of the running server: `ssl = on`. New connections have it when this returns.
    pub(crate) async fn set(&self, setting: &str) {
        let loaded = "SELECT (extract(epoch FROM pg_conf_load_time()) * 1000000)::bigint";
        let before = self.number(loaded).await;
        self.execute(&format!("ALTER SYSTEM SET {setting}")).await;
        self.execute("SELECT pg_reload_conf()").await;
        while self.number(loaded).await == before {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The one number that a statement answers.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            let mut stop = program("pg_ctl");
            let _ = stop.args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
        }
    }
}

/// A program of PostgreSQL or beside it, run by another user if we are root: servers refuse that.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let path = programs().map(|programs| programs.join(name.as_ref())).filter(|path| path.exists());
    let path = path.unwrap_or_else(|| PathBuf::from(name.as_ref()));
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if is_root {
        let mut command = Command::new("sudo");
        command.args(["-u", "postgres"]).arg(path);
        return command;
    }
    Command::new(path)
}

/// Debian keeps the newest server's programs off the `PATH`.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
