//! Many monitors for some minutes, undisturbed.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;

use super::{SLACK, START, STOP, note_usage, now};
use crate::{
    Result,
    ground::{
        fleet::{self, Fleet},
        progress,
        stand::Stand,
    },
    ledger::{Ledger, distribution::Distribution},
    report::Report,
};

/// How late 99 % of the runs may start at most.
const LATENESS: Duration = Duration::from_millis(20);

/// The arguments.
#[derive(Args)]
pub struct Steady {
    /// How many monitors.
    #[arg(long, default_value_t = 1_000)]
    monitors: u32,
    /// Seconds between two slots of a monitor.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// For how many seconds.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
}

impl Steady {
    pub(super) async fn prove(&self, stand: &mut Stand) -> Result<Report> {
        let every = Duration::from_secs(self.every);
        let mut daemon = stand.start(&Fleet::new(self.monitors, every))?;
        let ready = daemon.ready(START).await?;
        let before = daemon.usage()?;
        let time = Duration::from_secs(self.seconds);
        progress::pass("running", time).await;
        let after = daemon.usage()?;
        let until = now() - SLACK.as_micros() as i64;
        let (status, took) = daemon.terminate(STOP).await?;

        let (ledger, hits) = (stand.ledger().await?, stand.target.hits());
        let title = format!("steady: {} monitors every {} s for {} s", self.monitors, self.every, self.seconds);
        let mut report = Report::new(title);
        report.figure("ready after", format!("{ready:.2?}"));
        report.figure("runs recorded", ledger.count_runs());
        report.figure("start lateness", ledger.lateness(true));
        report.figure("without each monitor's first run", ledger.lateness(false));
        report.figure("from the slot to the request at the target", at_the_target(&ledger, &hits));
        note_usage(&mut report, before, after, time);
        let bytes = stand.size_of_file() as f64 / ledger.count_runs().max(1) as f64;
        report.figure("database", format!("{bytes:.0} bytes a run"));
        report.figure("stopped within", format!("{took:.2?}"));

        report.law("every due slot has exactly one row", ledger.broken_lines(every, until));
        report.law("no slot was missed", ledger.gaps().map(|gap| format!("{gap:?}")));
        report.law("each row is one request at the target, and each request one row", miscounted(&ledger, &hits));
        let late = ledger.lateness(true).per_mille(990);
        report.must(format!("99 % of the runs start within {LATENESS:?}"), late <= LATENESS, format!("{late:?}"));
        report.law("no incident and no notice", ledger.incidents().map(|incident| incident.key.clone()));
        report.must("it stops with exit code 0", status.success(), status);
        Ok(report)
    }
}

/// When monitors came to the target.
type Hits = BTreeMap<u32, Vec<i64>>;

/// Monitors whose rows and requests differ in number.
fn miscounted(ledger: &Ledger, hits: &Hits) -> Vec<String> {
    let differ = ledger.monitors.iter().filter_map(|(n, monitored)| {
        let (rows, hits) = (monitored.runs.len(), hits.get(n).map_or(0, Vec::len));
        (rows != hits).then(|| format!("{}: {rows} rows, {hits} requests", fleet::name(*n)))
    });
    differ.collect()
}

/// How long after its slot each request came to the target.
fn at_the_target(ledger: &Ledger, hits: &Hits) -> Distribution {
    let pairs = ledger.monitors.iter().filter_map(|(n, monitored)| Some((monitored, hits.get(n)?)));
    Distribution::of_micros(
        pairs.flat_map(|(monitored, hits)| monitored.runs.iter().zip(hits).map(|(run, hit)| hit - run.slot)),
    )
}
