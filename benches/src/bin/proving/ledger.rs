//! All that the database says at the end, by monitor, and what can be read off it: lateness, broken lines, incidents
//! that don't follow from the runs.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    Result, config,
    database::Database,
    incidents::{self, Incident},
    line::{self, Gap},
    receiver::Notice,
};

type Column<T> = std::result::Result<T, sqlx::Error>;

/// A recorded run. Instants are microseconds since 1970, here and in what follows.
pub(crate) struct Run {
    pub(crate) slot: i64,
    pub(crate) started_at: i64,
    pub(crate) status: String,
}

/// All about one monitor.
#[derive(Default)]
pub(crate) struct Monitored {
    /// In the order of their slots.
    pub(crate) runs: Vec<Run>,
    /// In the order of their first slots.
    pub(crate) gaps: Vec<Gap>,
    /// In the order in which they opened.
    pub(crate) incidents: Vec<Incident>,
    /// The slot that is due next.
    pub(crate) pending: i64,
    pub(crate) is_owned: bool,
}

/// A delivery of the outbox.
pub(crate) struct Delivery {
    pub(crate) key: String,
    pub(crate) event: String,
    pub(crate) incident: String,
    pub(crate) state: String,
    pub(crate) is_taken: bool,
}

pub(crate) struct Ledger {
    pub(crate) monitors: BTreeMap<u32, Monitored>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Sessions that haven't ended.
    pub(crate) open_sessions: i64,
}

impl Ledger {
    pub(crate) async fn read(database: &mut Database) -> Result<Self> {
        let mut monitors: BTreeMap<u32, Monitored> = database.all(SCHEDULE, schedule).await?.into_iter().collect();
        for (n, run) in database.all(RUNS, run).await? {
            monitors.entry(n).or_default().runs.push(run);
        }
        for (n, gap) in database.all(GAPS, gap).await? {
            monitors.entry(n).or_default().gaps.push(gap);
        }
        for (n, incident) in database.all(INCIDENTS, incident).await? {
            monitors.entry(n).or_default().incidents.push(incident);
        }
        let deliveries = database.all(DELIVERIES, delivery).await?;
        let open_sessions = database.number("SELECT count(*) FROM pingmon_sessions WHERE NOT ended").await?;
        Ok(Self { monitors, deliveries, open_sessions })
    }

    pub(crate) fn count_runs(&self) -> usize {
        self.monitors.values().map(|monitored| monitored.runs.len()).sum()
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.monitors.values().flat_map(|monitored| &monitored.gaps)
    }

    pub(crate) fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.monitors.values().flat_map(|monitored| &monitored.incidents)
    }

    /// How late runs started; the first of each monitor passed over if asked, since its slot is the moment it was
    /// defined.
    pub(crate) fn lateness(&self, with_first: bool) -> Lateness {
        let runs = self.monitors.values().flat_map(|monitored| monitored.runs.iter().skip(usize::from(!with_first)));
        Lateness::of(runs.map(|run| run.started_at - run.slot))
    }

    /// Where the line of slots of a monitor is broken: a slot twice, a hole, a gap that doesn't add up, or an end
    /// before `until`.
    pub(crate) fn broken_lines(&self, every: Duration, until: i64) -> Vec<String> {
        let judge = |(n, monitored): (&u32, &Monitored)| {
            let slots: Vec<_> = monitored.runs.iter().map(|run| run.slot).collect();
            let fault = line::judge(&slots, &monitored.gaps, monitored.pending, every, until).err()?;
            Some(format!("{}: {fault}", config::name(*n)))
        };
        self.monitors.iter().filter_map(judge).collect()
    }

    /// Incidents that aren't what the runs call for.
    pub(crate) fn wrong_incidents(&self) -> Vec<String> {
        let judge = |(n, monitored): (&u32, &Monitored)| {
            let verdicts = monitored.runs.iter().map(|run| (run.slot, run.status.as_str()));
            let fault = incidents::judge(verdicts, &monitored.incidents).err()?;
            Some(format!("{}: {fault}", config::name(*n)))
        };
        self.monitors.iter().filter_map(judge).collect()
    }

    /// Notices that aren't what the incidents call for: each incident is announced once as opened, and once as resolved
    /// when it has closed; the receiver got each, and nothing else.
    pub(crate) fn wrong_notices(&self, notices: &[Notice]) -> Vec<String> {
        incidents::judge_notices(&self.incidents().collect::<Vec<_>>(), &self.deliveries, notices)
    }

    /// What is still claimed: nothing, after a stop.
    pub(crate) fn claimed(&self) -> Vec<String> {
        let owned = self.monitors.iter().filter(|(_, monitored)| monitored.is_owned);
        let owned = owned.map(|(n, _)| format!("{} still has an owner", config::name(*n)));
        let taken = self.deliveries.iter().filter(|delivery| delivery.is_taken && delivery.state == "pending");
        let taken = taken.map(|delivery| format!("delivery {} is still taken", delivery.key));
        let sessions = (self.open_sessions > 0).then(|| format!("{} sessions haven't ended", self.open_sessions));
        owned.chain(taken).chain(sessions).collect()
    }
}

