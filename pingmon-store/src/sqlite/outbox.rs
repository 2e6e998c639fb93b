//! The durable outbox.

use std::time::Duration;

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{DeliveryId, IncidentId, SessionId},
    incident::Event,
    notification::{Delivery, DeliveryState, Fold, Notification, Receipt},
    store::outbox::{DeliveryFilter, Outbox, Settled, Settlement},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore,
    deliveries::{DeliveryRow, StoredDelivery},
    groups,
    rows::limit as row_limit,
    sessions,
};
use crate::{
    codec::{instant, receipt},
    error,
};

#[async_trait]
impl Outbox for SqliteStore {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        let channel = channel.to_owned();
        let taken = self.write("take deliveries", move |conn, now| {
            Box::pin(async move {
                sessions::check_alive(conn, session, now).await?;
                take(conn, session, &channel, now, limit).await
            })
        });
        taken.await
    }

    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()> {
        let channel = channel.to_owned();
        let put_back = self.write("put deliveries back", move |conn, _| {
            Box::pin(async move {
                sqlx::query(PUT_BACK).bind(channel).bind(*session.as_uuid()).execute(conn).await?;
                Ok(())
            })
        });
        put_back.await
    }

    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()> {
        let batch = batch.to_vec();
        let settled = self.write("settle deliveries", move |conn, now| {
            Box::pin(async move {
                sessions::check_alive(conn, session, now).await?;
                for settlement in &batch {
                    settle(conn, session, settlement).await?;
                }
                Ok(())
            })
        });
        settled.await
    }

    async fn expire(&self, limit: usize) -> Result<u64> {
        let expired = self.write("expire deliveries", move |conn, now| {
            Box::pin(async move {
                let expire = sqlx::query_scalar::<_, Uuid>(EXPIRE).bind(now.as_micros()).bind(row_limit(limit));
                let expired = expire.fetch_all(&mut *conn).await?;
                groups::follow_all(conn, &expired).await?;
                Ok(expired.len() as u64)
            })
        });
        expired.await
    }

    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()> {
        let resent = self.write("resend a dead letter", move |conn, now| {
            Box::pin(async move {
                let resend = sqlx::query_scalar::<_, Uuid>(RESEND).bind(*id.as_uuid()).bind(now.as_micros());
                let resent = resend.bind((now + expiry).as_micros()).fetch_all(&mut *conn).await?;
                groups::follow_all(conn, &resent).await?;
                Ok(resent.len())
            })
        });
        if resent.await? == 0 { Err(Error::not_found(format!("dead letter {id}"))) } else { Ok(()) }
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        self.read("list deliveries", move |conn| Box::pin(list(conn, filter, limit))).await
    }
}

const ENQUEUE: &str = "INSERT INTO pingmon_deliveries
    (id, monitor, channel, at, sequence, due_at, expires_at, state, attempts, last_error, group_key, notification)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";

// What the notice makes needless of those before it, of its incident and on its channel.
const FOLD: &str = "UPDATE pingmon_deliveries SET state = 'folded', last_error = ?7
    WHERE incident = ?1 AND channel = ?2 AND state = 'pending' AND attempts = 0 AND (at, sequence, id) < (?3, ?4, ?5)
        AND (event IN ('reminder', 'worsened') OR (event = 'opened' AND ?6 = 'resolved')
            OR (event = 'escalated' AND ?6 = 'escalated' AND at = ?3))";

// What would hold up the notice goes out no later than it does.
const BRING_FORWARD: &str = "UPDATE pingmon_deliveries SET due_at = ?6, group_key = NULL
    WHERE channel = ?1 AND monitor = ?2 AND state = 'pending' AND attempts = 0 AND due_at > ?6
        AND (at, sequence, id) < (?3, ?4, ?5)";

/// Adds deliveries, folds what they make needless and brings forward what would hold them up; one that is there already
/// stays as it is.
pub(super) async fn enqueue(conn: &mut SqliteConnection, deliveries: &[DeliveryRow]) -> error::Result<()> {
    for row in deliveries {
        let query = sqlx::query(ENQUEUE).bind(row.id).bind(row.monitor).bind(row.channel.as_str()).bind(row.at);
        let query = query.bind(row.sequence).bind(row.due_at).bind(row.expires_at).bind(row.state);
        let query = query.bind(row.attempts).bind(row.last_error.as_deref()).bind(row.group.as_deref());
        query.bind(row.notification.as_str()).execute(&mut *conn).await?;
        let is_resolved = row.event == Event::Resolved;
        let why = if is_resolved { Fold::Resolved } else { Fold::Superseded };
        let fold = sqlx::query(FOLD).bind(row.incident.as_str()).bind(row.channel.as_str()).bind(row.at);
        let fold = fold.bind(row.sequence).bind(row.id).bind(row.event.as_str()).bind(why.reason());
        fold.execute(&mut *conn).await?;
        if row.event != Event::Reminder {
            let forward = sqlx::query(BRING_FORWARD).bind(row.channel.as_str()).bind(row.monitor).bind(row.at);
            forward.bind(row.sequence).bind(row.id).bind(row.due_at).execute(&mut *conn).await?;
        }
        if is_resolved {
            cancel(conn, &row.incident, [Event::Escalated; 2], Fold::Over).await?;
        }
    }
    Ok(())
}

