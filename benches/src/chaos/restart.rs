//! PostgreSQL is restarted again and again as if it had crashed, with an outage of part of the target meanwhile.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep_until};

use super::{
    Scenario,
    crew::Crew,
    resume::{FAILING, Returns, blamed},
};
use crate::{
    Result,
    ground::{fleet::Fleet, progress, stand::Stand},
    report::Report,
};

/// How soon recording is to go on.
const AIM: Duration = Duration::from_secs(3);

pub(super) struct Restart {
    monitors: u32,
    every: Duration,
    between: Duration,
    time: Duration,
}

impl Scenario for Restart {
    const FULL: Self = Self {
        monitors: 2_000,
        every: Duration::from_secs(10),
        between: Duration::from_secs(10),
        time: Duration::from_secs(60),
    };
    const CUT: Self = Self {
        monitors: 60,
        every: Duration::from_secs(2),
        between: Duration::from_secs(4),
        time: Duration::from_secs(8),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Report> {
        let crew =
            Crew::start(stand, Fleet::new(self.monitors, self.every), &[stand.store(), stand.store(), stand.store()])
                .await?;
        let returns = self.restart(stand, rng).await?;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("restart: PostgreSQL crashes every {:?}", self.between));
        returns.judge(&end.ledger, AIM, &mut report);
        report.law("no error of the database blames the target", blamed(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Restart {
    async fn restart(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Returns> {
        let restarts = u32::try_from(self.time.as_micros() / self.between.as_micros())?;
        let mut returns = Returns::default();
        let began = Instant::now();
        let bar = progress::bar("crashing", restarts.into());
        stand.target.fail(FAILING);
        for restart in 0..restarts {
            sleep_until(began + self.between * restart + self.between.mul_f64(rng.f64() / 4.0)).await;
            stand.cluster()?.stop_immediately().await?;
            if restart == restarts / 2 {
                stand.target.recover();
            }
            stand.cluster()?.start().await?;
            returns.note();
            bar.inc(1);
        }
        sleep_until(began + self.time).await;
        bar.finish_and_clear();
        Ok(returns)
    }
}