const SCHEDULE: &str =
    "SELECT name, slot, owner IS NOT NULL AS owned FROM pingmon_schedule JOIN pingmon_monitors ON id = monitor";

fn schedule(row: &SqliteRow) -> Column<(u32, Monitored)> {
    let (pending, is_owned) = (row.try_get("slot")?, row.try_get("owned")?);
    Ok((number(row)?, Monitored { pending, is_owned, ..Monitored::default() }))
}

const RUNS: &str = "SELECT name, slot, started_at, status FROM pingmon_results JOIN pingmon_monitors ON id = monitor
    ORDER BY monitor, slot";

fn run(row: &SqliteRow) -> Column<(u32, Run)> {
    let (slot, started_at) = (row.try_get("slot")?, row.try_get("started_at")?);
    Ok((number(row)?, Run { slot, started_at, status: row.try_get("status")? }))
}

const GAPS: &str = "SELECT name, from_slot, until_slot, slots, reason FROM pingmon_gaps
    JOIN pingmon_monitors ON id = monitor ORDER BY monitor, from_slot";

fn gap(row: &SqliteRow) -> Column<(u32, Gap)> {
    let (from, until) = (row.try_get("from_slot")?, row.try_get("until_slot")?);
    Ok((number(row)?, Gap { from, until, slots: row.try_get("slots")?, reason: row.try_get("reason")? }))
}

const INCIDENTS: &str = "SELECT name, lower(hex(i.id)) AS key, about, opened_slot, opened_at, closed_at
    FROM pingmon_incidents i JOIN pingmon_monitors m ON m.id = monitor ORDER BY opened_at";

fn incident(row: &SqliteRow) -> Column<(u32, Incident)> {
    let (opened_slot, opened_at) = (row.try_get("opened_slot")?, row.try_get("opened_at")?);
    let (key, about, closed_at) = (row.try_get("key")?, row.try_get("about")?, row.try_get("closed_at")?);
    Ok((number(row)?, Incident { key, about, opened_slot, opened_at, closed_at }))
}

const DELIVERIES: &str = "SELECT lower(hex(id)) AS key, notification ->> '$.event' AS event,
    replace(notification ->> '$.incident.id', '-', '') AS incident, state, taken_by IS NOT NULL AS taken
    FROM pingmon_deliveries";

fn delivery(row: &SqliteRow) -> Column<Delivery> {
    let (key, event, incident) = (row.try_get("key")?, row.try_get("event")?, row.try_get("incident")?);
    Ok(Delivery { key, event, incident, state: row.try_get("state")?, is_taken: row.try_get("taken")? })
}

/// The number of the monitor that a row is about.
fn number(row: &SqliteRow) -> Column<u32> {
    let name: &str = row.try_get("name")?;
    config::number(name).ok_or_else(|| sqlx::Error::Decode(format!("a monitor named {name}").into()))
}

/// How late things came after what they waited for.
pub(crate) struct Lateness(Vec<Duration>);

impl Lateness {
    /// What so many microseconds are together.
    pub(crate) fn of(micros: impl Iterator<Item = i64>) -> Self {
        let late = micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or_default()));
        let mut late: Vec<_> = late.collect();
        late.sort_unstable();
        Self(late)
    }

    /// The lateness that so many of a thousand don't exceed.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let rank = (self.0.len() * share).div_ceil(1_000).max(1) - 1;
        self.0.get(rank).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [500, 990, 1_000].map(|share| self.per_mille(share));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}, max {all:.1?} of {}", self.0.len())
    }
}
