//! Who owns what: claiming, giving up, and what nobody ran.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::{MonitorId, SessionId},
    store::claims::{Claim, Claims, Completion, Gap, Renewal, Session, SessionInfo, Skip, Verdict},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore,
    batch::{ROWS, rows},
    completions::{self, Run},
    history, kept,
    rows::{MonitorRow, limit as row_limit},
    sessions,
};
use crate::{
    codec::{instant, to_json},
    error,
};

#[async_trait]
impl Claims for SqliteStore {
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
        let (kinds, except) = (kinds.to_vec(), except.to_vec());
        let claims = self.write("claim monitors", move |conn, now| {
            Box::pin(async move {
                sessions::check_alive(conn, session, now).await?;
                let claims = free(conn, &kinds, &except, limit).await?;
                let monitors: Vec<_> = claims.iter().map(|claim| claim.monitor.id).collect();
                own(conn, session, &monitors).await?;
                Ok(claims)
            })
        });
        claims.await
    }

    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>> {
        const ACTION: &str = "complete a batch of runs";
        // Written out before the write lock is taken, so that it's held for no longer than SQLite needs.
        let runs: error::Result<Vec<Run>> = batch.iter().map(Run::from_completion).collect();
        let runs = runs.map_err(|failure| failure.into_error(ACTION, |_| false))?;
        self.write(ACTION, move |conn, now| {
            Box::pin(async move {
                sessions::check_alive(conn, session, now).await?;
                completions::store(conn, session, &runs).await
            })
        })
        .await
    }

    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
        kept::kept(self, monitor).await
    }

    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()> {
        let monitors = monitors.to_vec();
        self.write("release monitors", move |conn, _| Box::pin(give_up(conn, session, monitors))).await
    }

    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        let monitors = monitors.to_vec();
        let now = self.clock.now();
        let lost = self.read("look for lost monitors", move |conn| {
            Box::pin(async move {
                let held = match sessions::is_alive(conn, session, now).await? {
                    true => held(conn, session, &monitors).await?,
                    false => HashSet::new(),
                };
                Ok(monitors.into_iter().filter(|monitor| !held.contains(monitor)).map(|(id, _)| id).collect())
            })
        });
        lost.await
    }

    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>> {
        let now = self.clock.now();
        let owned = self.read("list owned monitors", move |conn| {
            Box::pin(async move {
                match sessions::is_alive(conn, session, now).await? {
                    true => owned(conn, session).await,
                    false => Ok(Vec::new()),
                }
            })
        });
        owned.await
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        self.write("look for overdue monitors", move |conn, _| Box::pin(overdue(conn, before, limit))).await
    }

    async fn skip(&self, batch: &[Skip]) -> Result<usize> {
        let batch = batch.to_vec();
        self.write("record missed slots", move |conn, _| Box::pin(skip(conn, batch))).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        sessions::sessions(self).await
    }
}

// The condition repeats that of the index, which gives the rows in due order: as many are read as are claimed.
const FREE: &str = "SELECT m.id, m.state, m.definition, s.revision, s.slot, s.health
    FROM pingmon_schedule s INDEXED BY pingmon_schedule_free CROSS JOIN pingmon_monitors m ON m.id = s.monitor
    WHERE s.owner IS NULL AND s.active AND s.kind IN (SELECT value FROM json_each(?1))
        AND hex(s.monitor) NOT IN (SELECT value FROM json_each(?3))
    ORDER BY s.slot LIMIT ?2";

