//! The engines of a scenario: started together, looked after, and judged together at the end.

use std::{process::ExitStatus, time::Duration};

use tokio::time::{Instant, sleep};

use super::{PATIENCE, due_by_now};
use crate::{
    Result,
    ground::{
        daemon::{Daemon, Seat},
        fleet::Fleet,
        process::load_average,
        progress,
        stand::Stand,
    },
    ledger::Ledger,
    report::Report,
};

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);
/// How long it may take until nothing is on its way or overdue.
const REST: Duration = Duration::from_secs(30);
/// How often a state is looked at that is waited for.
const PULSE: Duration = Duration::from_millis(100);

pub(super) struct Crew {
    pub(super) fleet: Fleet,
    pub(super) seats: Vec<Seat>,
    pub(super) daemons: Vec<Daemon>,
}

impl Crew {
    /// Starts an engine for each URL at which it is to reach the store; waits until they share the monitors and each
    /// monitor has been run.
    pub(super) async fn start(stand: &Stand, fleet: Fleet, stores: &[String]) -> Result<Self> {
        let mut crew = Self::seat(stand, fleet, stores)?;
        crew.begin(stand).await?;
        Ok(crew)
    }

    /// Makes place for the engines.
    pub(super) fn seat(stand: &Stand, fleet: Fleet, stores: &[String]) -> Result<Self> {
        let seat = |(n, store): (usize, &String)| stand.seat(&format!("engine-{n}"), &fleet, store);
        let seats = stores.iter().enumerate().map(seat).collect::<Result<_>>()?;
        Ok(Self { fleet, seats, daemons: Vec::new() })
    }

    /// Starts the engines; waits until they share the monitors and each monitor has been run.
    pub(super) async fn begin(&mut self, stand: &Stand) -> Result<()> {
        for seat in &self.seats {
            let mut daemon = seat.start()?;
            // One after the other: the first makes the monitors.
            daemon.ready(PATIENCE).await?;
            self.daemons.push(daemon);
        }
        let monitors = i64::from(self.fleet.monitors);
        let mut database = stand.database().await?;
        let until = Instant::now() + PATIENCE;
        while database.count_runs().await? < monitors || !self.is_balanced().await {
            if Instant::now() > until {
                return Err(format!("the engines don't share {monitors} monitors within {PATIENCE:?}").into());
            }
            sleep(PULSE).await;
        }
        Ok(())
    }

    /// Whether each engine holds at least half of its part.
    async fn is_balanced(&self) -> bool {
        let least = u64::from(self.fleet.monitors) / self.daemons.len().max(1) as u64 / 2;
        for daemon in &self.daemons {
            if daemon.read_vital("held").await.is_none_or(|held| held < least) {
                return false;
            }
        }
        true
    }

    /// Starts the engine of that number again, after it has ended.
    pub(super) fn restart(&mut self, number: usize) -> Result<()> {
        self.daemons[number] = self.seats[number].start()?;
        Ok(())
    }

    /// Lets the engines run for two intervals without disturbance and comes to rest, then stops them and reads everything.
    pub(super) async fn finish(mut self, stand: &Stand) -> Result<Finish> {
        for daemon in &mut self.daemons {
            daemon.ready(PATIENCE).await?;
        }
        progress::pass("running on", 2 * self.fleet.every).await;
        rest(stand).await?;
        let until = due_by_now();
        let mut exits = Vec::new();
        for daemon in &mut self.daemons {
            exits.push(daemon.terminate(STOP).await?.0);
        }
        Ok(Finish { fleet: self.fleet, ledger: stand.ledger().await?, until, exits })
    }
}

/// Waits until nothing is on its way or overdue. What never comes to rest is left for the judgement to find.
pub(super) async fn rest(stand: &Stand) -> Result<()> {
    let mut database = stand.database().await?;
    let until = Instant::now() + REST;
    while database.count_unsettled().await? > 0 && Instant::now() < until {
        sleep(PULSE).await;
    }
    Ok(())
}

/// How it all ended.
pub(super) struct Finish {
    fleet: Fleet,
    pub(super) ledger: Ledger,
    /// Until when every slot must have been dealt with.
    until: i64,
    exits: Vec<ExitStatus>,
}

impl Finish {
    /// Notes what every scenario notes, and the laws that hold whatever is broken.
    pub(super) fn judge(&self, stand: &Stand, report: &mut Report) {
        let (ledger, notices) = (&self.ledger, stand.receiver.notices());
        report.figure("runs recorded", ledger.count_runs());
        report.figure("gaps", ledger.summary_of_gaps());
        report.figure("incidents", ledger.incidents().count());
        let keys: std::collections::BTreeSet<_> = notices.iter().map(|notice| &notice.key).collect();
        report.figure("notices received", format!("{}, {} of them repeats", notices.len(), notices.len() - keys.len()));
        report.figure("load average of the machine", load_average());

        let broken = ledger.broken_lines(self.fleet.every, self.until);
        report.law("each due slot has exactly one row or lies in a gap with a reason", broken);
        report.law("incidents are what the runs call for", ledger.wrong_incidents(self.fleet.open_after));
        report.law(
            "each change of an incident is one delivery with one key, and arrived",
            ledger.wrong_notices(&notices),
        );
        report.law("no error of our own became a verdict", ledger.leaked_errors());
        report.law("a stop hands everything back", ledger.claimed());
        let failed = self.exits.iter().filter(|exit| !exit.success());
        report.law("every engine stops with exit code 0", failed.map(ToString::to_string));
    }
}
