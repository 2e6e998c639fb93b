//! How soon the engines record again after the database was away, and whether they blamed the target for it.

use std::time::Duration;

use super::now;
use crate::{
    ground::fleet,
    ledger::{Ledger, Monitored, distribution::Distribution},
    report::Report,
};

/// Every so many of the monitors see an outage meanwhile, so that there are incidents to get wrong.
pub(super) const FAILING: u32 = 10;

/// The moments at which the database was there again.
#[derive(Default)]
pub(super) struct Returns(Vec<i64>);

impl Returns {
    /// Notes that it is there now.
    pub(super) fn note(&mut self) {
        self.0.push(now());
    }

    /// Notes how long it took from each return until something was recorded, and until each monitor was that had been
    /// waiting; the former is to be within `aim`.
    pub(super) fn judge(&self, ledger: &Ledger, aim: Duration, report: &mut Report) {
        let mut commits: Vec<_> = ledger.runs().filter_map(|run| run.committed_at).collect();
        commits.sort_unstable();
        let first = |back: &i64| Some(commits.get(commits.partition_point(|at| at < back))? - back);
        let firsts = Distribution::of_micros(self.0.iter().filter_map(first));
        report.figure("from the database's return to the first run recorded", &firsts);
        report.distribution("until each monitor that was due is recorded", &self.waits(ledger));
        report.aim(format!("recording again within {aim:?}"), firsts.max() <= aim, format!("{:.2?}", firsts.max()));
        let silent = self.0.len() - firsts.len();
        report.must("recording goes on after each return", silent == 0, format!("nothing was after {silent} returns"));
    }

    fn waits(&self, ledger: &Ledger) -> Distribution {
        let wait = |back: i64, monitor: &Monitored| {
            let later = monitor.runs.iter().find(|run| run.committed_at.is_some_and(|at| at >= back))?;
            (later.slot <= back).then_some(later.committed_at? - back)
        };
        let monitors = || ledger.monitors.values();
        Distribution::of_micros(self.0.iter().flat_map(|back| monitors().filter_map(move |m| wait(*back, m))))
    }
}

/// Runs that are `down` of monitors that the target never failed: an error of our own was taken for the target's.
pub(super) fn blamed(ledger: &Ledger) -> Vec<String> {
    let unfailing = ledger.monitors.iter().filter(|(n, _)| *n % FAILING != 0);
    let down = unfailing.flat_map(|(n, monitored)| monitored.runs.iter().map(move |run| (n, run)));
    let down = down.filter(|(_, run)| run.status == "down" && !run.is_timeout());
    down.map(|(n, run)| format!("{}: the run of slot {} is down", fleet::name(*n), run.slot)).collect()
}
