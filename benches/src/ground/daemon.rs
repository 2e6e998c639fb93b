//! A running `pingmon run`: started, asked how it is, asked to stop, stopped dead, killed.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use pingmon_core::time::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::process::{Usage, signal};
use crate::Result;

/// How often a state is looked at that is waited for.
const PULSE: Duration = Duration::from_millis(20);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Where a process runs, again and again: its program, config and log.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) binary: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) web: u16,
    /// Variables of its environment beside those of the scenario's.
    pub(crate) variables: Vec<(&'static str, OsString)>,
}

impl Seat {
    /// Starts the process; what it prints goes to the end of its log.
    pub(crate) fn start(&self) -> Result<Daemon> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let started = Instant::now();
        let mut command = Command::new(&self.binary);
        command.args(["run", "--config"]).arg(&self.config).envs(self.variables.iter().cloned()).kill_on_drop(true);
        let spawned = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = spawned.map_err(|error| format!("failed to start {}: {error}", self.binary.display()))?;
        let pid = child.id().ok_or("the process has ended before it began")?;
        Ok(Daemon { child, pid, web: self.web, log: self.log.clone(), started })
    }

    /// When the process wrote a line with that text into its log, in microseconds since 1970: the first time from `after`
    /// on.
    pub(crate) fn said(&self, text: &str, after: i64) -> Option<i64> {
        let log = fs::read_to_string(&self.log).ok()?;
        let lines = log.lines().filter(|line| line.contains(text));
        let times = lines.filter_map(|line| line.split_whitespace().next()?.parse::<Timestamp>().ok());
        times.map(Timestamp::as_micros).find(|at| *at >= after)
    }
}

pub(crate) struct Daemon {
    child: Child,
    pid: u32,
    web: u16,
    log: PathBuf,
    pub(crate) started: Instant,
}

impl Daemon {
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
        self.vitals().await?[name].as_u64()
    }

    /// The engine's present session in hexadecimal, if it answers and has one.
    pub(crate) async fn session(&self) -> Option<String> {
        Some(self.vitals().await?["session"].as_str()?.replace('-', ""))
    }

    async fn vitals(&self) -> Option<Value> {
        let (_, body) = self.get("/api/v1/engine").await.ok()?;
        Some(serde_json::from_str::<Value>(&body).ok()?["engine"].take())
    }

    async fn wait(&mut self, what: &str, patience: Duration, reached: impl AsyncFn(&Self) -> bool) -> Result<Duration> {
        let until = Instant::now() + patience;
        while !reached(self).await {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("pingmon ended ({status}) while waiting for {what}: {}", self.last_words()).into());
            }
            if Instant::now() > until {
                return Err(format!("no {what} within {patience:?}: {}", self.last_words()).into());
            }
            sleep(PULSE).await;
        }
        Ok(self.started.elapsed())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
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

    /// Sends it a signal by name.
    pub(crate) async fn signal(&self, name: &str) -> Result<()> {
        signal(self.pid, name).await
    }

    /// Asks it to stop (SIGTERM) and waits; answers how it ended and how long that took.
    pub(crate) async fn terminate(&mut self, patience: Duration) -> Result<(ExitStatus, Duration)> {
        let asked = Instant::now();
        if self.signal("TERM").await.is_err() {
            return Err(format!("SIGTERM could not be sent: pingmon has ended by itself: {}", self.last_words()).into());
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
