//! Engines are restarted one after the other while monitors are edited, disabled, enabled and deleted.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;

use super::{PATIENCE, Scenario, crew::Crew, resume::FAILING};
use crate::{
    Result,
    ground::{fleet::Fleet, progress, stand::Stand},
    report::Report,
};

pub(super) struct Upgrade {
    monitors: u32,
    every: Duration,
    time: Duration,
}

impl Scenario for Upgrade {
    const FULL: Self = Self { monitors: 2_000, every: Duration::from_secs(5), time: Duration::from_secs(60) };
    const CUT: Self = Self { monitors: 60, every: Duration::from_secs(1), time: Duration::from_secs(8) };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Report> {
        let stores = [stand.store(), stand.store(), stand.store()];
        let mut crew = Crew::start(stand, Fleet::new(self.monitors, self.every), &stores).await?;
        stand.target.fail(FAILING);
        progress::pass("an outage", 3 * self.every).await;
        stand.target.recover();
        progress::pass("recovering", 2 * self.every).await;

        let step = self.time / 4;
        let some = |rng: &mut Rng, part| (0..self.monitors).filter(|_| rng.f64() < part).collect::<BTreeSet<_>>();
        crew.fleet.timeout = crew.fleet.timeout.mul_f64(0.9);
        self.roll(stand, &mut crew, step).await?;
        crew.fleet.disabled = some(rng, 0.2);
        self.roll(stand, &mut crew, step.max(2 * self.every)).await?;
        crew.fleet.deleted = some(rng, 0.1);
        self.roll(stand, &mut crew, step).await?;
        crew.fleet.disabled.clear();
        self.roll(stand, &mut crew, step).await?;
        let (deleted, notices) = (crew.fleet.deleted.len(), stand.receiver.notices().len());
        let end = crew.finish(stand).await?;

        let mut report = Report::new("upgrade: rolling restarts with edits, disables and deletes");
        report.figure("monitors deleted", deleted);
        report.must("there were incidents to judge", notices > 0, "the outage opened none");
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Upgrade {
    /// Changes every engine's config and tells one of them, then restarts one after the other.
    async fn roll(&self, stand: &Stand, crew: &mut Crew, step: Duration) -> Result<()> {
        for (seat, store) in crew.seats.iter().zip(std::iter::repeat(stand.store())) {
            stand.assign(seat, &crew.fleet, &store)?;
        }
        crew.daemons[0].signal("HUP").await?;
        let pause = step / u32::try_from(crew.daemons.len() + 1)?;
        for number in 0..crew.daemons.len() {
            progress::pass("working", pause).await;
            crew.daemons[number].terminate(PATIENCE).await?;
            crew.restart(number)?;
            crew.daemons[number].ready(PATIENCE).await?;
        }
        progress::pass("working", pause).await;
        Ok(())
    }
}
