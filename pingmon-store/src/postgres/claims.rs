//! Who owns what: claiming, giving up, and what nobody ran.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Result,
    id::{MonitorId, SessionId},
    store::claims::{Claim, Claims, Completion, Gap, Renewal, Session, SessionInfo, Skip, Verdict},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    PgStore,
    batch::column,
    completions, history, kept,
    rows::{MonitorRow, limit as row_limit, uuids},
    sessions,
    transactions::Transaction,
    unreadable::readable,
};
use crate::error;

/// Most monitors released in one transaction, so that it ends in time.
const MAX_RELEASED: usize = 2_000;

#[async_trait]
impl Claims for PgStore {
    async fn renew(&self, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
        sessions::renew(self, info, ttl).await
    }

    async fn leave(&self, session: SessionId) -> Result<()> {
        sessions::leave(self, session).await
    }

    async fn claim_except(
        &self,
        session: SessionId,
        kinds: &[Cow<'static, str>],
        except: &[MonitorId],
        limit: usize,
    ) -> Result<Vec<Claim>> {
        let kinds = kinds.to_vec();
        let mut except = uuids(except);
        except.extend(self.unreadable.recent());
        let claimed = self.write("claim monitors", move |mut tx| {
            Box::pin(async move {
                sessions::hold(&mut tx, session).await?;
                sessions::end_expired(&mut tx).await?;
                let monitors = own(&mut tx, session, &kinds, &except, limit).await?;
                let (claims, unreadable) = readable(owned(&mut tx, &monitors).await?, MonitorRow::claim);
                if !unreadable.is_empty() {
                    give_up(&mut tx, session, column(&unreadable, |found| found.id)).await?;
                }
                Ok((claims, unreadable))
            })
        });
        let (claims, unreadable) = claimed.await?;
        self.unreadable.note(unreadable);
        Ok(claims)
    }

    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>> {
        completions::complete(self, session, batch).await
    }

    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
        kept::kept(self, monitor).await
    }

    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()> {
        for some in monitors.chunks(MAX_RELEASED) {
            let some = uuids(some);
            let released = self.write("release monitors", move |mut tx| {
                Box::pin(async move { give_up(&mut tx, session, some).await })
            });
            released.await?;
        }
        Ok(())
    }

    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        let monitors = monitors.to_vec();
        let lost = self.read("look for lost monitors", move |mut tx| {
            Box::pin(async move {
                let held = held(&mut tx, session, &monitors).await?;
                Ok(monitors.into_iter().filter(|monitor| !held.contains(monitor)).map(|(id, _)| id).collect())
            })
        });
        lost.await
    }

    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>> {
        let owned = self.read("list owned monitors", move |mut tx| {
            Box::pin(async move {
                let owned = tx.values::<Uuid>(OWNED).bind(*session.as_uuid()).fetch_all(tx.conn()).await?;
                Ok(owned.into_iter().map(MonitorId::from_uuid).collect())
            })
        });
        owned.await
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        let overdue = self.write("look for overdue monitors", move |mut tx| {
            Box::pin(async move {
                sessions::end_expired(&mut tx).await?;
                let query = tx.rows::<MonitorRow>(OVERDUE).bind(before.to_datetime()).bind(row_limit(limit));
                Ok(readable(query.fetch_all(tx.conn()).await?, MonitorRow::claim).0)
            })
        });
        overdue.await
    }

    async fn skip(&self, batch: &[Skip]) -> Result<usize> {
        let batch = batch.to_vec();
        let skipped = self.write("record missed slots", move |mut tx| {
            Box::pin(async move {
                sessions::end_expired(&mut tx).await?;
                skip(&mut tx, batch).await
            })
        });
        skipped.await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        sessions::sessions(self).await
    }
}

// Kind by kind along the index of what is due, so that those whose kind isn't asked for cost nothing; some more than are
// wanted, because others may be taking the first of them. Materialized, or another plan runs it once a row and claims
// more than the limit. What is locked is looked at again, and the outer update looks again at what it takes; by owner and
// state, not by `due`, lest the planner, with statistics from before the monitors became free, go along its index again
// for each of them.
const OWN: &str = "WITH front AS MATERIALIZED (
        SELECT first.monitor FROM unnest($2::text[]) AS known (kind) CROSS JOIN LATERAL (
            SELECT monitor, due FROM {schema}.schedule
            WHERE kind = known.kind AND due IS NOT NULL AND monitor <> ALL($4)
            ORDER BY due LIMIT $3 + 2000) AS first
        ORDER BY first.due LIMIT $3 + 2000),
    free AS MATERIALIZED (
        SELECT s.monitor FROM front JOIN {schema}.schedule s ON s.monitor = front.monitor
        WHERE s.owner IS NULL AND s.active LIMIT $3 FOR UPDATE OF s SKIP LOCKED)
    UPDATE {schema}.schedule s SET owner = $1 FROM free
    WHERE s.monitor = free.monitor AND s.owner IS NULL AND s.active RETURNING s.monitor";

