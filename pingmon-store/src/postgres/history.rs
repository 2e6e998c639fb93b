//! What runs found and what nobody ran. How long that is kept is the business of `retention`.

use super::{
    PgStore,
    batch::column,
    copy::Rows,
    retention,
    rows::{before as bound, limit as row_limit},
    transactions::Transaction,
};
use crate::{codec, error};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Result,
    id::MonitorId,
    store::{
        claims::{Completion, Gap},
        history::{History, Record, Retention},
    },
    time::Timestamp,
};

#[async_trait]
impl History for PgStore {
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>> {
        let read = self.read("read results", move |mut tx| {
            Box::pin(async move { records(&mut tx, monitor, before, limit).await })
        });
        read.await
    }

    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>> {
        self.read("read gaps", move |mut tx| Box::pin(async move { gaps(&mut tx, monitor, before, limit).await })).await
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64> {
        retention::prune(self, retention, limit).await
    }
}

/// The columns of a result that have to be worked out.
pub(super) struct ResultRow {
    pub(super) slot: DateTime<Utc>,
    started_at: DateTime<Utc>,
    status: &'static str,
    latency: Option<i64>,
    message: String,
    detail: Option<String>,
}

impl ResultRow {
    pub(super) fn from_completion(completion: &Completion) -> error::Result<Self> {
        let outcome = &completion.outcome;
        Ok(Self {
            slot: completion.slot.to_datetime(),
            started_at: completion.started_at.to_datetime(),
            status: outcome.status.as_str(),
            latency: codec::latency(outcome),
            message: outcome.message.clone(),
            detail: codec::detail(outcome)?,
        })
    }
}

/// What to do about slots that have a row already.
#[derive(Clone, Copy)]
pub(super) enum Recording {
    /// Take it that none has: the fence sees to that, unless somebody moved a schedule back behind our back. Fails with
    /// a unique violation otherwise.
    New(Way),
    /// Leave those rows as they are. Costs the server half as much again.
    Missing,
}

/// How new rows are sent.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// The cheapest, by a socket of this machine. Over TCP sqlx 0.9.0 waits 40 ms in each, since it leaves Nagle's
    /// algorithm on (<https://github.com/transact-rs/sqlx/issues/4335>).
    Copy,
    /// In the parameters of an ordinary statement.
    Insert,
}

const COPY_NEW: &str = "COPY {schema}.results (monitor, slot, started_at, status, latency, message, detail)
    FROM STDIN (FORMAT binary)";
macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO {schema}.results (monitor, slot, started_at, status, latency, message, detail)
            SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[],
                $6::text[], $7::text[]::json[])",
            $conflict
        )
    };
}
const INSERT_NEW: &str = insert!("");
const INSERT_MISSING: &str = insert!(" ON CONFLICT DO NOTHING");

/// Writes runs. Their monitors are locked.
pub(super) async fn record(
    tx: &mut Transaction<'_>,
    results: &[(MonitorId, &ResultRow)],
    recording: Recording,
) -> error::Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let insert = match recording {
        Recording::New(Way::Copy) => return Ok(tx.copy(COPY_NEW, copied(results)).await?),
        Recording::New(Way::Insert) => INSERT_NEW,
        Recording::Missing => INSERT_MISSING,
    };
    let query = tx.query(insert).bind(column(results, |(monitor, _)| *monitor.as_uuid()));
    let query = query.bind(column(results, |(_, row)| row.slot)).bind(column(results, |(_, row)| row.started_at));
    let query = query.bind(column(results, |(_, row)| row.status)).bind(column(results, |(_, row)| row.latency));
    let query = query.bind(column(results, |(_, row)| row.message.as_str()));
    query.bind(column(results, |(_, row)| row.detail.as_deref())).execute(tx.conn()).await?;
    Ok(())
}

fn copied(results: &[(MonitorId, &ResultRow)]) -> Vec<u8> {
    let size = |row: &ResultRow| 128 + row.message.len() + row.detail.as_ref().map_or(0, String::len);
    let mut rows = Rows::new(7, results.iter().map(|(_, row)| size(row)).sum());
    for (monitor, row) in results {
        rows.row();
        rows.uuid(*monitor.as_uuid());
        rows.instant(row.slot);
        rows.instant(row.started_at);
        rows.text(Some(row.status));
        rows.integer(row.latency);
        rows.text(Some(&row.message));
        rows.text(row.detail.as_deref());
    }
    rows.into_bytes()
}

