//! The `command` channel: runs a program of this host, with the facts of the notice as JSON on its standard input. It
//! runs in a process group of its own with nothing in its environment but what the config puts there, through no shell;
//! whatever it started is ended with it.
//!
//! Exit status 0 takes the notice; any other is tried again.

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    dial::Preset,
    error::{Error, Result},
    notification::{Facts, Notification},
    notifier::Notifier,
    time::Span,
};
use rustix::process::{Pid, Signal, kill_process_group};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command as Process},
};

use crate::{
    Name,
    dial::Dialer,
    kind::{Channel, TIMEOUTS},
    secret::Secret,
    text::one_line,
};

/// Most parts of a command line.
const MAX_PARTS: usize = 64;
/// How much of what a program complains of is kept, in bytes.
const MAX_COMPLAINT: usize = 4 * 1024;
/// How much of that an error repeats, in characters.
const MAX_REASON: usize = 300;

/// Runs a program of this host for each notice, with the facts as JSON on its standard input: the body that the webhook
/// documents. No shell is involved, and nothing of this program's environment is passed on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The program, by its absolute path, and its arguments, each a text of its own.
    run: Vec<String>,
    /// What its environment holds; values count as secrets.
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    /// How long it may take before it is killed with all it started: from "1ms" to "30s", "10s" when not given.
    timeout: Option<Span>,
}

pub(crate) struct Command {
    run: Vec<String>,
    env: BTreeMap<String, Secret>,
    timeout: Duration,
}

impl Channel for Command {
    const NAME: Name = Name::Command;
    type Config = Config;

    fn open(Config { run, env, timeout }: Config, dialer: &Dialer) -> Result<Self> {
        if dialer.policy().preset != Preset::Open {
            return Err(Error::config("run", "no programs are run where the dial policy isn't \"open\""));
        }
        if !run.first().is_some_and(|program| Path::new(program).is_absolute()) || run.len() > MAX_PARTS {
            return Err(Error::config("run", "is to be an absolute path and at most 63 arguments"));
        }
        if run.iter().any(|part| part.contains('\0')) {
            return Err(Error::config("run", "holds a NUL, which no argument can"));
        }
        let bad = |(name, value): (&String, &Secret)| {
            name.is_empty() || name.contains(['=', '\0']) || value.expose().contains('\0')
        };
        if env.iter().any(bad) {
            return Err(Error::config("env", "a name is to have no `=`, and neither name nor value a NUL"));
        }
        let timeout = timeout.map_or(Duration::from_secs(10), |Span(timeout)| timeout);
        Span(timeout).within("timeout", TIMEOUTS)?;
        Ok(Self { run, env, timeout })
    }
}

impl Command {
    fn process(&self) -> Process {
        let mut process = Process::new(&self.run[0]);
        process.args(&self.run[1..]).env_clear();
        process.envs(self.env.iter().map(|(name, value)| (name, value.expose())));
        process.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        process.process_group(0).kill_on_drop(true);
        process
    }

    fn failed(&self, reason: &str, retryable: bool) -> Error {
        let secrets = self.env.values().filter(|secret| !secret.expose().is_empty());
        let reason = secrets.fold(reason.to_owned(), |text, secret| text.replace(secret.expose(), "[secret]"));
        let reason = format!("{} {}", self.run[0], one_line(&reason, MAX_REASON));
        Error::Delivery { reason, retryable, retry_after: None }
    }
}

#[async_trait]
impl Notifier for Command {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let facts = serde_json::to_vec(&Facts::of(notification))
            .map_err(|error| self.failed(&format!("can't be told the facts: {error}"), false))?;
        // What can't be started is a matter of the config, not of time.
        let child =
            self.process().spawn().map_err(|error| self.failed(&format!("can't be started: {error}"), false))?;
        let ended = tokio::time::timeout(self.timeout, run(child, &facts)).await;
        match ended {
            Err(_) => Err(self.failed(&format!("was killed: it took longer than {}", Span(self.timeout)), true)),
            Ok(Err(error)) => Err(self.failed(&format!("can't be waited for: {error}"), true)),
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((status, complaint))) => Err(self.failed(&format!("ended with {status}: {complaint}"), true)),
        }
    }

    fn preview(&self, notification: &Notification) -> String {
        let facts = serde_json::to_value(Facts::of(notification)).unwrap_or_default();
        format!("{:?}\n\n{facts:#}", self.run)
    }
}

/// Feeds a program until it ends, and listens to its complaints. Whatever is left of its group then, or when this is
/// dropped, is killed.
async fn run(mut child: Child, facts: &[u8]) -> std::io::Result<(ExitStatus, String)> {
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program needn't read what it is told.
            let _ = stdin.write_all(facts).await;
        }
    };
    let end = async {
        let status = child.wait().await;
        drop(group);
        status
    };
    let (status, (), complaint) = tokio::join!(end, feed, beginning(stderr));
    Ok((status?, complaint))
}

/// The first bytes of a stream, which is read to its end.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1_024]);
    if let Some(mut stream) = stream {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let room = MAX_COMPLAINT - kept.len();
            kept.extend_from_slice(&buffer[..read.min(room)]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// A process group, killed when it is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Usually nobody is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("program", &self.run[0]).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
