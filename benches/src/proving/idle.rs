//! Very many monitors that are hardly ever due. The first runs, which are spread 2 ms apart, are waited for; then it is
//! stopped and started again, and that start is measured.

use std::time::Duration;

use clap::Args;

use super::{START, STOP, mib, note_usage};
use crate::{
    Result,
    ground::{daemon::Daemon, fleet::Fleet, progress, stand::Stand},
    report::Report,
};

/// What is aimed at; missing it is shown and breaks no law.
const AIM_START: Duration = Duration::from_secs(5);
const AIM_RSS_KIB: u64 = 150 * 1_024;
/// How long the memory may take to settle, and how long idling is measured.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);

/// The arguments.
#[derive(Args)]
pub struct Idle {
    /// How many monitors.
    #[arg(long, default_value_t = 100_000)]
    monitors: u32,
    /// Days between two slots of a monitor.
    #[arg(long, default_value_t = 365)]
    days: u64,
}

impl Idle {
    pub(super) async fn prove(&self, stand: &mut Stand) -> Result<Report> {
        let every = Duration::from_secs(self.days * 86_400);
        let seat = stand.seat("pingmon", &Fleet::new(self.monitors, every), &stand.store())?;
        let mut report = Report::new(format!("idle: {} monitors every {} days", self.monitors, self.days));

        let mut first = seat.start()?;
        let ready = first.ready(2 * START).await?;
        report.figure("first start: ready after", format!("{ready:.2?}"));
        self.first_runs(stand, &mut first).await?;
        report.figure("first start: RSS after all first runs", mib(first.usage()?.rss_kib));
        first.terminate(STOP).await?;

        let mut second = seat.start()?;
        let ready = second.ready(START).await?;
        let held = second.vital("held", START, |held, monitors| held >= monitors, self.monitors.into()).await?;
        report.figure(
            "second start: ready after",
            format!("{ready:.2?} (aim {AIM_START:?}: {})", met(ready <= AIM_START)),
        );
        report.figure("second start: all monitors held after", format!("{held:.2?}"));
        progress::pass("settling", SETTLE).await;
        let before = second.usage()?;
        progress::pass("idling", IDLE).await;
        let after = second.usage()?;
        let aim = format!("{} ({})", mib(AIM_RSS_KIB), met(after.rss_kib <= AIM_RSS_KIB));
        report.figure("RSS aim", aim);
        note_usage(&mut report, before, after, IDLE);
        let (status, took) = second.terminate(STOP).await?;
        report.figure("stopped within", format!("{took:.2?}"));

        let ledger = stand.ledger().await?;
        let (runs, monitors) = (ledger.count_runs(), self.monitors as usize);
        report.must("each monitor was run once, in the first start", runs == monitors, format!("{runs} runs"));
        report.law("nothing is recorded as missed", ledger.gaps().map(|gap| format!("{gap:?}")));
        report.law("a stop hands everything back", ledger.claimed());
        report.must("it stops with exit code 0", status.success(), status);
        Ok(report)
    }

    /// Waits until each monitor has had its first run.
    async fn first_runs(&self, stand: &Stand, daemon: &mut Daemon) -> Result<()> {
        let monitors = u64::from(self.monitors);
        let bar = progress::bar("first runs", monitors);
        let patience = START + Duration::from_millis(4) * self.monitors;
        let mut database = stand.database().await?;
        while (bar.position() as i64) < i64::from(self.monitors) {
            if daemon.started.elapsed() > patience {
                return Err(format!("only {} of {monitors} first runs within {patience:?}", bar.position()).into());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            bar.set_position(database.count_runs().await?.unsigned_abs());
        }
        bar.finish_and_clear();
        Ok(())
    }
}

fn met(aim: bool) -> &'static str {
    if aim { "met" } else { "missed" }
}
