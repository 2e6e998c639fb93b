//! The scenarios: each is its command-line arguments and a `prove` that plays it and reports.

pub(crate) mod idle;
pub(crate) mod kill;
pub(crate) mod outage;
pub(crate) mod steady;
pub(crate) mod term;

use std::time::Duration;

use pingmon_core::time::{Clock as _, SystemClock};

use crate::{
    process::{Usage, load_average},
    report::Report,
};

/// How long a start may take before it counts as failed.
const START: Duration = Duration::from_secs(120);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);
/// What may be due and not started when a stop is asked for.
const SLACK: Duration = Duration::from_secs(1);

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