async fn own(
    tx: &mut Transaction<'_>,
    session: SessionId,
    kinds: &[Cow<'static, str>],
    except: &[Uuid],
    limit: usize,
) -> error::Result<Vec<Uuid>> {
    let kinds = column(kinds, |kind| kind.as_ref());
    let query = tx.values::<Uuid>(OWN).bind(*session.as_uuid()).bind(kinds).bind(row_limit(limit)).bind(except);
    Ok(query.fetch_all(tx.conn()).await?)
}

// Read once the rows are locked: the statement that locked them may have seen a definition older than their revision.
const OWNED_CLAIMS: &str = "SELECT m.id, m.name, m.state, m.definition::text, s.revision, s.slot, s.health::text
    FROM {schema}.schedule s JOIN {schema}.monitors m ON m.id = s.monitor
    WHERE s.monitor = ANY($1) ORDER BY s.slot, s.monitor";

async fn owned(tx: &mut Transaction<'_>, monitors: &[Uuid]) -> error::Result<Vec<MonitorRow>> {
    if monitors.is_empty() {
        return Ok(Vec::new());
    }
    Ok(tx.rows(OWNED_CLAIMS).bind(monitors).fetch_all(tx.conn()).await?)
}

// The owner is compared in a way of which no index and no statistics know, see `completions`.
const GIVE_UP: &str = "WITH given AS MATERIALIZED (
        SELECT monitor FROM {schema}.schedule WHERE coalesce(owner = $1, false) AND monitor = ANY($2)
        ORDER BY monitor FOR UPDATE)
    UPDATE {schema}.schedule s SET owner = NULL FROM given WHERE s.monitor = given.monitor";

async fn give_up(tx: &mut Transaction<'_>, session: SessionId, monitors: Vec<Uuid>) -> error::Result<()> {
    tx.query(GIVE_UP).bind(*session.as_uuid()).bind(monitors).execute(tx.conn()).await?;
    Ok(())
}

const OWNED: &str = "SELECT monitor FROM {schema}.schedule WHERE owner = $1 AND EXISTS (
    SELECT FROM {schema}.sessions WHERE id = $1 AND NOT ended AND lease_until > {schema}.clock())";

const HELD: &str = "SELECT monitor, revision FROM {schema}.schedule
    WHERE coalesce(owner = $1, false) AND monitor = ANY($2) AND EXISTS (
        SELECT FROM {schema}.sessions WHERE id = $1 AND NOT ended AND lease_until > {schema}.clock())";

/// Those of `monitors` that the session owns, with the revision they have.
async fn held(
    tx: &mut Transaction<'_>,
    session: SessionId,
    monitors: &[(MonitorId, i64)],
) -> error::Result<HashSet<(MonitorId, i64)>> {
    let monitors = column(monitors, |(monitor, _)| *monitor.as_uuid());
    let rows: Vec<(Uuid, i64)> = tx.rows(HELD).bind(*session.as_uuid()).bind(monitors).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(monitor, revision)| (MonitorId::from_uuid(monitor), revision)).collect())
}

// The kinds there are, one step along the index each, then the first of each.
const OVERDUE: &str = "WITH RECURSIVE kinds (kind) AS (
        SELECT min(kind) FROM {schema}.schedule WHERE due IS NOT NULL
        UNION ALL
        SELECT (SELECT min(kind) FROM {schema}.schedule WHERE due IS NOT NULL AND kind > kinds.kind)
        FROM kinds WHERE kind IS NOT NULL),
    overdue AS MATERIALIZED (
        SELECT first.monitor FROM kinds CROSS JOIN LATERAL (
            SELECT monitor, due FROM {schema}.schedule WHERE kind = kinds.kind AND due < $1
            ORDER BY due LIMIT $2) AS first
        ORDER BY first.due LIMIT $2)
    SELECT m.id, m.name, m.state, m.definition::text, s.revision, s.slot, s.health::text
    FROM overdue JOIN {schema}.schedule s ON s.monitor = overdue.monitor JOIN {schema}.monitors m ON m.id = s.monitor
    ORDER BY s.slot, s.monitor";

const FENCES: &str = "SELECT monitor, owner, revision, slot, active FROM {schema}.schedule
    WHERE monitor = ANY($1) ORDER BY monitor FOR UPDATE";

/// What fences a write to a monitor that nobody owns.
struct Fence {
    is_free: bool,
    revision: i64,
    slot: Timestamp,
}

/// The fences of monitors, which stay so until this transaction ends; those that don't exist have none.
async fn fences(tx: &mut Transaction<'_>, monitors: Vec<Uuid>) -> error::Result<BTreeMap<MonitorId, Fence>> {
    let rows = tx.rows::<(Uuid, Option<Uuid>, i64, DateTime<Utc>, bool)>(FENCES).bind(monitors);
    let fence = |(monitor, owner, revision, slot, active): (_, Option<Uuid>, _, DateTime<Utc>, _)| {
        (MonitorId::from_uuid(monitor), Fence { is_free: owner.is_none() && active, revision, slot: slot.into() })
    };
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(fence).collect())
}

const MOVE_ON: &str = "UPDATE {schema}.schedule s SET slot = step.slot
    FROM unnest($1::uuid[], $2::timestamptz[]) AS step (monitor, slot) WHERE s.monitor = step.monitor";

async fn skip(tx: &mut Transaction<'_>, batch: Vec<Skip>) -> error::Result<usize> {
    let mut fences = fences(tx, column(&batch, |skip| *skip.monitor.as_uuid())).await?;
    let mut gaps: Vec<(MonitorId, Gap)> = Vec::new();
    let mut steps = BTreeMap::new();
    for skip in batch {
        let Some(fence) = fences.get_mut(&skip.monitor) else { continue };
        if fence.is_free && fence.revision == skip.revision && fence.slot == skip.gap.from {
            fence.slot = skip.next_slot;
            gaps.push((skip.monitor, skip.gap));
            steps.insert(skip.monitor, skip.next_slot.to_datetime());
        }
    }
    history::record_gaps(tx, &gaps).await?;
    let (monitors, slots): (Vec<_>, Vec<_>) = steps.into_iter().map(|(id, slot)| (*id.as_uuid(), slot)).unzip();
    tx.query(MOVE_ON).bind(monitors).bind(slots).execute(tx.conn()).await?;
    Ok(gaps.len())
}
