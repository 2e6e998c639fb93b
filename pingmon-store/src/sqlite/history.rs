//! What runs found, what nobody ran, and how long that is kept.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::MonitorId,
    store::{
        claims::{Completion, Gap},
        history::{History, Record, Retention},
    },
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore,
    batch::{ROWS, rows},
    rows::limit as row_limit,
};
use crate::{codec, error};

/// How long a session that ended stays known, so that it can't come back.
const KNOWN_AFTER_END: Duration = Duration::from_secs(3_600);

#[async_trait]
impl History for SqliteStore {
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>> {
        self.read("read results", move |conn| Box::pin(records(conn, monitor, before, limit))).await
    }

    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>> {
        self.read("read gaps", move |conn| Box::pin(gaps(conn, monitor, before, limit))).await
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64> {
        let before = retention.results_before;
        let from = *self.prune_from();
        let results = self.old_rows(OLD_RESULTS, from.results, before, limit).await?;
        let gaps = self.old_rows(OLD_GAPS, from.gaps, before, limit).await?;
        *self.prune_from() = PruneFrom { results: results.go_on_at, gaps: gaps.go_on_at };
        let pruned = self.write("remove what is no longer kept", move |conn, now| {
            Box::pin(async move {
                let mut gone = remove(conn, REMOVE_RESULTS, &results.spans).await?;
                gone += remove(conn, REMOVE_GAPS, &gaps.spans).await?;
                for (statement, before) in [
                    (REMOVE_INCIDENTS, retention.incidents_before),
                    (REMOVE_DELIVERIES, retention.incidents_before),
                    (REMOVE_SILENCES, retention.incidents_before.min(now)),
                    (REMOVE_SESSIONS, now - KNOWN_AFTER_END),
                ] {
                    let remove = sqlx::query(statement).bind(before.as_micros()).bind(row_limit(limit));
                    gone += remove.execute(&mut *conn).await?.rows_affected();
                }
                Ok(gone)
            })
        });
        pruned.await
    }
}

/// The columns of a result that have to be worked out.
pub(super) struct ResultRow {
    slot: i64,
    started_at: i64,
    status: &'static str,
    latency: Option<i64>,
    message: String,
    detail: Option<String>,
}

impl ResultRow {
    pub(super) fn from_completion(completion: &Completion) -> error::Result<Self> {
        let outcome = &completion.outcome;
        Ok(Self {
            slot: completion.slot.as_micros(),
            started_at: completion.started_at.as_micros(),
            status: outcome.status.as_str(),
            latency: codec::latency(outcome),
            message: outcome.message.clone(),
            detail: codec::detail(outcome)?,
        })
    }
}

// A slot that has a row keeps it.
const RECORD: &str = concat!(
    "INSERT INTO pingmon_results (monitor, slot, started_at, status, latency, message, detail)
    SELECT * FROM (VALUES ",
    rows!("(?,?,?,?,?,?,?)"),
    ") WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
);

/// Writes runs.
pub(super) async fn record(conn: &mut SqliteConnection, results: &[(MonitorId, &ResultRow)]) -> error::Result<()> {
    for results in results.chunks(ROWS) {
        let mut query = sqlx::query(RECORD);
        for (monitor, row) in results {
            query = query.bind(*monitor.as_uuid()).bind(row.slot).bind(row.started_at).bind(row.status);
            query = query.bind(row.latency).bind(row.message.as_str()).bind(row.detail.as_deref());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

const RECORD_GAPS: &str = concat!(
    "INSERT INTO pingmon_gaps (monitor, from_slot, until_slot, slots, reason) SELECT * FROM (VALUES ",
    rows!("(?,?,?,?,?)"),
    ") WHERE column1 IS NOT NULL ON CONFLICT (monitor, from_slot)
    DO UPDATE SET until_slot = excluded.until_slot, slots = excluded.slots, reason = excluded.reason"
);

/// Writes gaps.
pub(super) async fn record_gaps(conn: &mut SqliteConnection, gaps: &[(MonitorId, Gap)]) -> error::Result<()> {
    for gaps in gaps.chunks(ROWS) {
        let mut query = sqlx::query(RECORD_GAPS);
        for (monitor, gap) in gaps {
            let slots = i64::try_from(gap.slots).unwrap_or(i64::MAX);
            query = query.bind(*monitor.as_uuid()).bind(gap.from.as_micros()).bind(gap.until.as_micros());
            query = query.bind(slots).bind(gap.reason.as_str());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

const RECORDS: &str = "SELECT slot, started_at, status, latency, message, detail FROM pingmon_results
    WHERE monitor = ?1 AND slot < ?2 ORDER BY slot DESC LIMIT ?3";

async fn records(
    conn: &mut SqliteConnection,
    monitor: MonitorId,
    before: Option<Timestamp>,
    limit: usize,
) -> error::Result<Vec<Record>> {
    let query = sqlx::query_as::<_, (i64, i64, String, Option<i64>, String, Option<String>)>(RECORDS);
    let query = query.bind(*monitor.as_uuid()).bind(before.map_or(i64::MAX, Timestamp::as_micros));
    let rows = query.bind(row_limit(limit)).fetch_all(conn).await?;
    let record = |(slot, started_at, status, latency, message, detail): (_, _, String, _, _, Option<String>)| {
        let outcome = codec::outcome(&status, latency, message, detail.as_deref())?;
        Ok(Record::new(codec::instant(slot), codec::instant(started_at), outcome))
    };
    rows.into_iter().map(record).collect()
}

const GAPS: &str = "SELECT from_slot, until_slot, slots, reason FROM pingmon_gaps
    WHERE monitor = ?1 AND from_slot < ?2 ORDER BY from_slot DESC LIMIT ?3";

async fn gaps(
    conn: &mut SqliteConnection,
    monitor: MonitorId,
    before: Option<Timestamp>,
    limit: usize,
) -> error::Result<Vec<Gap>> {
    let query = sqlx::query_as::<_, (i64, i64, i64, String)>(GAPS);
    let query = query.bind(*monitor.as_uuid()).bind(before.map_or(i64::MAX, Timestamp::as_micros));
    let rows = query.bind(row_limit(limit)).fetch_all(conn).await?;
    let gap = |(from, until, slots, reason): (_, _, i64, String)| {
        let reason = codec::word("reason of a gap", &reason)?;
        Ok(Gap::new(codec::instant(from), codec::instant(until), slots.unsigned_abs(), reason))
    };
    rows.into_iter().map(gap).collect()
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
    spans: Vec<(Uuid, i64)>,
    go_on_at: Uuid,
}

macro_rules! old_rows {
    ($table:literal, $slot:literal) => {
        concat!(
            "SELECT monitor, max(slot), count(*) FROM (
                SELECT m.id AS monitor, old.",
            $slot,
            " AS slot FROM pingmon_monitors m
                CROSS JOIN ",
            $table,
            " old ON old.monitor = m.id AND old.",
            $slot,
            " < ?3
                WHERE m.id >= ?1 AND (?2 IS NULL OR m.id < ?2) ORDER BY m.id, old.",
            $slot,
            " LIMIT ?4
            ) GROUP BY monitor ORDER BY monitor"
        )
    };
}
const OLD_RESULTS: &str = old_rows!("pingmon_results", "slot");
const OLD_GAPS: &str = old_rows!("pingmon_gaps", "from_slot");

const REMOVE_RESULTS: &str = "DELETE FROM pingmon_results WHERE monitor = ?1 AND slot <= ?2";
const REMOVE_GAPS: &str = "DELETE FROM pingmon_gaps WHERE monitor = ?1 AND from_slot <= ?2";
const REMOVE_INCIDENTS: &str = "DELETE FROM pingmon_incidents WHERE id IN
    (SELECT id FROM pingmon_incidents WHERE closed_at IS NOT NULL AND closed_at < ?1 LIMIT ?2)";
const REMOVE_DELIVERIES: &str = "DELETE FROM pingmon_deliveries WHERE id IN
    (SELECT id FROM pingmon_deliveries WHERE state <> 'pending' AND at < ?1 LIMIT ?2)";
const REMOVE_SILENCES: &str = "DELETE FROM pingmon_silences WHERE id IN
    (SELECT id FROM pingmon_silences WHERE ends_at < ?1 LIMIT ?2)";
const REMOVE_SESSIONS: &str = "DELETE FROM pingmon_sessions WHERE id IN
    (SELECT id FROM pingmon_sessions WHERE ended AND lease_until <= ?1 LIMIT ?2)";

impl SqliteStore {
    fn prune_from(&self) -> MutexGuard<'_, PruneFrom> {
        self.prune_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `limit` rows of results or gaps that may go, from a monitor on and round to it again. Read beside the
    /// writer: it is held up by what is removed only, not by the search.
    async fn old_rows(&self, statement: &'static str, from: Uuid, before: Timestamp, limit: usize) -> Result<OldRows> {
        let search = self.read("look for what is no longer kept", move |conn| {
            Box::pin(async move {
                let mut found = OldRows { spans: Vec::new(), go_on_at: Uuid::nil() };
                let mut room = row_limit(limit);
                for (from, until) in [(from, None), (Uuid::nil(), Some(from))] {
                    let query = sqlx::query_as::<_, (Uuid, i64, i64)>(statement).bind(from).bind(until);
                    for (monitor, last, rows) in query.bind(before.as_micros()).bind(room).fetch_all(&mut *conn).await?
                    {
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

async fn remove(conn: &mut SqliteConnection, statement: &'static str, spans: &[(Uuid, i64)]) -> error::Result<u64> {
    let mut gone = 0;
    for (monitor, last) in spans {
        gone += sqlx::query(statement).bind(*monitor).bind(*last).execute(&mut *conn).await?.rows_affected();
    }
    Ok(gone)
}
