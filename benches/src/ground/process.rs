//! Processes from outside: signals, whose user they run as, and what they cost, read from `/proc`. Linux only.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use crate::Result;

/// Ticks of `/proc/<pid>/stat` a second: USER_HZ, which is 100 on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// Whom servers run as when root runs the scenario: they refuse to run as root.
pub(crate) const SERVANT: &str = "postgres";

/// What a process has used up to now, and holds now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// On a processor, in steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// The most it ever was.
    pub peak_kib: u64,
}

impl Usage {
    /// Reads it from `/proc`.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let (rss_kib, peak_kib) = (kib(&status, "VmRSS:"), kib(&status, "VmHWM:"));
        Ok(Self { cpu: Stat::of(pid)?.cpu, rss_kib, peak_kib })
    }
}

/// What a process and its children have used: the dead ones too, once it has waited for them.
///
/// # Errors
/// When the process has ended.
pub fn cpu_of_family(parent: u32) -> Result<Duration> {
    let own = Stat::of(parent)?;
    let others = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ends meanwhile is counted by the next look.
    let children = others.filter_map(|pid| Stat::of(pid).ok()).filter(|stat| stat.parent == parent);
    Ok(own.cpu + own.cpu_of_dead + children.map(|stat| stat.cpu).sum::<Duration>())
}

/// What `/proc/<pid>/stat` says.
struct Stat {
    parent: u32,
    cpu: Duration,
    cpu_of_dead: Duration,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program, in parentheses, may hold blanks: fields are counted after it. The one after the name
        // is number 3 of proc(5), the parent 4, user and system time 14 and 15, those of dead children 16 and 17.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field =
            |number: usize| -> u64 { fields.get(number - 3).and_then(|field| field.parse().ok()).unwrap_or_default() };
        let time = |number| Duration::from_millis((field(number) + field(number + 1)) * 1_000 / TICKS);
        Ok(Self { parent: u32::try_from(field(4))?, cpu: time(14), cpu_of_dead: time(16) })
    }
}

fn kib(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Processes ready to run on this machine, over the last minute: how much the figures are to be trusted.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Sends a signal by name.
pub(crate) async fn signal(pid: u32, name: &str) -> Result<()> {
    let kill = format!("kill -{name} {pid}");
    match Command::new("sh").args(["-c", &kill]).status().await?.success() {
        true => Ok(()),
        false => Err(format!("\"{kill}\" failed: the process has ended").into()),
    }
}

/// A server program to be started: as another user if we are root.
pub(crate) fn server_command(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", SERVANT, "--regid", SERVANT, "--init-groups", "--"]).arg(program).current_dir("/");
    command
}

/// Gives a directory to whom servers run as.
pub(crate) async fn give_away(directory: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown").arg(SERVANT).arg(directory)).await?;
    }
    Ok(())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs a program to its end, which is to be a good one.
pub(crate) async fn run(command: &mut Command) -> Result<()> {
    let program = command.as_std().get_program().to_owned();
    let output = command.output().await.map_err(|error| format!("failed to start {}: {error}", program.display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// A program of PostgreSQL: Debian keeps the newest server's off the `PATH`.
pub(crate) fn postgres_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(|| name.into(), |version| format!("/usr/lib/postgresql/{version}/bin/{name}").into())
}
