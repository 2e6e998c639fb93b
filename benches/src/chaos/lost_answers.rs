//! The way to the database delivers requests and loses the answers, again and again, while incidents open and close: a
//! COMMIT takes effect and nobody hears of it.

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
    ground::{
        cluster,
        fleet::Fleet,
        progress,
        proxy::{Passage, Proxy},
        stand::Stand,
    },
    report::Report,
};

/// How soon recording is to go on: after the calls under way have ended, and new connections stand.
const AIM: Duration = Duration::from_secs(10);

pub(super) struct LostAnswers {
    monitors: u32,
    every: Duration,
    lease: Duration,
    /// How long answers are lost each time.
    lost: Duration,
    /// From one time to the next.
    between: Duration,
    time: Duration,
}

impl Scenario for LostAnswers {
    const FULL: Self = Self {
        monitors: 2_000,
        every: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        lost: Duration::from_secs(5),
        between: Duration::from_secs(15),
        time: Duration::from_secs(60),
    };
    const CUT: Self = Self {
        monitors: 60,
        every: Duration::from_secs(2),
        lease: Duration::from_secs(3),
        lost: Duration::from_secs(1),
        between: Duration::from_secs(5),
        time: Duration::from_secs(10),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Report> {
        let proxy = Proxy::to(stand.cluster()?.port()).await?;
        let store = cluster::url(proxy.port());
        let fleet = Fleet { lease: self.lease, ..Fleet::new(self.monitors, self.every) };
        let crew = Crew::start(stand, fleet, &[store.clone(), store]).await?;
        let returns = self.lose(stand, &proxy, rng).await?;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("lost answers: for {:?} every {:?}", self.lost, self.between));
        returns.judge(&end.ledger, AIM, &mut report);
        report.law("no error of the database blames the target", blamed(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl LostAnswers {
    /// Loses answers, and lets part of the target fail every second time: incidents open and close in the dark.
    async fn lose(&self, stand: &Stand, proxy: &Proxy, rng: &mut Rng) -> Result<Returns> {
        let times = u32::try_from(self.time.as_micros() / self.between.as_micros())?;
        let mut returns = Returns::default();
        let began = Instant::now();
        let bar = progress::bar("losing answers", times.into());
        for time in 0..times {
            let from = began + self.between * time + self.every.mul_f64(rng.f64());
            if time % 2 == 0 {
                stand.target.fail(FAILING);
            } else {
                stand.target.recover();
            }
            sleep_until(from).await;
            proxy.set(Passage::AnswersLost);
            sleep_until(from + self.lost).await;
            proxy.set(Passage::Open);
            returns.note();
            bar.inc(1);
        }
        sleep_until(began + self.time).await;
        stand.target.recover();
        bar.finish_and_clear();
        Ok(returns)
    }
}