const TOLD: &str = "SELECT channel, max(due_at) FILTER (WHERE state = 'pending' AND event <> 'escalated')
    FROM pingmon_deliveries WHERE incident = ?1 GROUP BY channel ORDER BY channel";

/// The channels that have deliveries of an incident, each with the latest time that one which waits is due at.
pub(super) async fn told(
    conn: &mut SqliteConnection,
    incident: IncidentId,
) -> error::Result<Vec<(String, Option<Timestamp>)>> {
    let rows = sqlx::query_as::<_, (String, Option<i64>)>(TOLD).bind(incident.to_string()).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(channel, due_at)| (channel, due_at.map(instant))).collect())
}

const CANCEL: &str = "UPDATE pingmon_deliveries SET state = 'folded', last_error = ?4
    WHERE incident = ?1 AND event IN (?2, ?3) AND state = 'pending' AND attempts = 0";

/// Folds what was never attempted of an incident's deliveries that tell of such events, on whatever channel.
pub(super) async fn cancel(
    conn: &mut SqliteConnection,
    incident: &str,
    [event, other]: [Event; 2],
    why: Fold,
) -> error::Result<()> {
    let cancel = sqlx::query(CANCEL).bind(incident).bind(event.as_str()).bind(other.as_str());
    cancel.bind(why.reason()).execute(conn).await?;
    Ok(())
}

// Ordered by the key of the pending: what has an earlier one of its channel and monitor waits for it.
const READY: &str = "SELECT id, event FROM pingmon_deliveries d
    WHERE channel = ?1 AND state = 'pending' AND taken_by IS NULL AND leader IS NULL AND due_at <= ?2 AND NOT EXISTS (
        SELECT 1 FROM pingmon_deliveries earlier
        WHERE earlier.channel = d.channel AND earlier.monitor = d.monitor AND earlier.state = 'pending'
            AND (earlier.at, earlier.sequence, earlier.id) < (d.at, d.sequence, d.id))
    ORDER BY at, sequence, id LIMIT ?3";
const FOLD_UNHEARD: &str = "UPDATE pingmon_deliveries AS d SET state = 'folded', last_error = ?2
    WHERE id = ?1 AND attempts = 0 AND NOT EXISTS (
        SELECT 1 FROM pingmon_deliveries told
        WHERE told.incident = d.incident AND told.channel = d.channel
            AND (told.state = 'sent' OR (told.state = 'folded' AND told.last_error = ?3)))";

/// Takes what is ready; what tells of the end of incidents of which the channel has heard nothing is folded instead, and
/// what waited behind it looked for, as is more when some went with others.
async fn take(
    conn: &mut SqliteConnection,
    session: SessionId,
    channel: &str,
    now: Timestamp,
    limit: usize,
) -> error::Result<Vec<Delivery>> {
    let mut taken = Vec::new();
    loop {
        let ready = sqlx::query_as::<_, (Uuid, String)>(READY).bind(channel).bind(now.as_micros());
        let ready = ready.bind(row_limit(limit - taken.len())).fetch_all(&mut *conn).await?;
        if fold_unheard(conn, &ready).await? {
            continue;
        }
        let before = taken.len();
        for (id, _) in &ready {
            taken.extend(take_one(conn, session, *id, now).await?);
        }
        if taken.len() - before == ready.len() || taken.len() == limit {
            taken.sort_by_key(|delivery| (delivery.notification.at, delivery.sequence, delivery.id()));
            return Ok(taken);
        }
    }
}

/// Folds those that tell of the end of an incident of which their channel has heard nothing; says whether there were any.
pub(super) async fn fold_unheard(conn: &mut SqliteConnection, deliveries: &[(Uuid, String)]) -> error::Result<bool> {
    let mut folded = 0;
    for (id, _) in deliveries.iter().filter(|(_, event)| event == Event::Resolved.as_str()) {
        let fold = sqlx::query(FOLD_UNHEARD).bind(id).bind(Fold::Unheard.reason()).bind(Fold::Resolved.reason());
        folded += fold.execute(&mut *conn).await?.rows_affected();
    }
    Ok(folded > 0)
}

const TAKE: &str =
    "UPDATE pingmon_deliveries SET taken_by = ?2, attempts = attempts + 1 WHERE id = ?1 AND leader IS NULL
    RETURNING sequence, due_at, expires_at, state, attempts, last_error, receipt, group_key, leader, notification";
const RECEIPT: &str = "SELECT receipt FROM pingmon_deliveries
    WHERE incident = ?1 AND channel = ?2 AND receipt IS NOT NULL ORDER BY at, sequence, id LIMIT 1";
const OPENING: &str = "SELECT notification ->> '$.incident.message' FROM pingmon_deliveries
    WHERE incident = ?1 AND channel = ?2 AND state = 'folded' AND last_error = ?3 AND event = 'opened' LIMIT 1";

