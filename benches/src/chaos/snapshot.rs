//! A reader holds a snapshot of the database: nothing that is updated may be cleaned up meanwhile.

use std::time::Duration;

use fastrand::Rng;
use sqlx::{Connection as _, PgConnection};

use super::{Scenario, crew::Crew, micros, now};
use crate::{
    Result,
    ground::{cluster::execute, fleet::Fleet, progress, stand::Stand},
    ledger::{Ledger, distribution::Distribution},
    report::Report,
};

/// How much slower completions may become.
const AIM: u32 = 3;

const HOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pingmon.schedule";

pub(super) struct Snapshot {
    monitors: u32,
    every: Duration,
    /// How long completions are looked at before the snapshot, and at its end.
    window: Duration,
    /// How long it is held.
    time: Duration,
}

impl Scenario for Snapshot {
    const FULL: Self = Self {
        monitors: 5_000,
        every: Duration::from_secs(10),
        window: Duration::from_secs(60),
        time: Duration::from_secs(600),
    };
    const CUT: Self = Self {
        monitors: 100,
        every: Duration::from_secs(1),
        window: Duration::from_secs(2),
        time: Duration::from_secs(4),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let crew = Crew::start(stand, Fleet::new(self.monitors, self.every), &[stand.store()]).await?;
        progress::pass("settling", self.every).await;
        let base_from = now();
        progress::pass("base", self.window).await;
        let base_until = now();
        let mut reader = PgConnection::connect(&stand.store()).await?;
        execute(&mut reader, HOLD).await?;
        progress::pass("a snapshot is held", self.time).await;
        let held_until = now();
        reader.close().await?;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("snapshot: held for {:?}", self.time));
        let base = completions(&end.ledger, base_from, base_until);
        let held = completions(&end.ledger, held_until - micros(self.window), held_until);
        report.distribution("from the verdict to its commit, before", &base);
        report.distribution("at the end of the snapshot", &held);
        let (base, held) = (base.per_mille(990), held.per_mille(990));
        report.aim(
            format!("p99 at most {AIM} times the base"),
            held <= AIM * base,
            format!("{base:.1?}, then {held:.1?}"),
        );
        end.judge(stand, &mut report);
        Ok(report)
    }
}

/// How long completions took whose runs started within that time.
fn completions(ledger: &Ledger, from: i64, until: i64) -> Distribution {
    let runs = ledger.runs().filter(|run| (from..until).contains(&run.started_at));
    Distribution::of_micros(runs.filter_map(|run| run.completion()))
}
