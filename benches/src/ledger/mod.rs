//! All that the database says at the end, by monitor, and what can be read off it: lateness, broken lines, incidents
//! that don't follow from the runs.

pub(crate) mod database;
pub(crate) mod distribution;
mod incidents;
mod line;
mod postgres;
mod sqlite;

use std::{collections::BTreeMap, time::Duration};

use sqlx::FromRow;

use self::database::{Database, Row};
use self::distribution::Distribution;
pub(crate) use self::{incidents::Incident, line::Gap};
use crate::{
    Result,
    ground::{fleet, receiver::Notice},
};

/// A recorded run. Instants are microseconds since 1970, here and in what follows.
#[derive(FromRow)]
pub(crate) struct Run {
    pub(crate) slot: i64,
    pub(crate) started_at: i64,
    /// How long the check took, if it says so.
    latency: Option<i64>,
    pub(crate) status: String,
    message: String,
    /// When it was recorded, if the database knows.
    pub(crate) committed_at: Option<i64>,
}

impl Run {
    /// Whether the target was too slow: on a busy machine it may be, through nobody's fault.
    pub(crate) fn is_timeout(&self) -> bool {
        self.message.starts_with("no end within")
    }

    /// How long it took from the verdict until that was recorded.
    pub(crate) fn completion(&self) -> Option<i64> {
        Some(self.committed_at? - self.started_at - self.latency?)
    }
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
    /// What the schedule says.
    standing: Standing,
}

/// Where a monitor stands.
#[derive(Default, FromRow)]
struct Standing {
    /// The slot that is due next.
    pending: i64,
    /// The session that holds it.
    owner: Option<String>,
    state: String,
}

/// A delivery of the outbox.
#[derive(FromRow)]
pub(crate) struct Delivery {
    pub(crate) key: String,
    pub(crate) event: String,
    pub(crate) incident: String,
    pub(crate) state: String,
    pub(crate) is_taken: bool,
}

/// Something about a monitor.
#[derive(FromRow)]
struct About<T> {
    name: String,
    #[sqlx(flatten)]
    what: T,
}

pub(crate) struct Ledger {
    pub(crate) monitors: BTreeMap<u32, Monitored>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Sessions that haven't ended.
    open_sessions: i64,
}

