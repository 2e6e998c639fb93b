//! The engines go through pgbouncer in transaction mode, which is killed, loses its server, and is paused.

use std::time::Duration;

use fastrand::Rng;

use super::{
    Scenario,
    crew::Crew,
    resume::{FAILING, Returns, blamed},
};
use crate::{
    Result,
    ground::{bouncer::Bouncer, fleet::Fleet, progress, stand::Stand},
    report::Report,
};

/// How soon recording is to go on.
const AIM: Duration = Duration::from_secs(3);

pub(super) struct Pooler {
    monitors: u32,
    every: Duration,
    /// How long it works between two of its faults.
    between: Duration,
    /// How long it is paused.
    time: Duration,
}

impl Scenario for Pooler {
    const FULL: Self = Self {
        monitors: 2_000,
        every: Duration::from_secs(10),
        between: Duration::from_secs(10),
        time: Duration::from_secs(30),
    };
    const CUT: Self = Self {
        monitors: 60,
        every: Duration::from_secs(2),
        between: Duration::from_secs(3),
        time: Duration::from_secs(2),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let log = stand.log("pgbouncer");
        let mut bouncer = Bouncer::before(stand.cluster()?, &log).await?;
        let stores = [bouncer.url(), bouncer.url(), bouncer.url()];
        let crew = Crew::start(stand, Fleet::new(self.monitors, self.every), &stores).await?;
        stand.target.fail(FAILING);
        let returns = self.disturb(stand, &mut bouncer).await?;
        let end = crew.finish(stand).await?;

        let mut report =
            Report::new(format!("pooler: pgbouncer killed, without its server, paused for {:?}", self.time));
        returns.judge(&end.ledger, AIM, &mut report);
        report.law("no error of the database blames the target", blamed(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Pooler {
    async fn disturb(&self, stand: &mut Stand, bouncer: &mut Bouncer) -> Result<Returns> {
        let mut returns = Returns::default();
        progress::pass("until it is killed", self.between).await;
        bouncer.kill().await?;
        bouncer.start().await?;
        returns.note();
        progress::pass("until its server crashes", self.between).await;
        stand.cluster()?.stop_immediately().await?;
        stand.cluster()?.start().await?;
        returns.note();
        stand.target.recover();
        progress::pass("until it is paused", self.between).await;
        bouncer.pause().await?;
        progress::pass("paused", self.time).await;
        bouncer.resume().await?;
        returns.note();
        Ok(returns)
    }
}
