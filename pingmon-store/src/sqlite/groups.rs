//! Deliveries that go as one message: who goes with whom, and that they share its fate.

use pingmon_core::{
    notification::{Companion, Notification},
    store::outbox::MAX_GROUP,
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{outbox, rows::limit as row_limit};
use crate::{codec::from_json, error};

// Which of a monitor's own are pending before, and don't go along, keep one back.
const COMPANY: &str = "SELECT m.id, m.event FROM pingmon_deliveries l JOIN pingmon_deliveries m
        ON m.channel = l.channel AND m.group_key = l.group_key
    WHERE l.id = ?1 AND m.state = 'pending' AND m.attempts = 0 AND m.at <= ?2
        AND (m.at, m.sequence, m.id) > (l.at, l.sequence, l.id) AND NOT EXISTS (
            SELECT 1 FROM pingmon_deliveries earlier
            WHERE earlier.channel = m.channel AND earlier.monitor = m.monitor AND earlier.state = 'pending'
                AND (earlier.at, earlier.sequence, earlier.id) < (m.at, m.sequence, m.id) AND earlier.id <> l.id
                AND NOT (earlier.attempts = 0 AND earlier.group_key IS m.group_key
                    AND (earlier.at, earlier.sequence, earlier.id) > (l.at, l.sequence, l.id)))
    ORDER BY m.at, m.sequence, m.id LIMIT ?3";
const TIE: &str = "UPDATE pingmon_deliveries SET leader = ?2 WHERE id = ?1 AND state = 'pending'";

/// Ties to a leader, which is taken for the first time, what can go with it.
pub(super) async fn gather(conn: &mut SqliteConnection, leader: Uuid, now: Timestamp) -> error::Result<()> {
    let company = sqlx::query_as::<_, (Uuid, String)>(COMPANY).bind(leader).bind(now.as_micros());
    let company = company.bind(row_limit(MAX_GROUP - 1)).fetch_all(&mut *conn).await?;
    outbox::fold_unheard(conn, &company).await?;
    for (id, _) in company {
        sqlx::query(TIE).bind(id).bind(leader).execute(&mut *conn).await?;
    }
    Ok(())
}

const TOLD: &str = "SELECT notification FROM pingmon_deliveries WHERE leader = ? ORDER BY at, sequence, id";

/// What is told with a leader that is being taken, in order.
pub(super) async fn company(conn: &mut SqliteConnection, leader: Uuid) -> error::Result<Vec<Companion>> {
    follow(conn, leader).await?;
    let told: Vec<String> = sqlx::query_scalar(TOLD).bind(leader).fetch_all(&mut *conn).await?;
    let mut company = Vec::with_capacity(told.len());
    for text in told {
        let mut notice: Notification = from_json("notification", &text)?;
        outbox::add_opening(conn, &mut notice).await?;
        company.push(Companion::of(&notice));
    }
    Ok(company)
}

const FOLLOW: &str = "UPDATE pingmon_deliveries AS m
    SET (state, attempts, due_at, expires_at, last_error) = (
        SELECT state, attempts, due_at, expires_at, last_error FROM pingmon_deliveries l WHERE l.id = m.leader)
    WHERE leader = ?";

/// Has what goes with a leader stand as it stands.
async fn follow(conn: &mut SqliteConnection, leader: Uuid) -> error::Result<()> {
    sqlx::query(FOLLOW).bind(leader).execute(conn).await?;
    Ok(())
}

/// Has what goes with leaders stand as they stand.
pub(super) async fn follow_all(conn: &mut SqliteConnection, leaders: &[Uuid]) -> error::Result<()> {
    for leader in leaders {
        follow(conn, *leader).await?;
    }
    Ok(())
}

// The first of the others that stays leads them.
const HAND_ON: &str = "UPDATE pingmon_deliveries AS m SET leader = nullif(next.id, m.id)
    FROM (SELECT leader, id, row_number() OVER (PARTITION BY leader ORDER BY at, sequence, id) AS place
        FROM pingmon_deliveries
        WHERE monitor <> ?1 AND leader IN (SELECT id FROM pingmon_deliveries WHERE monitor = ?1)) AS next
    WHERE m.leader = next.leader AND m.monitor <> ?1 AND next.place = 1";

/// Before a monitor is deleted: what its deliveries lead is led by the next that stays.
pub(super) async fn hand_on(conn: &mut SqliteConnection, monitor: Uuid) -> error::Result<()> {
    sqlx::query(HAND_ON).bind(monitor).execute(conn).await?;
    Ok(())
}
