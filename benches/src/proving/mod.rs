//! The proving ground of one process on SQLite: each scenario is its command-line arguments and a `prove` that plays it
//! and reports.

mod idle;
mod kill;
mod outage;
mod steady;
mod term;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use pingmon_core::time::{Clock as _, SystemClock};

use self::{idle::Idle, kill::Kill, outage::Outage, steady::Steady, term::Term};
use crate::{
    Result,
    ground::{
        process::{Usage, load_average},
        stand::Stand,
    },
    report::Report,
};

/// How long a start may take before it counts as failed.
const START: Duration = Duration::from_secs(120);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);
/// What may be due and not started when a stop is asked for.
const SLACK: Duration = Duration::from_secs(1);

/// A scenario with its arguments.
#[derive(Subcommand)]
pub enum Scenario {
    /// Many monitors for some minutes: every due slot has one row, and runs start in time.
    Steady(Steady),
    /// The target goes away and comes back: one incident, one "opened", one "resolved" a monitor.
    Outage(Outage),
    /// pingmon is killed again and again under load: nothing is run twice, lost or announced twice.
    Kill(Kill),
    /// SIGTERM with many runs under way: a quick end, and everything handed back.
    Term(Term),
    /// Very many monitors that are hardly ever due: start-up time and memory.
    Idle(Idle),
}

impl Scenario {
    /// Plays it with the program at `binary`; answers what it found, and where its files lie, if they are kept: when
    /// that is wanted, or something was wrong.
    pub async fn prove(&self, binary: &Path, keep: bool) -> (Result<Report>, Vec<PathBuf>) {
        let mut stand = match Stand::on_sqlite(binary).await {
            Ok(stand) => stand,
            Err(error) => return (Err(error), Vec::new()),
        };
        let report = match self {
            Self::Steady(steady) => steady.prove(&mut stand).await,
            Self::Outage(outage) => outage.prove(&mut stand).await,
            Self::Kill(kill) => kill.prove(&mut stand).await,
            Self::Term(term) => term.prove(&mut stand).await,
            Self::Idle(idle) => idle.prove(&mut stand).await,
        };
        let held = report.as_ref().is_ok_and(Report::held);
        (report, stand.end(keep || !held).await)
    }
}

/// Now, in microseconds since 1970, as the database counts.
fn now() -> i64 {
    SystemClock.now().as_micros()
}

/// Notes what the process cost over `time`.
fn note_usage(report: &mut Report, before: Usage, after: Usage, time: Duration) {
    let cpu = after.cpu.saturating_sub(before.cpu);
    let share = 100.0 * cpu.as_secs_f64() / time.as_secs_f64();
    report.figure("CPU", format!("{:.1} s in {:.0} s, {share:.1} % of a core", cpu.as_secs_f64(), time.as_secs_f64()));
    report.figure("RSS", format!("{} at the end, {} at most", mib(after.rss_kib), mib(after.peak_kib)));
    report.figure("load average of the machine", load_average());
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1_024.0)
}
