//! A standby that follows the primary asynchronously takes its place without the last seconds. The engines reach both
//! through a proxy that leads new connections to the new primary; those that stand stay with the old one, which can
//! still be read.
//!
//! What was lost is run again. An incident that was opened and announced within the lost seconds is opened again by the
//! same slot, and its notice bears the same key.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;

use super::{
    Scenario,
    crew::Crew,
    resume::{FAILING, Returns, blamed},
};
use crate::{
    Result,
    ground::{
        cluster::{self, Cluster},
        fleet::Fleet,
        progress,
        proxy::Proxy,
        stand::Stand,
        standby::{Standby, refuse_writes},
    },
    ledger::{Ledger, Monitored},
    report::Report,
};

/// How soon recording is to go on.
const AIM: Duration = Duration::from_secs(10);

pub(super) struct Failover {
    monitors: u32,
    every: Duration,
    /// How many of the last seconds are lost: less than an interval, so that what is lost is one slot a monitor.
    lost: Duration,
    /// How long everything runs before and after.
    time: Duration,
}

impl Scenario for Failover {
    const FULL: Self = Self {
        monitors: 2_000,
        every: Duration::from_secs(10),
        lost: Duration::from_secs(3),
        time: Duration::from_secs(20),
    };
    const CUT: Self = Self {
        monitors: 60,
        every: Duration::from_secs(4),
        lost: Duration::from_secs(2),
        time: Duration::from_secs(4),
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let proxy = Proxy::to(stand.cluster()?.port()).await?;
        let store = cluster::url(proxy.port());
        let fleet = Fleet { open_after: 1, ..Fleet::new(self.monitors, self.every) };
        let crew = Crew::start(stand, fleet, &[store.clone(), store.clone(), store]).await?;
        let standby_log = stand.log("standby");
        let standby = Standby::of(stand.cluster()?, &standby_log).await?;
        progress::pass("following", self.time).await;
        let (old, forgotten, returns) = self.fail_over(stand, standby, &proxy).await?;
        progress::pass("on the new primary", self.time.max(3 * self.every)).await;
        stand.target.recover();
        let end = crew.finish(stand).await?;
        drop(old);

        let mut report = Report::new(format!("failover: the last {:?} are lost", self.lost));
        let lost = lost(&forgotten, &end.ledger);
        report.figure("runs recorded on the old primary only", lost);
        report.must("something was lost", lost > 0, "every run of the old primary is on the new one");
        returns.judge(&end.ledger, AIM, &mut report);
        report.law("an event that was announced before bears the same key", rekeyed(stand));
        report.law("no error of the database blames the target", blamed(&end.ledger));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Failover {
    /// Answers the old primary, which is to be readable until all is over, and what it knew at the end.
    async fn fail_over(
        &self,
        stand: &mut Stand,
        standby: Standby,
        proxy: &Proxy,
    ) -> Result<(Option<Cluster>, Ledger, Returns)> {
        standby.cut_off().await?;
        stand.target.fail(FAILING);
        progress::pass("what is lost", self.lost).await;
        refuse_writes(stand.cluster()?).await?;
        let forgotten = stand.ledger().await?;
        let primary = standby.promote().await?;
        proxy.lead_to(primary.port());
        let mut returns = Returns::default();
        returns.note();
        Ok((stand.replace_cluster(primary), forgotten, returns))
    }
}

/// How many runs the old primary had recorded that the new one doesn't know so: those that were run again too.
fn lost(forgotten: &Ledger, ledger: &Ledger) -> usize {
    let runs = |ledger: &Ledger| -> BTreeSet<(u32, i64, i64)> {
        let of = |(n, monitored): (&u32, &Monitored)| {
            let n = *n;
            monitored.runs.iter().map(move |run| (n, run.slot, run.started_at)).collect::<Vec<_>>()
        };
        ledger.monitors.iter().flat_map(of).collect()
    };
    runs(forgotten).difference(&runs(ledger)).count()
}

/// Events of one monitor that were announced under several keys. Each monitor has one outage.
fn rekeyed(stand: &Stand) -> Vec<String> {
    let mut keys = BTreeMap::<(String, String), BTreeSet<String>>::new();
    for notice in stand.receiver.notices() {
        keys.entry((notice.monitor, notice.event)).or_default().insert(notice.key);
    }
    let several = keys.into_iter().filter(|(_, keys)| keys.len() > 1);
    several.map(|((monitor, event), keys)| format!("{event} of {monitor} came under {} keys", keys.len())).collect()
}