async fn free(
    conn: &mut SqliteConnection,
    kinds: &[Cow<'static, str>],
    except: &[MonitorId],
    limit: usize,
) -> error::Result<Vec<Claim>> {
    let kinds = to_json("list of kinds", &kinds)?;
    let except: Vec<_> = except.iter().map(|monitor| format!("{:X}", monitor.as_uuid().simple())).collect();
    let except = to_json("list of monitors", &except)?;
    let free = sqlx::query_as::<_, MonitorRow>(FREE).bind(kinds).bind(row_limit(limit)).bind(except);
    let rows = free.fetch_all(conn).await?;
    rows.iter().map(MonitorRow::claim).collect()
}

const OWN: &str = concat!("UPDATE pingmon_schedule SET owner = ? WHERE monitor IN (", rows!("?"), ")");

async fn own(conn: &mut SqliteConnection, session: SessionId, monitors: &[MonitorId]) -> error::Result<()> {
    for monitors in monitors.chunks(ROWS) {
        let mut query = sqlx::query(OWN).bind(*session.as_uuid());
        for monitor in monitors {
            query = query.bind(*monitor.as_uuid());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

const GIVE_UP: &str =
    concat!("UPDATE pingmon_schedule SET owner = NULL WHERE owner = ? AND monitor IN (", rows!("?"), ")");

async fn give_up(conn: &mut SqliteConnection, session: SessionId, monitors: Vec<MonitorId>) -> error::Result<()> {
    for monitors in monitors.chunks(ROWS) {
        let mut query = sqlx::query(GIVE_UP).bind(*session.as_uuid());
        for monitor in monitors {
            query = query.bind(*monitor.as_uuid());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

const HELD: &str =
    concat!("SELECT monitor, revision FROM pingmon_schedule WHERE owner = ? AND monitor IN (", rows!("?"), ")");

/// Those of `monitors` that the session owns, with the revision they have.
async fn held(
    conn: &mut SqliteConnection,
    session: SessionId,
    monitors: &[(MonitorId, i64)],
) -> error::Result<HashSet<(MonitorId, i64)>> {
    let mut held = HashSet::with_capacity(monitors.len());
    for monitors in monitors.chunks(ROWS) {
        let mut query = sqlx::query_as::<_, (Uuid, i64)>(HELD).bind(*session.as_uuid());
        for (monitor, _) in monitors {
            query = query.bind(*monitor.as_uuid());
        }
        let rows = query.fetch_all(&mut *conn).await?;
        held.extend(rows.into_iter().map(|(monitor, revision)| (MonitorId::from_uuid(monitor), revision)));
    }
    Ok(held)
}

const OWNED: &str = "SELECT monitor FROM pingmon_schedule WHERE owner = ?";

async fn owned(conn: &mut SqliteConnection, session: SessionId) -> error::Result<Vec<MonitorId>> {
    let owned = sqlx::query_scalar::<_, Uuid>(OWNED).bind(*session.as_uuid()).fetch_all(conn).await?;
    Ok(owned.into_iter().map(MonitorId::from_uuid).collect())
}

const OVERDUE: &str = "SELECT m.id, m.state, m.definition, s.revision, s.slot, s.health
    FROM pingmon_schedule s INDEXED BY pingmon_schedule_free CROSS JOIN pingmon_monitors m ON m.id = s.monitor
    WHERE s.owner IS NULL AND s.active AND s.slot < ?1
    ORDER BY s.slot LIMIT ?2";

async fn overdue(conn: &mut SqliteConnection, before: Timestamp, limit: usize) -> error::Result<Vec<Claim>> {
    let query = sqlx::query_as::<_, MonitorRow>(OVERDUE).bind(before.as_micros()).bind(row_limit(limit));
    query.fetch_all(conn).await?.iter().map(MonitorRow::claim).collect()
}

/// What fences a write to a monitor.
pub(super) struct Fence {
    pub(super) owner: Option<SessionId>,
    pub(super) revision: i64,
    pub(super) slot: Timestamp,
    pub(super) active: bool,
}

const FENCES: &str =
    concat!("SELECT monitor, owner, revision, slot, active FROM pingmon_schedule WHERE monitor IN (", rows!("?"), ")");

/// The fences of monitors; those that don't exist have none.
pub(super) async fn fences(
    conn: &mut SqliteConnection,
    monitors: &[MonitorId],
) -> error::Result<BTreeMap<MonitorId, Fence>> {
    let mut fences = BTreeMap::new();
    for monitors in monitors.chunks(ROWS) {
        let mut query = sqlx::query_as::<_, (Uuid, Option<Uuid>, i64, i64, bool)>(FENCES);
        for monitor in monitors {
            query = query.bind(*monitor.as_uuid());
        }
        for (monitor, owner, revision, slot, active) in query.fetch_all(&mut *conn).await? {
            let fence = Fence { owner: owner.map(SessionId::from_uuid), revision, slot: instant(slot), active };
            fences.insert(MonitorId::from_uuid(monitor), fence);
        }
    }
    Ok(fences)
}

/// A monitor's next slot, and its health when that has changed.
pub(super) struct Step<'a> {
    pub(super) monitor: MonitorId,
    pub(super) slot: Timestamp,
    pub(super) health: Option<&'a str>,
}

const MOVE_ON: &str = concat!(
    "UPDATE pingmon_schedule SET slot = step.column2, health = coalesce(step.column3, health) FROM (VALUES ",
    rows!("(?,?,?)"),
    ") AS step WHERE monitor = step.column1"
);

/// Moves monitors to their next slots; each is to occur once.
pub(super) async fn move_on(conn: &mut SqliteConnection, steps: &[Step<'_>]) -> error::Result<()> {
    for steps in steps.chunks(ROWS) {
        let mut query = sqlx::query(MOVE_ON);
        for step in steps {
            query = query.bind(*step.monitor.as_uuid()).bind(step.slot.as_micros()).bind(step.health);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

async fn skip(conn: &mut SqliteConnection, batch: Vec<Skip>) -> error::Result<usize> {
    let monitors: Vec<_> = batch.iter().map(|skip| skip.monitor).collect();
    let mut fences = fences(conn, &monitors).await?;
    let mut gaps: Vec<(MonitorId, Gap)> = Vec::new();
    let mut steps = BTreeMap::new();
    for skip in batch {
        let Some(fence) = fences.get_mut(&skip.monitor) else { continue };
        let is_free = fence.owner.is_none() && fence.active;
        if is_free && fence.revision == skip.revision && fence.slot == skip.gap.from {
            fence.slot = skip.next_slot;
            gaps.push((skip.monitor, skip.gap));
            steps.insert(skip.monitor, Step { monitor: skip.monitor, slot: skip.next_slot, health: None });
        }
    }
    history::record_gaps(conn, &gaps).await?;
    move_on(conn, &steps.into_values().collect::<Vec<_>>()).await?;
    Ok(gaps.len())
}
