//! One engine with a no-op check: how many runs a second it can do, what each costs, and how late they start at a part
//! of that load.

use std::time::Duration;

use fastrand::Rng;

use super::{
    Scenario,
    in_process::{InProcess, Measured, usage},
};
use crate::{
    Result,
    ground::{cluster::execute, process::load_average, stand::Stand},
    report::Report,
};

/// The interval of all monitors: the shortest there is.
const EVERY: Duration = Duration::from_secs(1);
/// Parts of the most that it can do.
const LOADS: [f64; 3] = [0.1, 0.5, 0.9];
/// How late 99 % of the runs may start at half load.
const AIM: Duration = Duration::from_millis(5);
const EMPTY: &str = "TRUNCATE pingmon.monitors, pingmon.schedule, pingmon.results, pingmon.gaps CASCADE";

pub(super) struct Engine {
    /// More monitors than it can run each second.
    monitors: u32,
    /// How long each load is measured.
    time: Duration,
}

impl Scenario for Engine {
    const FULL: Self = Self { monitors: 80_000, time: Duration::from_secs(30) };
    const CUT: Self = Self { monitors: 1_000, time: Duration::from_secs(2) };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let mut report = Report::new("engine: one, with a no-op check, on one PostgreSQL on the same machine");
        let (most, _) = self.measure(stand, self.monitors, "all that it can do", &mut report).await?;
        for load in LOADS {
            let title = format!("{:.0} % of that", load * 100.0);
            let monitors = (most.per_second() * load) as u32;
            let (_, late) = self.measure(stand, monitors, &title, &mut report).await?;
            if load == 0.5 {
                report.aim(
                    format!("p99 of start lateness within {AIM:?} at half load"),
                    late <= AIM,
                    format!("{late:?}"),
                );
            }
        }
        report.figure("RSS", format!("{} MiB", usage()?.rss_kib / 1_024));
        report.figure("load average of the machine", load_average());
        Ok(report)
    }
}

impl Engine {
    /// Answers what was measured, and the lateness that 99 % of the runs don't exceed.
    async fn measure(
        &self,
        stand: &mut Stand,
        monitors: u32,
        title: &str,
        report: &mut Report,
    ) -> Result<(Measured, Duration)> {
        execute(&mut stand.cluster()?.connect().await?, EMPTY).await?;
        let engine = InProcess::start(stand, monitors, EVERY).await?;
        engine.wait_for_runs(u64::from(monitors) * 2).await?;
        let measured = engine.measure(stand, self.time).await?;
        let (late, lateness) = (engine.lateness.per_mille(990), engine.lateness.to_string());
        let summary = engine.stop().await?;
        let (own, postgres) = (measured.per_run(measured.own_cpu), measured.per_run(measured.postgres_cpu));
        let rate = measured.per_second();
        let cost = format!("{rate:.0} runs a second, {own:.1} us of CPU a run and {postgres:.1} us of PostgreSQL's");
        report.figure(title, format!("{cost}; late {lateness}; {} slots missed", measured.missed));
        let rows = stand.database().await?.count_runs().await?.unsigned_abs();
        report.must(
            format!("{title}: what the engine recorded is there"),
            rows == summary.recorded,
            format!("{rows} rows, {summary}"),
        );
        Ok((measured, late))
    }
}