/// Takes a delivery, and with it those of its group; none when it has gone with another meanwhile.
async fn take_one(
    conn: &mut SqliteConnection,
    session: SessionId,
    id: Uuid,
    now: Timestamp,
) -> error::Result<Option<Delivery>> {
    let take = sqlx::query_as::<_, StoredDelivery>(TAKE).bind(id).bind(*session.as_uuid());
    let Some(taken) = take.fetch_optional(&mut *conn).await? else { return Ok(None) };
    let mut taken = taken.into_delivery()?;
    let notice = &mut taken.notification;
    let first = sqlx::query_scalar::<_, String>(RECEIPT).bind(notice.incident.id.to_string()).bind(&notice.channel);
    notice.receipt = receipt(first.fetch_optional(&mut *conn).await?);
    add_opening(conn, notice).await?;
    if taken.group.is_some() {
        if taken.attempts == 1 {
            groups::gather(conn, id, now).await?;
        }
        taken.notification.also = groups::company(conn, id).await?;
    }
    Ok(Some(taken))
}

/// Has a notice that an incident is resolved say what opened it, if it is to tell of the whole outage.
pub(super) async fn add_opening(conn: &mut SqliteConnection, notice: &mut Notification) -> error::Result<()> {
    if notice.event == Event::Resolved {
        let opening = sqlx::query_scalar(OPENING).bind(notice.incident.id.to_string()).bind(&notice.channel);
        notice.opening = opening.bind(Fold::Resolved.reason()).fetch_optional(conn).await?;
    }
    Ok(())
}

const PUT_BACK: &str = "UPDATE pingmon_deliveries SET taken_by = NULL
    WHERE channel = ? AND taken_by = ? AND state = 'pending'";

// What is held back wasn't attempted, and expires as much later.
const SETTLE: &str = "UPDATE pingmon_deliveries
    SET taken_by = NULL, state = ?4, due_at = coalesce(?5, due_at), last_error = coalesce(?6, last_error), receipt = ?7,
        attempts = attempts - ?8, expires_at = expires_at + CASE WHEN ?8 THEN max(?5 - due_at, 0) ELSE 0 END
    WHERE id = ?1 AND taken_by = ?2 AND attempts = ?3 AND state = 'pending' RETURNING id";

async fn settle(conn: &mut SqliteConnection, session: SessionId, settlement: &Settlement) -> error::Result<()> {
    let receipt = if let Settled::Sent(receipt) = &settlement.settled { receipt.as_ref() } else { None };
    let (state, due_at, last_error) = match &settlement.settled {
        Settled::Sent(_) => (DeliveryState::Sent, None, None),
        Settled::Retry { due_at, error } => (DeliveryState::Pending, Some(due_at.as_micros()), Some(error.as_str())),
        Settled::Held { due_at } => (DeliveryState::Pending, Some(due_at.as_micros()), None),
        Settled::Dead { error } => (DeliveryState::Dead, None, Some(error.as_str())),
    };
    let held = matches!(settlement.settled, Settled::Held { .. });
    let query = sqlx::query_scalar::<_, Uuid>(SETTLE).bind(*settlement.delivery.as_uuid()).bind(*session.as_uuid());
    let query = query.bind(settlement.attempt).bind(state.as_str()).bind(due_at).bind(last_error);
    let settled = query.bind(receipt.map(Receipt::as_str)).bind(held).fetch_all(&mut *conn).await?;
    groups::follow_all(conn, &settled).await
}

const EXPIRE: &str = "UPDATE pingmon_deliveries SET state = 'dead', last_error = 'expired before the channel took it'
    WHERE id IN (SELECT id FROM pingmon_deliveries
        WHERE state = 'pending' AND taken_by IS NULL AND leader IS NULL AND expires_at <= ?1 LIMIT ?2)
    RETURNING id";

const RESEND: &str = "UPDATE pingmon_deliveries SET state = 'pending', due_at = ?2, expires_at = ?3, leader = NULL
    WHERE id = ?1 AND state = 'dead' RETURNING id";

macro_rules! latest {
    ($where:literal) => {
        concat!(
            "SELECT sequence, due_at, expires_at, state, attempts, last_error, receipt, group_key, leader, notification
            FROM pingmon_deliveries
            WHERE ",
            $where,
            "(?2 IS NULL OR state = ?2) ORDER BY at DESC, sequence DESC, id DESC LIMIT ?3"
        )
    };
}
const ALL: &str = latest!("");
const OF_MONITOR: &str = latest!("monitor = ?1 AND ");

async fn list(conn: &mut SqliteConnection, filter: DeliveryFilter, limit: usize) -> error::Result<Vec<Delivery>> {
    let statement = if filter.monitor.is_some() { OF_MONITOR } else { ALL };
    let query = sqlx::query_as::<_, StoredDelivery>(statement).bind(filter.monitor.map(|monitor| *monitor.as_uuid()));
    let query = query.bind(filter.state.map(DeliveryState::as_str)).bind(row_limit(limit));
    query.fetch_all(conn).await?.into_iter().map(StoredDelivery::into_delivery).collect()
}
