//! A million monitors on one engine with a no-op check: whether one machine keeps up with them, and what it costs.

use std::time::Duration;

use fastrand::Rng;

use super::{
    Scenario,
    in_process::{InProcess, usage},
};
use crate::{
    Result,
    ground::{process::load_average, stand::Stand},
    report::Report,
};

/// The part of the runs due that must be recorded for the load to count as sustained.
const SUSTAINED: f64 = 0.99;

const TABLES: &str =
    "SELECT coalesce(string_agg(format('%s %s MiB', name, round(bytes / 1048576)), ', ' ORDER BY name), '')
    FROM (SELECT CASE WHEN relname LIKE 'results%' THEN 'results' ELSE relname END AS name,
            sum(pg_total_relation_size(relid)) AS bytes
        FROM pg_stat_user_tables WHERE schemaname = 'pingmon' GROUP BY 1) AS sizes WHERE bytes > 1048576";
const HOT: &str = "SELECT format('%s of %s updates in page, %s dead rows of %s', n_tup_hot_upd, n_tup_upd, n_dead_tup,
    n_live_tup) FROM pg_stat_user_tables WHERE schemaname = 'pingmon' AND relname = 'schedule'";

pub(super) struct Million {
    monitors: u32,
    every: Duration,
    time: Duration,
}

impl Scenario for Million {
    const FULL: Self = Self { monitors: 1_000_000, every: Duration::from_secs(60), time: Duration::from_secs(600) };
    const CUT: Self = Self { monitors: 1_000, every: Duration::from_secs(2), time: Duration::from_secs(4) };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let mut report = Report::new(format!("{} monitors each {:?}, a no-op check", self.monitors, self.every));
        let engine = InProcess::start(stand, self.monitors, self.every).await?;
        engine.wait_for_runs(self.monitors.into()).await?;
        engine.settle(self.every).await?;
        let mut connection = stand.cluster()?.connect().await?;
        let before: String = sqlx::query_scalar(TABLES).fetch_one(&mut connection).await?;
        let measured = engine.measure(stand, self.time).await?;
        let after: String = sqlx::query_scalar(TABLES).fetch_one(&mut connection).await?;
        let hot: String = sqlx::query_scalar(HOT).fetch_one(&mut connection).await?;
        let rss = usage()?.rss_kib / 1_024;
        let lateness = std::sync::Arc::clone(&engine.lateness);
        let summary = engine.stop().await?;

        let rate = f64::from(self.monitors) / self.every.as_secs_f64();
        let found = format!("{:.0} of {rate:.0} runs a second", measured.per_second());
        report.figure("start lateness", &*lateness);
        report.figure("slots missed", measured.missed);
        for (whose, cpu) in [("engine", measured.own_cpu), ("PostgreSQL", measured.postgres_cpu)] {
            let cores = cpu.as_secs_f64() / measured.time.as_secs_f64();
            report
                .figure(format!("CPU of {whose}"), format!("{:.1} us a run, {cores:.2} cores", measured.per_run(cpu)));
        }
        report.figure("RSS of the engine", format!("{rss} MiB"));
        report.figure("tables before", before);
        report.figure("tables after", after);
        report.figure("schedule", hot);
        report.figure("load average of the machine", load_average());
        report.aim("sustained", measured.per_second() >= SUSTAINED * rate, found);
        let rows = stand.database().await?.count_runs().await?.unsigned_abs();
        report.must("what the engine recorded is there", rows == summary.recorded, format!("{rows} rows, {summary}"));
        Ok(report)
    }
}
