//! An engine is stopped (SIGSTOP) with runs in flight for longer than its lease, and goes on (SIGCONT).
//!
//! What it has in flight is answered 503, what others run instead is answered 200: were one of its late verdicts kept,
//! there would be a `down`, an incident and a notice where there must be none.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, POLL, Scenario, crew::Crew, now};
use crate::{
    Result,
    ground::{
        daemon::Daemon,
        fleet::{self, Fleet},
        progress,
        stand::Stand,
    },
    ledger::{self, Ledger},
    report::Report,
};

/// How long the target takes to answer.
const DELAY: Duration = Duration::from_secs(2);
/// How long before the stop the target begins to answer 503: no such answer arrives before it.
const BEFORE: Duration = Duration::from_millis(1_500);
/// How often a state is looked at that is waited for.
const PULSE: Duration = Duration::from_millis(10);

pub(super) struct Stop {
    monitors: u32,
    every: Duration,
    lease: Duration,
    /// How long it is stopped.
    time: Duration,
    /// How many runs it has in flight then, at least.
    in_flight: u64,
}

/// The stopped engine, before and after.
struct Story {
    stopped_at: i64,
    in_flight: u64,
    owned: BTreeSet<u32>,
    working_after: Duration,
    lost: u64,
}

impl Scenario for Stop {
    const FULL: Self = Self {
        monitors: 700,
        every: Duration::from_secs(4),
        lease: Duration::from_secs(3),
        time: Duration::from_millis(7_500),
        in_flight: 100,
    };
    const CUT: Self = Self {
        monitors: 80,
        every: Duration::from_secs(4),
        lease: Duration::from_secs(3),
        time: Duration::from_millis(7_500),
        in_flight: 5,
    };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let fleet = Fleet {
            lease: self.lease,
            delay: |_| DELAY,
            timeout: DELAY + Duration::from_secs(1),
            open_after: 1,
            ..Fleet::new(self.monitors, self.every)
        };
        let mut crew = Crew::start(stand, fleet, &[stand.store(), stand.store()]).await?;
        let story = self.stop(stand, &mut crew.daemons[0]).await?;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("stop: SIGSTOP for {:?}, lease {:?}", self.time, self.lease));
        report.figure("runs in flight when it was stopped", story.in_flight);
        report.figure("runs whose record it knows as refused", story.lost);
        let (aim, found) = (2 * POLL, story.working_after);
        report.aim(format!("it works again within {aim:?}"), found <= aim, format!("{found:.2?}"));
        let (wanted, found) = (self.in_flight, story.in_flight);
        report.must(format!("{wanted} runs were in flight"), found >= wanted, found);
        report.law("every late write of the stopped engine is refused", late_writes(&end.ledger, &story));
        report.law("none of its notices is sent", late_notices(stand, &end.ledger, &story));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

impl Stop {
    async fn stop(&self, stand: &Stand, engine: &mut Daemon) -> Result<Story> {
        engine.vital("running", PATIENCE, |running, wanted| running >= wanted, self.in_flight).await?;
        let mut database = stand.database().await?;
        stand.target.fail(1);
        sleep(BEFORE).await;
        let session = engine.session().await.unwrap_or_default();
        let in_flight = engine.read_vital("running").await.unwrap_or_default();
        engine.signal("STOP").await?;
        let stopped_at = now();
        stand.target.recover();
        let owned = ledger::slots_of(&mut database, &session).await?.into_keys().collect();
        progress::pass("stopped", self.time).await;
        engine.signal("CONT").await?;
        let (went_on, lost) = (Instant::now(), engine.read_vital("lost"));
        let lost = lost.await.unwrap_or_default();
        while !is_working(engine, &session).await {
            if went_on.elapsed() > PATIENCE {
                return Err(format!("the engine doesn't work again within {PATIENCE:?}").into());
            }
            sleep(PULSE).await;
        }
        let working_after = went_on.elapsed();
        let lost = engine.read_vital("lost").await.unwrap_or_default().max(lost);
        Ok(Story { stopped_at, in_flight, owned, working_after, lost })
    }
}

/// Whether it holds monitors in a session other than that one.
async fn is_working(engine: &Daemon, session: &str) -> bool {
    let is_new = engine.session().await.is_some_and(|new| new != session);
    is_new && engine.read_vital("held").await.is_some_and(|held| held > 0)
}

/// Verdicts of the stopped engine that were kept: the runs began before it was stopped, and the target failed them.
fn late_writes(ledger: &Ledger, story: &Story) -> Vec<String> {
    let owned = ledger.monitors.iter().filter(|(n, _)| story.owned.contains(n));
    let down = owned.flat_map(|(n, monitored)| monitored.runs.iter().map(move |run| (n, run)));
    let late = down.filter(|(_, run)| run.status == "down" && run.started_at <= story.stopped_at);
    late.map(|(n, run)| format!("{}: the run of slot {} is down", fleet::name(*n), run.slot)).collect()
}

/// Notices about monitors that nobody but the stopped engine found down.
fn late_notices(stand: &Stand, ledger: &Ledger, story: &Story) -> Vec<String> {
    let is_fine = |n: &u32| {
        let runs = ledger.monitors.get(n).map(|monitored| monitored.runs.as_slice()).unwrap_or_default();
        runs.iter().all(|run| run.status != "down" || run.started_at <= story.stopped_at)
    };
    let fine: BTreeSet<_> = story.owned.iter().filter(|n| is_fine(n)).map(|n| fleet::name(*n)).collect();
    let notices = stand.receiver.notices().into_iter().filter(|notice| fine.contains(&notice.monitor));
    notices.map(|notice| format!("{} of {}", notice.event, notice.monitor)).collect()
}
