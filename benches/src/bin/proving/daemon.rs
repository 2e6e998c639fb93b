//! A running `pingmon run`: started, asked how it is, asked to stop, killed.

use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{Result, process::Usage};

/// How often a state is looked at that is waited for.
const PULSE: Duration = Duration::from_millis(20);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct Daemon {
    child: Child,
    pid: u32,
    web: u16,
    pub(crate) started: Instant,
}

impl Daemon {
    /// Starts the binary on a config; what it prints goes to the end of `log`.
    pub(crate) fn start(binary: &Path, config: &Path, web: u16, log: &Path) -> Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let started = Instant::now();
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(config).kill_on_drop(true);
        let spawned = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = spawned.map_err(|error| format!("failed to start {}: {error}", binary.display()))?;
        let pid = child.id().ok_or("the process has ended before it began")?;
        Ok(Self { child, pid, web, started })
    }

    /// What it has cost so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid)
    }

    /// Waits until `/readyz` says 200; answers how long after the start that was.
    pub(crate) async fn ready(&mut self, patience: Duration) -> Result<Duration> {
        self.wait("readiness", patience, async |daemon| matches!(daemon.get("/readyz").await, Ok((200, _)))).await
    }

    /// Waits until a number among the engine's vitals is as wanted; answers how long after the start that was.
    pub(crate) async fn vital(
        &mut self,
        name: &str,
        patience: Duration,
        wanted: fn(u64, u64) -> bool,
        than: u64,
    ) -> Result<Duration> {
        self.wait(name, patience, async |daemon| daemon.read_vital(name).await.is_some_and(|value| wanted(value, than)))
            .await
    }

    /// A number among the engine's vitals, if it answers.
    pub(crate) async fn read_vital(&self, name: &str) -> Option<u64> {
        let (_, body) = self.get("/api/v1/engine").await.ok()?;
        serde_json::from_str::<Value>(&body).ok()?["engine"][name].as_u64()
    }

    async fn wait(&mut self, what: &str, patience: Duration, reached: impl AsyncFn(&Self) -> bool) -> Result<Duration> {
        let until = Instant::now() + patience;
        while !reached(self).await {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("pingmon ended ({status}) while waiting for {what}; see its log").into());
            }
            if Instant::now() > until {
                return Err(format!("no {what} within {patience:?}").into());
            }
            sleep(PULSE).await;
        }
        Ok(self.started.elapsed())
    }

    async fn get(&self, path: &str) -> Result<(u16, String)> {
        let ask = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.web)).await?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(ANSWER, ask).await??;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("an answer without a status")?;
        Ok((status, body.to_owned()))
    }

    /// Ends it where it stands: SIGKILL.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to stop (SIGTERM) and waits; answers how it ended and how long that took.
    pub(crate) async fn terminate(&mut self, patience: Duration) -> Result<(ExitStatus, Duration)> {
        let asked = Instant::now();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\""]).arg(self.pid.to_string()).status().await?;
        if !sent.success() {
            return Err("SIGTERM could not be sent: pingmon has ended by itself; see its log".into());
        }
        match timeout(patience, self.child.wait()).await {
            Ok(status) => Ok((status?, asked.elapsed())),
            Err(_) => Err(format!("pingmon did not end within {patience:?} of SIGTERM").into()),
        }
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
