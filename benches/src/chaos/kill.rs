//! One of three engines is killed every few seconds and started again, with an outage of part of the target meanwhile.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use super::{POLL, Scenario, crew::Crew, micros, now};
use crate::{
    Result,
    ground::{
        fleet::{self, Fleet},
        progress,
        stand::Stand,
    },
    ledger::{self, distribution::Distribution},
    report::Report,
};

const ENGINES: usize = 3;
/// Every so many of the monitors see an outage during the middle third.
const FAILING: u32 = 10;
/// What a takeover may take beside lease and poll.
const AIM: Duration = Duration::from_millis(500);
/// What it may take on a busy machine beside lease, poll and an interval: a monitor that is taken over too late waits for
/// its next slot. Beyond that the takeover doesn't follow from the lease.
const LIMIT: Duration = Duration::from_secs(3);
/// How long the server may take to end what the dead engine had under way.
const LAST_COMMIT: Duration = Duration::from_millis(50);

pub(super) struct Kill {
    monitors: u32,
    every: Duration,
    lease: Duration,
    between: Duration,
    time: Duration,
}

/// An engine's end, and what it left behind.
struct Death {
    at: i64,
    /// The pending slots of its monitors.
    owned: BTreeMap<u32, i64>,
}

impl Scenario for Kill {
    const FULL: Self = Self {
        monitors: 5_000,
        every: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        between: Duration::from_secs(2),
        time: Duration::from_secs(120),
    };
    const CUT: Self = Self {
        monitors: 90,
        every: Duration::from_secs(8),
        lease: Duration::from_secs(3),
        between: Duration::from_secs(4),
        time: Duration::from_secs(12),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Report> {
        let fleet = Fleet { lease: self.lease, open_after: 1, ..Fleet::new(self.monitors, self.every) };
        let store = stand.store();
        let mut crew = Crew::start(stand, fleet, &[store.clone(), store.clone(), store]).await?;
        let deaths = self.kill(stand, &mut crew, rng).await?;
        let end = crew.finish(stand).await?;

        let mut report =
            Report::new(format!("kill: {} monitors each {:?}, {} kills", self.monitors, self.every, deaths.len()));
        let (aim, limit) = (self.lease + POLL + AIM, self.lease + POLL + self.every + LIMIT);
        let (takeovers, orphans) = takeovers(&deaths, &stand.target.hits(), aim);
        report.distribution("takeover", &takeovers);
        report.aim(format!("takeover within {aim:?}"), takeovers.max() <= aim, format!("{:.2?}", takeovers.max()));
        report.must(format!("takeover within {limit:?}"), takeovers.max() <= limit, format!("{:?}", takeovers.max()));
        report.law("no monitor stays behind", orphans);
        report.must("there were takeovers to judge", takeovers.len() > 0, "no monitor came due");
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Kill {
    /// Kills and restarts, evenly in time.
    async fn kill(&self, stand: &Stand, crew: &mut Crew, rng: &mut Rng) -> Result<Vec<Death>> {
        let kills = u32::try_from(self.time.as_micros() / self.between.as_micros())?;
        let mut database = stand.database().await?;
        let mut deaths = Vec::new();
        let began = Instant::now();
        let bar = progress::bar("killing", kills.into());
        for kill in 0..kills {
            sleep_until(began + self.between * kill).await;
            if kill == kills / 3 {
                stand.target.fail(FAILING);
            }
            if kill == kills * 2 / 3 {
                stand.target.recover();
            }
            let victim = rng.usize(..ENGINES);
            let session = crew.daemons[victim].session().await.unwrap_or_default();
            let at = now();
            crew.daemons[victim].kill().await?;
            sleep(LAST_COMMIT).await;
            deaths.push(Death { at, owned: ledger::slots_of(&mut database, &session).await? });
            crew.restart(victim)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        stand.target.recover();
        Ok(deaths)
    }
}

/// How long it took from each death, or from the slot if that came later, until another engine ran each monitor that
/// came due within `horizon`; and those that nobody ran. A monitor whose next owner was killed too, before it ran it,
/// counts from that death.
fn takeovers(deaths: &[Death], hits: &BTreeMap<u32, Vec<i64>>, horizon: Duration) -> (Distribution, Vec<String>) {
    let (mut took, mut orphans) = (Vec::new(), Vec::new());
    for (n, death) in deaths.iter().enumerate() {
        let due = death.owned.iter().filter(|(_, slot)| **slot < death.at + micros(horizon));
        for (monitor, slot) in due {
            let later = hits.get(monitor).map(Vec::as_slice).unwrap_or_default();
            let hit = later.get(later.partition_point(|hit| *hit <= death.at)).copied();
            let next = deaths.iter().skip(n + 1).find(|next| next.owned.contains_key(monitor)).map(|next| next.at);
            match (hit, next) {
                (Some(hit), next) if next.is_none_or(|next| hit <= next) => took.push(hit - death.at.max(*slot)),
                (None, None) => orphans.push(format!("{}: not run after kill {n}", fleet::name(*monitor))),
                _ => {}
            }
        }
    }
    (Distribution::of_micros(took), orphans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_counts_from_the_death_or_the_slot_and_from_the_last_death() {
        let death = |at, owned: &[(u32, i64)]| Death { at, owned: owned.iter().copied().collect() };
        let deaths = [death(100, &[(1, 90), (2, 150), (3, 90), (4, 10_000)]), death(200, &[(3, 90)])];
        let hits = BTreeMap::from([(1, vec![95, 140]), (2, vec![160]), (3, vec![90, 260])]);
        let (took, orphans) = takeovers(&deaths, &hits, Duration::from_millis(1));
        assert_eq!(took.len(), 3);
        assert_eq!((took.per_mille(1), took.max()), (Duration::from_micros(10), Duration::from_micros(60)));
        assert!(orphans.is_empty());
        let (_, orphans) = takeovers(&deaths, &BTreeMap::new(), Duration::from_millis(1));
        assert_eq!(orphans.len(), 3, "monitor 3 is counted with the last death only: {orphans:?}");
    }
}
