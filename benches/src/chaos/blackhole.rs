//! The way to the database swallows bytes both ways for a while, with an outage of part of the target meanwhile.

use std::time::Duration;

use fastrand::Rng;

use super::{
    Scenario,
    crew::Crew,
    micros, now,
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
    ledger::distribution::Distribution,
    report::Report,
};

/// What an engine says of a call that failed.
const GAVE_UP: &str = "the store failed";
/// How long a call may take until it is given up. Each third of the lease there is one.
const CALL: Duration = Duration::from_secs(5);
/// How soon recording is to go on: after the calls under way have ended, and new connections stand.
const AIM: Duration = Duration::from_secs(10);
/// From the start of a run to its request at the target, on a busy machine.
const ON_THE_WAY: Duration = Duration::from_millis(250);

pub(super) struct Blackhole {
    monitors: u32,
    every: Duration,
    lease: Duration,
    time: Duration,
}

impl Scenario for Blackhole {
    const FULL: Self = Self {
        monitors: 2_000,
        every: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        time: Duration::from_secs(60),
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
        let proxy = Proxy::to(stand.cluster()?.port()).await?;
        let store = cluster::url(proxy.port());
        let fleet = Fleet { lease: self.lease, ..Fleet::new(self.monitors, self.every) };
        let crew = Crew::start(stand, fleet, &[store.clone(), store]).await?;
        stand.target.fail(FAILING);
        progress::pass("failing", self.every).await;
        let from = now();
        proxy.set(Passage::Swallowed);
        progress::pass("nothing comes through", self.time).await;
        let healed = now();
        proxy.set(Passage::Open);
        let mut returns = Returns::default();
        returns.note();
        progress::pass("failing still", self.every).await;
        stand.target.recover();
        let seats = crew.seats.clone();
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("blackhole: no byte for {:?}, lease {:?}", self.time, self.lease));
        returns.judge(&end.ledger, AIM, &mut report);
        let calls = Distribution::of_micros(seats.iter().map(|seat| seat.said(GAVE_UP, from).unwrap_or(healed) - from));
        let limit = CALL + self.lease / 3 + ON_THE_WAY;
        report.figure("until each engine gave a call up", &calls);
        report.aim(format!("each call ends within {CALL:?}"), calls.max() <= limit, format!("{:.1?}", calls.max()));
        let silent = from + micros(self.lease + ON_THE_WAY)..healed;
        let hits = stand.target.hits().into_values().flatten().filter(|hit| silent.contains(hit));
        let hits = hits.map(|hit| format!("a request {} ms after the last answer", (hit - from) / 1_000));
        report.law("no run without a living lease", hits);
        report.law("no error of the database blames the target", blamed(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}
