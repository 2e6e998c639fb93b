//! Very many monitors are due in the same second, and one engine is there.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use pingmon_core::{monitor::Definition, store::catalog::Catalog as _};
use pingmon_store::postgres::PgStore;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Scenario, crew::rest, due_by_now, micros};
use crate::{
    Result,
    ground::{
        cluster::execute,
        fleet::{self, Fleet},
        process::load_average,
        progress,
        stand::Stand,
    },
    ledger::{Ledger, Run},
    report::Report,
};

/// Most monitors that are defined in one call.
const PAGE: usize = 5_000;
/// How many runs may be under way in an engine: the default.
const CONCURRENCY: usize = 256;
const RSS_KIB: u64 = 300 * 1_024;
/// A run that starts later than this waited for others of the wave.
const LATE: Duration = Duration::from_secs(1);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);

const ALL_AT_ONCE: &str = "UPDATE pingmon.schedule SET slot = date_trunc('second', now()) + interval '10 seconds'";

pub(super) struct Wave {
    monitors: u32,
    every: Duration,
    /// How long is looked for a second wave.
    time: Duration,
}

impl Scenario for Wave {
    const FULL: Self = Self { monitors: 100_000, every: Duration::from_secs(300), time: Duration::from_secs(420) };
    const CUT: Self = Self { monitors: 500, every: Duration::from_secs(4), time: Duration::from_secs(6) };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        self.define(stand).await?;
        execute(&mut stand.cluster()?.connect().await?, ALL_AT_ONCE).await?;
        // The monitors are in the database already: the config file has none.
        let mut daemon = stand.start(&Fleet::new(0, self.every))?;
        let mut database = stand.database().await?;
        let until = Instant::now() + PATIENCE + 5 * self.every;
        while database.count_runs().await? < i64::from(self.monitors) && Instant::now() < until {
            sleep(Duration::from_millis(500)).await;
        }
        progress::pass("after the wave", self.time).await;
        let usage = daemon.usage()?;
        rest(stand).await?;
        let until = due_by_now();
        daemon.terminate(STOP).await?;

        let ledger = stand.ledger().await?;
        let mut report = Report::new(format!("wave: {} monitors due in one second", self.monitors));
        self.judge(stand, &ledger, until, &mut report);
        let peak = format!("{} MiB", usage.peak_kib / 1_024);
        report.aim(format!("RSS at most {} MiB", RSS_KIB / 1_024), usage.peak_kib <= RSS_KIB, peak);
        Ok(report)
    }
}

impl Wave {
    async fn define(&self, stand: &Stand) -> Result<()> {
        let store = PgStore::connect(&stand.store()).await?;
        let definition = |n: u32| {
            let url = stand.target.url(n, Duration::ZERO);
            Definition::new(fleet::name(n), "http").every(self.every).config(json!({ "url": url }))
        };
        let all: Vec<_> = (0..self.monitors).map(definition).collect();
        let bar = progress::bar("defining", all.len() as u64);
        for page in all.chunks(PAGE) {
            store.put(page.to_vec()).await?;
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        store.close().await;
        Ok(())
    }

    fn judge(&self, stand: &Stand, ledger: &Ledger, until: i64, report: &mut Report) {
        let drained = drained(ledger);
        let mean = f64::from(self.monitors) / self.every.as_secs_f64();
        let later = ledger.monitors.values().flat_map(|monitored| monitored.runs.iter().skip(1));
        let second = most_a_second(later.filter(|run| run.started_at > drained));
        let firsts = ledger.monitors.values().filter_map(|monitored| monitored.runs.first());
        report.figure("runs recorded", ledger.count_runs());
        report.figure("runs that started within one second of the wave, at most", most_a_second(firsts));
        report.distribution("start lateness", &ledger.lateness(true));
        report.figure("gaps", ledger.summary_of_gaps());
        report.figure("load average of the machine", load_average());
        let found = format!("{second} runs a second at most, {mean:.0} are the mean");
        // Few runs a second are two times their mean by chance.
        report.aim("no second wave above twice the mean", second as f64 <= 2.0 * mean.max(20.0), found);
        let most = stand.target.most_under_way();
        report.must("runs under way never exceed the engine's room", most <= CONCURRENCY, most);
        report.law(
            "each due slot has exactly one row or lies in a gap with a reason",
            ledger.broken_lines(self.every, until),
        );
        report.law("no error of our own became a verdict", ledger.leaked_errors());
        report.law("a stop hands everything back", ledger.claimed());
    }
}

/// When the last run started that had to wait.
fn drained(ledger: &Ledger) -> i64 {
    let late = ledger.runs().filter(|run| run.started_at - run.slot > micros(LATE));
    late.map(|run| run.started_at).max().unwrap_or_default()
}

fn most_a_second<'r>(runs: impl Iterator<Item = &'r Run>) -> usize {
    let mut seconds = BTreeMap::<i64, usize>::new();
    runs.for_each(|run| *seconds.entry(run.started_at / micros(Duration::from_secs(1))).or_default() += 1);
    seconds.into_values().max().unwrap_or_default()
}
