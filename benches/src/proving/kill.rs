//! pingmon is killed again and again under load, with an outage of the target in the middle of it.

use std::{ops::Range, time::Duration};

use clap::Args;
use fastrand::Rng;
use pingmon_core::time::Timestamp;
use tokio::time::{Instant, sleep};

use super::{SLACK, START, STOP, now};
use crate::{
    Result,
    ground::{
        daemon::{Daemon, Seat},
        fleet::Fleet,
        process::load_average,
        progress,
        receiver::Notice,
        stand::Stand,
    },
    ledger::Ledger,
    report::Report,
};

/// Every so many kills, one comes this early: into the start itself.
const EARLY_EVERY: u32 = 10;
const EARLY: Range<f64> = 0.02..0.5;
/// How long everything may take to be as it should be after the last start.
const RECOVERY: Duration = Duration::from_secs(120);

/// The arguments.
#[derive(Args)]
pub struct Kill {
    /// How many monitors.
    #[arg(long, default_value_t = 1_000)]
    monitors: u32,
    /// Seconds between two slots of a monitor.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// How often it is killed.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Seconds from a start to the kill, at least.
    #[arg(long, default_value_t = 2.0)]
    least: f64,
    /// Seconds from a start to the kill, at most.
    #[arg(long, default_value_t = 5.0)]
    most: f64,
    /// Seconds that a killed process counts as alive for.
    #[arg(long, default_value_t = 15)]
    lease: u64,
    /// What the moments are drawn from; a random one unless given.
    #[arg(long)]
    seed: Option<u64>,
}

/// What happened while it was killed.
#[derive(Default)]
struct Story {
    closed: Timestamp,
    reopened: Timestamp,
    damage: Vec<String>,
    forgotten: Vec<String>,
}

impl Kill {
    pub(super) async fn prove(&self, stand: &mut Stand) -> Result<Report> {
        let every = Duration::from_secs(self.every);
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let fleet = Fleet { lease: Duration::from_secs(self.lease), ..Fleet::new(self.monitors, every) };
        let seat = stand.seat("pingmon", &fleet, &stand.store())?;
        let started = Instant::now();
        let story = self.play(stand, &seat, Rng::with_seed(seed)).await?;
        let ordeal = started.elapsed();

        let mut daemon = seat.start()?;
        let settled = settle(stand, &mut daemon, self.monitors).await?;
        progress::pass("running on", 2 * every).await;
        let until = now() - SLACK.as_micros() as i64;
        let (status, _) = daemon.terminate(STOP).await?;

        let (ledger, notices) = (stand.ledger().await?, stand.receiver.notices());
        let mut report =
            Report::new(format!("kill: {} monitors every {every:?}, {} kills, seed {seed}", self.monitors, self.kills));
        report.figure("kills within", format!("{ordeal:.0?}, outage of {:.0?}", story.reopened.since(story.closed)));
        report.figure("runs recorded", ledger.count_runs());
        report.figure("start lateness, waits for leases included", ledger.lateness(true));
        report.figure("gaps", ledger.summary_of_gaps());
        report.figure("incidents", ledger.incidents().count());
        report.figure("webhooks received", format!("{}, {} of them repeats", notices.len(), repeats(&notices)));
        report.figure("settled after the last start within", format!("{settled:.1?}"));
        report.figure("load average of the machine", load_average());

        report.law("no slot twice, and rows and gaps with reasons cover each line", ledger.broken_lines(every, until));
        report.law("what was recorded before a kill is there after it", story.forgotten.clone());
        report
            .law("two failures open an incident and one success resolves it", ledger.wrong_incidents(fleet.open_after));
        report.law("an incident stays open throughout the outage", closed_early(&ledger, &story));
        report.law("one key an event, each written once and received", ledger.wrong_notices(&notices));
        report.law("SQLite finds nothing wrong after any kill", story.damage.clone());
        report.law("a stop hands everything back", ledger.claimed());
        report.must("there were incidents to judge", ledger.incidents().count() > 0, "the outage opened none");
        report.must("it stops with exit code 0", status.success(), status);
        Ok(report)
    }

    /// Starts and kills; the target is away from the first third of the kills to the second.
    async fn play(&self, stand: &mut Stand, seat: &Seat, mut rng: Rng) -> Result<Story> {
        let mut story = Story::default();
        let bar = progress::bar("killing", self.kills.into());
        for kill in 0..self.kills {
            if kill == self.kills / 3 {
                story.closed = stand.target.close().await;
            }
            if kill == self.kills * 2 / 3 {
                story.reopened = stand.target.reopen().await?;
            }
            let moments = if kill % EARLY_EVERY == EARLY_EVERY - 1 { EARLY } else { self.least..self.most };
            let mut daemon = seat.start()?;
            sleep(Duration::from_secs_f64(moments.start + rng.f64() * (moments.end - moments.start))).await;
            // Before the first start has made the tables there is nothing to count.
            let before = if kill > 0 { stand.database().await?.count_runs().await? } else { 0 };
            daemon.kill().await?;
            let mut copy = stand.copy_of_file().await?;
            story.damage.extend(copy.damage().await?.into_iter().map(|found| format!("after kill {kill}: {found}")));
            let after = copy.count_runs().await?;
            story
                .forgotten
                .extend((after < before).then(|| format!("kill {kill}: {before} runs before, {after} after")));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(story)
    }
}

/// Waits until everything is held, no incident is open and no notice is on its way; answers how long that took.
async fn settle(stand: &Stand, daemon: &mut Daemon, monitors: u32) -> Result<Duration> {
    daemon.ready(START).await?;
    daemon.vital("held", RECOVERY, |held, monitors| held >= monitors, monitors.into()).await?;
    let mut database = stand.database().await?;
    while database.count_unsettled().await? > 0 && daemon.started.elapsed() < RECOVERY {
        sleep(Duration::from_millis(200)).await;
    }
    Ok(daemon.started.elapsed())
}

fn closed_early(ledger: &Ledger, story: &Story) -> Vec<String> {
    let outage = story.closed.as_micros()..story.reopened.as_micros();
    let early = ledger.incidents().filter(|incident| {
        outage.contains(&incident.opened_at) && incident.closed_at.is_some_and(|closed| outage.contains(&closed))
    });
    early.map(|incident| format!("incident {} closed at {:?}", incident.key, incident.closed_at)).collect()
}

fn repeats(notices: &[Notice]) -> usize {
    let distinct: std::collections::BTreeSet<_> = notices.iter().map(|notice| &notice.key).collect();
    notices.len() - distinct.len()
}
