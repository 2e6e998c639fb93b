//! Sessions: joining, renewing, ending. What they own is the business of `claims` and `outbox`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pingmon_core::{
    error::{Error, Result},
    id::SessionId,
    store::claims::{Renewal, Session, SessionInfo},
    time::Timestamp,
};
use uuid::Uuid;

use super::{PgStore, transactions::Transaction};
use crate::{codec::SessionNumbers, error};

const NOW: &str = "SELECT {schema}.clock()";

/// The store's clock.
pub(super) async fn now(tx: &mut Transaction<'_>) -> error::Result<Timestamp> {
    let now: DateTime<Utc> = tx.values(NOW).fetch_one(tx.conn()).await?;
    Ok(now.into())
}

// What holds the row keeps the session from being ended (FOR UPDATE), not from being renewed.
const HOLD: &str = "SELECT {schema}.clock() FROM {schema}.sessions
    WHERE id = $1 AND NOT ended AND lease_until > {schema}.clock() FOR KEY SHARE";

/// Keeps a session from being ended until this transaction is; answers the clock. Refuses one that isn't known or has
/// ended.
pub(super) async fn hold(tx: &mut Transaction<'_>, session: SessionId) -> error::Result<Timestamp> {
    let now: Option<DateTime<Utc>> = tx.values(HOLD).bind(*session.as_uuid()).fetch_optional(tx.conn()).await?;
    now.map(Timestamp::from).ok_or_else(|| Error::SessionEnded.into())
}

/// Most monitors freed in one transaction: freeing 100,000 at once takes longer than a statement may, and would fail
/// again with everybody who tries.
const MAX_FREED: u64 = 2_000;

// A session whose work is being stored, or that somebody else is freeing, is left to the next one who looks.
const END_EXPIRED: &str = "WITH expired AS MATERIALIZED (
        SELECT id FROM {schema}.sessions WHERE NOT freed AND lease_until <= {schema}.clock() FOR UPDATE SKIP LOCKED)
    UPDATE {schema}.sessions s SET ended = true FROM expired WHERE s.id = expired.id RETURNING s.id";

/// Ends the sessions whose lease ran out and frees what those that have ended own, some of it at a time: before whatever
/// asks what nobody owns. Answers whether nothing is left to free.
pub(super) async fn end_expired(tx: &mut Transaction<'_>) -> error::Result<bool> {
    let ended = tx.values(END_EXPIRED).fetch_all(tx.conn()).await?;
    free(tx, ended).await
}

const END: &str = "WITH ending AS MATERIALIZED (
        SELECT id FROM {schema}.sessions WHERE id = $1 AND NOT ended FOR UPDATE)
    UPDATE {schema}.sessions s SET ended = true, lease_until = least(s.lease_until, {schema}.clock())
    FROM ending WHERE s.id = ending.id RETURNING s.id";

// Along the key of owner and monitor: rows are locked in the order in which everybody locks them.
const FREE_MONITORS: &str = "WITH owned AS MATERIALIZED (
        SELECT monitor FROM {schema}.schedule WHERE owner = $1 ORDER BY monitor LIMIT $2 FOR UPDATE)
    UPDATE {schema}.schedule s SET owner = NULL FROM owned WHERE s.monitor = owned.monitor";
const FREE_DELIVERIES: &str =
    "UPDATE {schema}.deliveries SET taken_by = NULL WHERE state = 'pending' AND taken_by = ANY($1)";
const FREED: &str = "UPDATE {schema}.sessions SET freed = true WHERE id = $1";

/// Frees what names sessions that have ended, and whose rows are locked; answers whether that was all.
async fn free(tx: &mut Transaction<'_>, ended: Vec<Uuid>) -> error::Result<bool> {
    if ended.is_empty() {
        return Ok(true);
    }
    tx.query(FREE_DELIVERIES).bind(&ended).execute(tx.conn()).await?;
    let mut room = MAX_FREED;
    for session in ended {
        let free = tx.query(FREE_MONITORS).bind(session).bind(room.cast_signed());
        room -= free.execute(tx.conn()).await?.rows_affected();
        if room == 0 {
            return Ok(false);
        }
        tx.query(FREED).bind(session).execute(tx.conn()).await?;
    }
    Ok(true)
}

// A row that has ended stays as it is: the statement then changes nothing.
const RENEW: &str = "INSERT INTO {schema}.sessions AS s (id, host, version, joined_at, lease_until,
        capacity, weight, share, held, running, concurrency, lateness)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (id) DO UPDATE SET host = $2, version = $3, lease_until = $5, capacity = $6, weight = $7, share = $8,
        held = $9, running = $10, concurrency = $11, lateness = $12
        WHERE NOT s.ended AND s.lease_until > {schema}.clock()";
const ACTIVE_MONITORS: &str = "SELECT count(*) FROM {schema}.monitors WHERE state = 'active'";

pub(super) async fn renew(store: &PgStore, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
    let info = info.clone();
    let renewal = store.write("renew the session", move |mut tx| {
        Box::pin(async move {
            let now = now(&mut tx).await?;
            let lease_until = now + ttl;
            let numbers = SessionNumbers::of(&info).columns();
            let renew = tx.query(RENEW).bind(*info.id.as_uuid()).bind(info.host).bind(info.version);
            let renew = renew.bind(now.to_datetime()).bind(lease_until.to_datetime());
            let renew = numbers.into_iter().fold(renew, |renew, number| renew.bind(number));
            if renew.execute(tx.conn()).await?.rows_affected() == 0 {
                return Err(Error::SessionEnded.into());
            }
            let sessions = living(&mut tx).await?;
            let monitors: i64 = tx.values(ACTIVE_MONITORS).fetch_one(tx.conn()).await?;
            Ok(Renewal::new(now, lease_until, sessions, monitors.unsigned_abs()))
        })
    });
    renewal.await
}

pub(super) async fn leave(store: &PgStore, session: SessionId) -> Result<()> {
    const ACTION: &str = "end the session";
    let left = store.write(ACTION, move |mut tx| {
        Box::pin(async move {
            let ended = tx.values(END).bind(*session.as_uuid()).fetch_all(tx.conn()).await?;
            free(&mut tx, ended).await
        })
    });
    let mut is_free = left.await?;
    while !is_free {
        is_free = store.write(ACTION, |mut tx| Box::pin(async move { end_expired(&mut tx).await })).await?;
    }
    Ok(())
}

pub(super) async fn sessions(store: &PgStore) -> Result<Vec<Session>> {
    store.read("list the sessions", |mut tx| Box::pin(async move { living(&mut tx).await })).await
}

const LIVING: &str = "SELECT id, host, version, joined_at, lease_until,
        capacity, weight, share, held, running, concurrency, lateness
    FROM {schema}.sessions WHERE NOT ended AND lease_until > {schema}.clock() ORDER BY id";

/// All living sessions, by id.
async fn living(tx: &mut Transaction<'_>) -> error::Result<Vec<Session>> {
    let rows: Vec<SessionRow> = tx.rows(LIVING).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(SessionRow::into_session).collect())
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    host: String,
    version: String,
    joined_at: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    #[sqlx(flatten)]
    numbers: SessionNumbers,
}

impl SessionRow {
    fn into_session(self) -> Session {
        let info = self.numbers.info(SessionId::from_uuid(self.id), self.host, self.version);
        Session::new(info, self.joined_at.into(), self.lease_until.into())
    }
}