impl Ledger {
    pub(crate) async fn read(database: &mut Database) -> Result<Self> {
        let queries = database.queries();
        let mut monitors = BTreeMap::<u32, Monitored>::new();
        for (n, standing) in by_number(database, queries.schedule).await? {
            monitors.entry(n).or_default().standing = standing;
        }
        for (n, run) in by_number(database, queries.runs).await? {
            monitors.entry(n).or_default().runs.push(run);
        }
        for (n, gap) in by_number(database, queries.gaps).await? {
            monitors.entry(n).or_default().gaps.push(gap);
        }
        for (n, incident) in by_number(database, queries.incidents).await? {
            monitors.entry(n).or_default().incidents.push(incident);
        }
        let deliveries = database.all(queries.deliveries).await?;
        let open_sessions = database.number(queries.open_sessions).await?;
        Ok(Self { monitors, deliveries, open_sessions })
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.monitors.values().flat_map(|monitored| &monitored.runs)
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
    pub(crate) fn lateness(&self, with_first: bool) -> Distribution {
        let runs = self.monitors.values().flat_map(|monitored| monitored.runs.iter().skip(usize::from(!with_first)));
        Distribution::of_micros(runs.map(|run| run.started_at - run.slot))
    }

    /// Where the line of slots of a monitor is broken: a slot twice, a hole, a gap that doesn't add up, or an end
    /// before `until`. The lines of monitors that aren't run any more end where they do.
    pub(crate) fn broken_lines(&self, every: Duration, until: i64) -> Vec<String> {
        let judge = |(n, monitored): (&u32, &Monitored)| {
            let slots: Vec<_> = monitored.runs.iter().map(|run| run.slot).collect();
            let Standing { pending, state, .. } = &monitored.standing;
            let until = if state == "active" { until } else { i64::MIN };
            let fault = line::judge(&slots, &monitored.gaps, *pending, every, until).err()?;
            Some(format!("{}: {fault}", fleet::name(*n)))
        };
        self.monitors.iter().filter_map(judge).collect()
    }

    /// Incidents that aren't what the runs call for, when so many failures in a row open one.
    pub(crate) fn wrong_incidents(&self, open_after: u32) -> Vec<String> {
        let judge = |(n, monitored): (&u32, &Monitored)| {
            let verdicts = monitored.runs.iter().map(|run| (run.slot, run.status.as_str()));
            let fault = incidents::judge(verdicts, &monitored.incidents, open_after).err()?;
            Some(format!("{}: {fault}", fleet::name(*n)))
        };
        self.monitors.iter().filter_map(judge).collect()
    }

    /// Notices that aren't what the incidents call for: each incident is announced once as opened, and once as resolved
    /// when it has closed; the receiver got each, and nothing else.
    pub(crate) fn wrong_notices(&self, notices: &[Notice]) -> Vec<String> {
        incidents::judge_notices(&self.incidents().collect::<Vec<_>>(), &self.deliveries, notices)
    }

    /// Verdicts other than `up` and `down`: something of our own failed, and was taken for the target.
    pub(crate) fn leaked_errors(&self) -> Vec<String> {
        let leaked = self.runs().filter(|run| !matches!(run.status.as_str(), "up" | "down"));
        leaked.map(|run| format!("the run of slot {} is {}", run.slot, run.status)).collect()
    }

    /// What is still claimed: nothing, after a stop.
    pub(crate) fn claimed(&self) -> Vec<String> {
        let owned = self.monitors.iter().filter(|(_, monitored)| monitored.standing.owner.is_some());
        let owned = owned.map(|(n, _)| format!("{} still has an owner", fleet::name(*n)));
        let taken = self.deliveries.iter().filter(|delivery| delivery.is_taken && delivery.state == "pending");
        let taken = taken.map(|delivery| format!("delivery {} is still taken", delivery.key));
        let sessions = (self.open_sessions > 0).then(|| format!("{} sessions haven't ended", self.open_sessions));
        owned.chain(taken).chain(sessions).collect()
    }

    /// The gaps by their reasons, in a line.
    pub(crate) fn summary_of_gaps(&self) -> String {
        let mut by_reason = BTreeMap::<&str, (usize, i64)>::new();
        for gap in self.gaps() {
            let (gaps, slots) = by_reason.entry(&gap.reason).or_default();
            (*gaps, *slots) = (*gaps + 1, *slots + gap.slots);
        }
        let texts = by_reason.iter().map(|(reason, (gaps, slots))| format!("{gaps} {reason} of {slots} slots"));
        let texts: Vec<_> = texts.collect();
        if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
    }
}

/// The pending slots of the monitors that a session holds.
pub(crate) async fn slots_of(database: &mut Database, session: &str) -> Result<BTreeMap<u32, i64>> {
    let standings: Vec<(u32, Standing)> = by_number(database, database.queries().schedule).await?;
    let owned = standings.into_iter().filter(|(_, standing)| standing.owner.as_deref() == Some(session));
    Ok(owned.map(|(n, standing)| (n, standing.pending)).collect())
}

/// What a query says, by the numbers of the monitors it is about.
async fn by_number<T>(database: &mut Database, sql: &'static str) -> Result<Vec<(u32, T)>>
where
    About<T>: Row,
{
    let rows: Vec<About<T>> = database.all(sql).await?;
    let number = |about: About<T>| {
        let number = fleet::number(&about.name).ok_or_else(|| format!("a monitor named {}", about.name))?;
        Ok((number, about.what))
    };
    rows.into_iter().map(number).collect()
}
