//! What runs found, what nobody ran, and how long that is kept.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

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
use uuid::Uuid;

use super::{
    PgStore,
    batch::column,
    rows::{before as bound, limit as row_limit},
    sessions,
    transactions::Transaction,
};
use crate::{codec, error};

/// How long a session that ended stays known, so that it can't come back.
const KNOWN_AFTER_END: Duration = Duration::from_secs(3_600);

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
        let before = retention.results_before;
        let from = *self.prune_from();
        let results = self.old_rows(OLD_RESULTS, from.results, before, limit).await?;
        let gaps = self.old_rows(OLD_GAPS, from.gaps, before, limit).await?;
        *self.prune_from() = PruneFrom { results: results.go_on_at, gaps: gaps.go_on_at };
        let pruned = self.administer("remove what is no longer kept", move |mut tx| {
            Box::pin(async move {
                sessions::end_expired(&mut tx).await?;
                let mut gone = remove(&mut tx, REMOVE_RESULTS, results).await?;
                gone += remove(&mut tx, REMOVE_GAPS, gaps).await?;
                let forget = sessions::now(&mut tx).await? - KNOWN_AFTER_END;
                for (statement, before) in [
                    (REMOVE_INCIDENTS, retention.incidents_before),
                    (REMOVE_DELIVERIES, retention.incidents_before),
                    (REMOVE_SESSIONS, forget),
                ] {
                    let remove = tx.query(statement).bind(before.to_datetime()).bind(row_limit(limit));
                    gone += remove.execute(tx.conn()).await?.rows_affected();
                }
                Ok(gone)
            })
        });
        pruned.await
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

// A slot that has a row keeps it.
const RECORD: &str = "INSERT INTO {schema}.results (monitor, slot, started_at, status, latency, message, detail)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[],
        $7::text[]::json[])
    ON CONFLICT DO NOTHING";

/// Writes runs. Their monitors are locked.
pub(super) async fn record(tx: &mut Transaction<'_>, results: &[(MonitorId, &ResultRow)]) -> error::Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let query = tx.query(RECORD).bind(column(results, |(monitor, _)| *monitor.as_uuid()));
    let query = query.bind(column(results, |(_, row)| row.slot)).bind(column(results, |(_, row)| row.started_at));
    let query = query.bind(column(results, |(_, row)| row.status)).bind(column(results, |(_, row)| row.latency));
    let query = query.bind(column(results, |(_, row)| row.message.as_str()));
    query.bind(column(results, |(_, row)| row.detail.as_deref())).execute(tx.conn()).await?;
    Ok(())
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

const RECORDS: &str = "SELECT slot, started_at, status, latency, message, detail::text FROM {schema}.results
    WHERE monitor = $1 AND slot < $2 ORDER BY slot DESC LIMIT $3";

async fn records(
    tx: &mut Transaction<'_>,
    monitor: MonitorId,
    before: Option<Timestamp>,
    limit: usize,
) -> error::Result<Vec<Record>> {
    type Row = (DateTime<Utc>, DateTime<Utc>, String, Option<i64>, String, Option<String>);
    let query = tx.rows::<Row>(RECORDS).bind(*monitor.as_uuid()).bind(bound(before)).bind(row_limit(limit));
    let record = |(slot, started_at, status, latency, message, detail): Row| {
        let outcome = codec::outcome(&status, latency, message, detail.as_deref())?;
        Ok(Record::new(slot.into(), started_at.into(), outcome))
    };
    query.fetch_all(tx.conn()).await?.into_iter().map(record).collect()
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

/// Where the search for old rows goes on: rows are found monitor by monitor along the key, which needs no index on time,
/// and a pass over all monitors is made once, not once a call.
#[derive(Clone, Copy, Default)]
pub(super) struct PruneFrom {
    results: Uuid,
    gaps: Uuid,
}

/// Rows that may go: for each monitor all up to a slot.
struct OldRows {
    spans: Vec<(Uuid, DateTime<Utc>)>,
    go_on_at: Uuid,
}

macro_rules! old_rows {
    ($table:literal, $slot:literal) => {
        concat!(
            "SELECT monitor, max(slot), count(*) FROM (
                SELECT m.id AS monitor, old.slot FROM {schema}.monitors m CROSS JOIN LATERAL (
                    SELECT ",
            $slot,
            " AS slot FROM ",
            $table,
            " WHERE monitor = m.id AND ",
            $slot,
            " < $3 ORDER BY ",
            $slot,
            " LIMIT $4) old
                WHERE m.id >= $1 AND ($2::uuid IS NULL OR m.id < $2) ORDER BY m.id LIMIT $4
            ) found GROUP BY monitor ORDER BY monitor"
        )
    };
}
const OLD_RESULTS: &str = old_rows!("{schema}.results", "slot");
const OLD_GAPS: &str = old_rows!("{schema}.gaps", "from_slot");

const REMOVE_RESULTS: &str = "DELETE FROM {schema}.results r
    USING unnest($1::uuid[], $2::timestamptz[]) AS old (monitor, slot)
    WHERE r.monitor = old.monitor AND r.slot <= old.slot";
const REMOVE_GAPS: &str = "DELETE FROM {schema}.gaps g
    USING unnest($1::uuid[], $2::timestamptz[]) AS old (monitor, slot)
    WHERE g.monitor = old.monitor AND g.from_slot <= old.slot";
const REMOVE_INCIDENTS: &str = "DELETE FROM {schema}.incidents WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.incidents WHERE closed_at IS NOT NULL AND closed_at < $1 LIMIT $2))";
const REMOVE_DELIVERIES: &str = "DELETE FROM {schema}.deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.deliveries WHERE state <> 'pending' AND at < $1 LIMIT $2))";
const REMOVE_SESSIONS: &str = "DELETE FROM {schema}.sessions WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.sessions WHERE ended AND lease_until <= $1 LIMIT $2))";

impl PgStore {
    fn prune_from(&self) -> MutexGuard<'_, PruneFrom> {
        self.prune_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `limit` rows of results or gaps that may go, from a monitor on and round to it again.
    async fn old_rows(&self, statement: &'static str, from: Uuid, before: Timestamp, limit: usize) -> Result<OldRows> {
        let search = self.read("look for what is no longer kept", move |mut tx| {
            Box::pin(async move {
                let mut found = OldRows { spans: Vec::new(), go_on_at: Uuid::nil() };
                let mut room = row_limit(limit);
                for (from, until) in [(from, None), (Uuid::nil(), Some(from))] {
                    let query = tx.rows::<(Uuid, DateTime<Utc>, i64)>(statement).bind(from).bind(until);
                    let query = query.bind(before.to_datetime()).bind(room);
                    for (monitor, last, rows) in query.fetch_all(tx.conn()).await? {
                        room -= rows;
                        found.spans.push((monitor, last));
                    }
                    if room <= 0 {
                        found.go_on_at = found.spans.last().map_or(Uuid::nil(), |(monitor, _)| *monitor);
                        break;
                    }
                }
                Ok(found)
            })
        });
        search.await
    }
}

async fn remove(tx: &mut Transaction<'_>, statement: &'static str, old: OldRows) -> error::Result<u64> {
    let (monitors, last): (Vec<_>, Vec<_>) = old.spans.into_iter().unzip();
    Ok(tx.query(statement).bind(monitors).bind(last).execute(tx.conn()).await?.rows_affected())
}