const RECORD_GAPS: &str = "INSERT INTO {schema}.gaps (monitor, from_slot, until_slot, slots, reason)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[])
    ON CONFLICT (monitor, from_slot)
    DO UPDATE SET until_slot = excluded.until_slot, slots = excluded.slots, reason = excluded.reason";

/// Writes gaps, no two of which begin at one slot of one monitor. Their monitors are locked.
pub(super) async fn record_gaps(tx: &mut Transaction<'_>, gaps: &[(MonitorId, Gap)]) -> error::Result<()> {
    if gaps.is_empty() {
        return Ok(());
    }
    let query = tx.query(RECORD_GAPS).bind(column(gaps, |(monitor, _)| *monitor.as_uuid()));
    let query = query.bind(column(gaps, |(_, gap)| gap.from.to_datetime()));
    let query = query.bind(column(gaps, |(_, gap)| gap.until.to_datetime()));
    let query = query.bind(column(gaps, |(_, gap)| i64::try_from(gap.slots).unwrap_or(i64::MAX)));
    query.bind(column(gaps, |(_, gap)| gap.reason.as_str())).execute(tx.conn()).await?;
    Ok(())
}

// The results of a deleted monitor are still there for a while.
macro_rules! records {
    ($since:literal) => {
        concat!(
            "SELECT slot, started_at, status, latency, message, detail::text FROM {schema}.results
            WHERE monitor = $1 AND slot < $2",
            $since,
            " AND EXISTS (SELECT FROM {schema}.monitors WHERE id = $1) ORDER BY slot DESC LIMIT $3"
        )
    };
}
// Nearly always enough, and it spares the partitions of all the other days. Only for that: whatever clock now() shows.
const RECENT_RECORDS: &str = records!(" AND slot >= least($2, now()) - interval '2 days'");
const RECORDS: &str = records!("");

type RecordRow = (DateTime<Utc>, DateTime<Utc>, String, Option<i64>, String, Option<String>);

async fn records(
    tx: &mut Transaction<'_>,
    monitor: MonitorId,
    before: Option<Timestamp>,
    limit: usize,
) -> error::Result<Vec<Record>> {
    let query = |tx: &Transaction<'_>, statement| {
        tx.rows::<RecordRow>(statement).bind(*monitor.as_uuid()).bind(bound(before)).bind(row_limit(limit))
    };
    let mut rows = query(tx, RECENT_RECORDS).fetch_all(tx.conn()).await?;
    if rows.len() < limit {
        rows = query(tx, RECORDS).fetch_all(tx.conn()).await?;
    }
    rows.into_iter().map(record_from).collect()
}

fn record_from((slot, started_at, status, latency, message, detail): RecordRow) -> error::Result<Record> {
    let outcome = codec::outcome(&status, latency, message, detail.as_deref())?;
    Ok(Record::new(slot.into(), started_at.into(), outcome))
}

const GAPS: &str = "SELECT from_slot, until_slot, slots, reason FROM {schema}.gaps
    WHERE monitor = $1 AND from_slot < $2 ORDER BY from_slot DESC LIMIT $3";

async fn gaps(
    tx: &mut Transaction<'_>,
    monitor: MonitorId,
    before: Option<Timestamp>,
    limit: usize,
) -> error::Result<Vec<Gap>> {
    type Row = (DateTime<Utc>, DateTime<Utc>, i64, String);
    let query = tx.rows::<Row>(GAPS).bind(*monitor.as_uuid()).bind(bound(before)).bind(row_limit(limit));
    let gap = |(from, until, slots, reason): Row| {
        let reason = codec::word("reason of a gap", &reason)?;
        Ok(Gap::new(from.into(), until.into(), slots.unsigned_abs(), reason))
    };
    query.fetch_all(tx.conn()).await?.into_iter().map(gap).collect()
}
