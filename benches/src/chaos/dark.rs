//! All engines are killed, and come back after a while.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;

use super::{Scenario, crew::Crew, micros, now};
use crate::{
    Result,
    ground::{
        fleet::{self, Fleet},
        progress,
        stand::Stand,
    },
    ledger::Ledger,
    report::Report,
};

pub(super) struct Dark {
    monitors: u32,
    every: Duration,
    lease: Duration,
    time: Duration,
}

impl Scenario for Dark {
    const FULL: Self = Self {
        monitors: 5_000,
        every: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        time: Duration::from_secs(30),
    };
    const CUT: Self = Self {
        monitors: 60,
        every: Duration::from_secs(2),
        lease: Duration::from_secs(3),
        time: Duration::from_secs(8),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let fleet = Fleet { lease: self.lease, ..Fleet::new(self.monitors, self.every) };
        let mut crew = Crew::start(stand, fleet, &[stand.store(), stand.store(), stand.store()]).await?;
        for daemon in &mut crew.daemons {
            daemon.kill().await?;
        }
        progress::pass("dark", self.time).await;
        let back = now();
        for number in 0..crew.daemons.len() {
            crew.restart(number)?;
        }
        progress::pass("back", self.every).await;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("dark: {} monitors, nobody there for {:?}", self.monitors, self.time));
        let (usual, most) = (f64::from(self.monitors) / self.every.as_secs_f64(), most_a_second(&end.ledger, back));
        report.aim(
            "the load never doubles on the return",
            most as f64 <= 2.0 * usual,
            format!("{most} runs a second at most, {usual:.0} usually"),
        );
        report.law("at most one catch-up run a monitor", repeated_catch_ups(&end.ledger, back));
        report.law("what nobody ran is recorded as missed", without_gap(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

/// How many runs started within one second at most, from then on.
fn most_a_second(ledger: &Ledger, back: i64) -> usize {
    let mut seconds = BTreeMap::<i64, usize>::new();
    let started = ledger.runs().map(|run| run.started_at).filter(|at| *at >= back);
    started.for_each(|at| *seconds.entry((at - back) / micros(Duration::from_secs(1))).or_default() += 1);
    seconds.into_values().max().unwrap_or_default()
}

/// Monitors of which several slots of before the return were run after it.
fn repeated_catch_ups(ledger: &Ledger, back: i64) -> Vec<String> {
    let count = ledger.monitors.iter().map(|(n, monitored)| {
        (n, monitored.runs.iter().filter(|run| run.slot < back && run.started_at >= back).count())
    });
    count.filter(|(_, runs)| *runs > 1).map(|(n, runs)| format!("{}: {runs}", fleet::name(*n))).collect()
}

fn without_gap(ledger: &Ledger) -> Vec<String> {
    let without = ledger.monitors.iter().filter(|(_, monitored)| monitored.gaps.is_empty());
    without.map(|(n, _)| fleet::name(*n)).collect()
}
