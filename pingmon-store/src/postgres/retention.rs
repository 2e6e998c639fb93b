//! What is no longer kept: whole days of results, single rows of the rest. And the days to come, which get their
//! partitions in time.

use std::time::Duration;

use pingmon_core::{
    error::{Error, Result},
    store::history::Retention,
    time::Timestamp,
};

use sqlx::postgres::PgDatabaseError;

use super::{PgStore, rows::limit as row_limit, sessions, transactions::Transaction};
use crate::error;

/// What PostgreSQL calls it when a role may not.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// How long a session that ended stays known, so that it can't come back.
const KNOWN_AFTER_END: Duration = Duration::from_secs(3_600);

pub(super) async fn prune(store: &PgStore, retention: Retention, limit: usize) -> Result<u64> {
    store.add_days().await?;
    let days = store.drop_days(retention.results_before).await?;
    let pruned = store.administer("remove what is no longer kept", move |mut tx| {
        Box::pin(async move {
            sessions::end_expired(&mut tx).await?;
            let now = sessions::now(&mut tx).await?;
            let mut gone = remove_deleted(&mut tx, limit).await?;
            for (statement, before) in [
                (REMOVE_RESULTS, retention.results_before),
                (REMOVE_GAPS, retention.results_before),
                (REMOVE_INCIDENTS, retention.incidents_before),
                (REMOVE_DELIVERIES, retention.incidents_before),
                (REMOVE_SILENCES, retention.incidents_before.min(now)),
                (REMOVE_SESSIONS, now - KNOWN_AFTER_END),
            ] {
                let remove = tx.query(statement).bind(before.to_datetime()).bind(row_limit(limit));
                gone += remove.execute(tx.conn()).await?.rows_affected();
            }
            Ok(gone)
        })
    });
    Ok(days + pruned.await?)
}

// Results that have a partition of their own day go with it.
const REMOVE_RESULTS: &str = "DELETE FROM {schema}.results_default WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.results_default WHERE slot < $1 ORDER BY slot LIMIT $2))";
const REMOVE_GAPS: &str = "DELETE FROM {schema}.gaps WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {schema}.gaps WHERE from_slot < $1 ORDER BY from_slot LIMIT $2))";
const REMOVE_INCIDENTS: &str = "DELETE FROM {schema}.incidents WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.incidents WHERE closed_at IS NOT NULL AND closed_at < $1 LIMIT $2))";
const REMOVE_DELIVERIES: &str = "DELETE FROM {schema}.deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.deliveries WHERE state <> 'pending' AND at < $1 LIMIT $2))";
const REMOVE_SILENCES: &str = "DELETE FROM {schema}.silences WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.silences WHERE ends_at < $1 LIMIT $2))";
const REMOVE_SESSIONS: &str = "DELETE FROM {schema}.sessions WHERE id = ANY(ARRAY(
    SELECT id FROM {schema}.sessions WHERE freed AND lease_until <= $1 LIMIT $2))";

const REMOVE_DELETED: &str = "WITH gone AS MATERIALIZED (
        SELECT r.monitor, r.slot FROM {schema}.deleted d CROSS JOIN LATERAL (
            SELECT monitor, slot FROM {schema}.results WHERE monitor = d.monitor LIMIT $1) AS r
        LIMIT $1)
    DELETE FROM {schema}.results r USING gone WHERE r.monitor = gone.monitor AND r.slot = gone.slot";
const FORGET_DELETED: &str = "DELETE FROM {schema}.deleted d
    WHERE NOT EXISTS (SELECT FROM {schema}.results r WHERE r.monitor = d.monitor)";

/// Removes results of monitors that were deleted; answers how many.
async fn remove_deleted(tx: &mut Transaction<'_>, limit: usize) -> error::Result<u64> {
    let gone = tx.query(REMOVE_DELETED).bind(row_limit(limit)).execute(tx.conn()).await?.rows_affected();
    tx.query(FORGET_DELETED).execute(tx.conn()).await?;
    Ok(gone)
}

/// For today and the three days to come: nobody sees to it for days, and results still find their partition.
pub(super) const ADD_DAYS: &str = "SELECT {schema}.add_days(3)";
const DROP_DAY: &str = "SELECT {schema}.drop_day($1)";
// Changing partitions keeps others waiting while it lasts.
const BE_BRIEF: &str = "SET LOCAL statement_timeout = '2s'";

impl PgStore {
    /// Adds the partitions that will be needed next. Results find a place without them too.
    async fn add_days(&self) -> Result<()> {
        let added = self.write("add partitions for the days to come", move |mut tx| {
            Box::pin(async move {
                tx.query(BE_BRIEF).execute(tx.conn()).await?;
                Ok(tx.values::<i32>(ADD_DAYS).fetch_one(tx.conn()).await?)
            })
        });
        self.partitioned(added.await.map(|_| ()))
    }

    /// Drops the days that ended before an instant; answers about how many rows they had.
    async fn drop_days(&self, before: Timestamp) -> Result<u64> {
        let mut rows = 0;
        loop {
            let dropped = self.write("drop the partition of a day", move |mut tx| {
                Box::pin(async move {
                    tx.query(BE_BRIEF).execute(tx.conn()).await?;
                    let query = tx.values::<Option<i64>>(DROP_DAY).bind(before.to_datetime());
                    Ok(query.fetch_one(tx.conn()).await?)
                })
            });
            let mut day = None;
            self.partitioned(dropped.await.map(|rows| day = rows))?;
            let Some(day) = day else { return Ok(rows) };
            rows += day.unsigned_abs();
        }
    }

    /// Makes light of what keeps partitions from being changed: somebody in the way, who is gone the next time, or a
    /// role that may not, of which is told once.
    fn partitioned(&self, changed: Result<()>) -> Result<()> {
        let Err(Error::Store { action, source, .. }) = &changed else { return changed };
        match source.downcast_ref::<PgDatabaseError>().map(|error| error.code()) {
            Some(INSUFFICIENT_PRIVILEGE) => self.told_of_days.call_once(|| {
                tracing::warn!(
                    error = %source,
                    "the role may not {action}: results go to the default partition and are removed row by row; let \
                     the owner of the tables run \"pingmon migrate\" once a day"
                );
            }),
            Some(_) => tracing::info!(error = %source, "couldn't {action}: trying again later"),
            None => return changed,
        }
        Ok(())
    }
}
