//! SIGTERM with many runs under way.

use std::time::Duration;

use clap::Args;

use super::{START, STOP};
use crate::{
    Result,
    ground::{fleet::Fleet, stand::Stand},
    report::Report,
};

/// What a stop may take.
const LIMIT: Duration = Duration::from_secs(10);
/// A run that ends within the grace period of 5 s, and one that doesn't.
const QUICK: Duration = Duration::from_secs(4);
const SLOW: Duration = Duration::from_secs(25);

/// The arguments.
#[derive(Args)]
pub struct Term {
    /// How many runs are to be under way; at most 256, which is as many as run at once.
    #[arg(long, default_value_t = 200)]
    runs: u32,
}

impl Term {
    pub(super) async fn prove(&self, stand: &mut Stand) -> Result<Report> {
        let fleet = Fleet {
            delay: |monitor| if monitor % 2 == 0 { QUICK } else { SLOW },
            timeout: Duration::from_secs(30),
            ..Fleet::new(self.runs, Duration::from_secs(60))
        };
        let mut daemon = stand.start(&fleet)?;
        daemon.vital("running", START, |running, runs| running >= runs, self.runs.into()).await?;
        let (status, took) = daemon.terminate(STOP).await?;

        let ledger = stand.ledger().await?;
        let (quick, slow) = (self.runs.div_ceil(2) as usize, self.runs as usize / 2);
        let left_due = ledger.monitors.values().filter(|monitored| monitored.runs.is_empty()).count();
        let mut report = Report::new(format!("term: SIGTERM with {} runs under way", self.runs));
        report.figure("stopped within", format!("{took:.2?}"));
        report.figure("runs recorded", ledger.count_runs());
        report.figure("runs cut off, their slots left due", left_due);
        report.must(format!("it ends within {LIMIT:?}"), took <= LIMIT, format!("{took:?}"));
        report.must("it ends with exit code 0", status.success(), status);
        report.law("everything is handed back", ledger.claimed());
        report.must(
            "runs that ended within the grace period are recorded",
            ledger.count_runs() == quick,
            ledger.count_runs(),
        );
        report.must("the slots of the others stay due", left_due == slow, left_due);
        report.law("nothing is recorded as missed", ledger.gaps().map(|gap| format!("{gap:?}")));
        Ok(report)
    }
}
