//! Sessions: joining, renewing, ending. What they own is the business of `claims` and `outbox`.

use std::time::Duration;

use pingmon_core::{
    error::{Error, Result},
    id::SessionId,
    store::claims::{Renewal, Session, SessionInfo},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteStore;
use crate::{
    codec::{SessionNumbers, instant},
    error,
};

const EXPIRED: &str = "SELECT id FROM pingmon_sessions WHERE NOT ended AND lease_until <= ?";

/// Ends the sessions whose lease ran out.
pub(super) async fn end_expired(conn: &mut SqliteConnection, now: Timestamp) -> error::Result<()> {
    let expired: Vec<Uuid> = sqlx::query_scalar(EXPIRED).bind(now.as_micros()).fetch_all(&mut *conn).await?;
    for session in expired {
        end(conn, SessionId::from_uuid(session), now).await?;
    }
    Ok(())
}

const END: &str =
    "UPDATE pingmon_sessions SET ended = 1, lease_until = min(lease_until, ?2) WHERE id = ?1 AND NOT ended";
const FREE_MONITORS: &str = "UPDATE pingmon_schedule SET owner = NULL WHERE owner = ?";
const FREE_DELIVERIES: &str = "UPDATE pingmon_deliveries SET taken_by = NULL WHERE state = 'pending' AND taken_by = ?";

/// Ends a session and frees all that names it; nothing when it isn't known or has ended.
async fn end(conn: &mut SqliteConnection, session: SessionId, now: Timestamp) -> error::Result<()> {
    let ended = sqlx::query(END).bind(*session.as_uuid()).bind(now.as_micros()).execute(&mut *conn).await?;
    if ended.rows_affected() > 0 {
        sqlx::query(FREE_MONITORS).bind(*session.as_uuid()).execute(&mut *conn).await?;
        sqlx::query(FREE_DELIVERIES).bind(*session.as_uuid()).execute(&mut *conn).await?;
    }
    Ok(())
}

const ALIVE: &str = "SELECT 1 FROM pingmon_sessions WHERE id = ?1 AND NOT ended AND lease_until > ?2";

/// Refuses a session that isn't known or has ended.
pub(super) async fn check_alive(conn: &mut SqliteConnection, session: SessionId, now: Timestamp) -> error::Result<()> {
    if is_alive(conn, session, now).await? { Ok(()) } else { Err(Error::SessionEnded.into()) }
}

/// Whether a session is known and its lease runs.
pub(super) async fn is_alive(conn: &mut SqliteConnection, session: SessionId, now: Timestamp) -> error::Result<bool> {
    let alive: Option<i64> =
        sqlx::query_scalar(ALIVE).bind(*session.as_uuid()).bind(now.as_micros()).fetch_optional(conn).await?;
    Ok(alive.is_some())
}

// A row that has ended stays as it is: the statement then changes nothing.
const RENEW: &str = "INSERT INTO pingmon_sessions (id, host, version, joined_at, lease_until,
        capacity, weight, share, held, running, concurrency, lateness)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (id) DO UPDATE SET host = ?2, version = ?3, lease_until = ?5, capacity = ?6, weight = ?7, share = ?8,
        held = ?9, running = ?10, concurrency = ?11, lateness = ?12
        WHERE NOT ended";
const ACTIVE_MONITORS: &str = "SELECT count(*) FROM pingmon_monitors WHERE state = 'active'";

pub(super) async fn renew(store: &SqliteStore, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
    let info = info.clone();
    let renewal = store.write("renew the session", move |conn, now| {
        Box::pin(async move {
            let lease_until = now + ttl;
            let numbers = SessionNumbers::of(&info).columns();
            let renew = sqlx::query(RENEW).bind(*info.id.as_uuid()).bind(info.host).bind(info.version);
            let renew = renew.bind(now.as_micros()).bind(lease_until.as_micros());
            let renew = numbers.into_iter().fold(renew, |renew, number| renew.bind(number));
            if renew.execute(&mut *conn).await?.rows_affected() == 0 {
                return Err(Error::SessionEnded.into());
            }
            let sessions = living(conn, now).await?;
            let monitors: i64 = sqlx::query_scalar(ACTIVE_MONITORS).fetch_one(conn).await?;
            Ok(Renewal::new(now, lease_until, sessions, monitors.unsigned_abs()))
        })
    });
    renewal.await
}

pub(super) async fn leave(store: &SqliteStore, session: SessionId) -> Result<()> {
    store.write("end the session", move |conn, now| Box::pin(end(conn, session, now))).await
}

pub(super) async fn sessions(store: &SqliteStore) -> Result<Vec<Session>> {
    let now = store.clock.now();
    store.read("list the sessions", move |conn| Box::pin(living(conn, now))).await
}

const LIVING: &str = "SELECT id, host, version, joined_at, lease_until,
        capacity, weight, share, held, running, concurrency, lateness
    FROM pingmon_sessions WHERE NOT ended AND lease_until > ? ORDER BY id";

/// All living sessions, by id.
async fn living(conn: &mut SqliteConnection, now: Timestamp) -> error::Result<Vec<Session>> {
    let rows: Vec<SessionRow> = sqlx::query_as(LIVING).bind(now.as_micros()).fetch_all(conn).await?;
    Ok(rows.into_iter().map(SessionRow::into_session).collect())
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    host: String,
    version: String,
    joined_at: i64,
    lease_until: i64,
    #[sqlx(flatten)]
    numbers: SessionNumbers,
}

impl SessionRow {
    fn into_session(self) -> Session {
        let info = self.numbers.info(SessionId::from_uuid(self.id), self.host, self.version);
        Session::new(info, instant(self.joined_at), instant(self.lease_until))
    }
}
