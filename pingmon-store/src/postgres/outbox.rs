//! The durable outbox.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Result,
    id::SessionId,
    notification::{Delivery, DeliveryState},
    store::outbox::{DeliveryFilter, Outbox, Settled, Settlement},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    PgStore,
    batch::{column, waves},
    rows::limit as row_limit,
    sessions,
    transactions::Transaction,
};
use crate::{
    codec::{from_json, to_json, word},
    error,
};

#[async_trait]
impl Outbox for PgStore {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        let channel = channel.to_owned();
        let taken = self.write("take deliveries", move |mut tx| {
            Box::pin(async move {
                let now = sessions::hold(&mut tx, session).await?;
                sessions::end_expired(&mut tx).await?;
                take(&mut tx, session, &channel, now, limit).await
            })
        });
        taken.await
    }

    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()> {
        let channel = channel.to_owned();
        let put_back = self.write("put deliveries back", move |mut tx| {
            Box::pin(async move {
                tx.query(PUT_BACK).bind(channel).bind(*session.as_uuid()).execute(tx.conn()).await?;
                Ok(())
            })
        });
        put_back.await
    }

    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()> {
        let batch = batch.to_vec();
        let settled = self.write("settle deliveries", move |mut tx| {
            Box::pin(async move {
                sessions::hold(&mut tx, session).await?;
                settle(&mut tx, session, &batch).await
            })
        });
        settled.await
    }

    async fn expire(&self, limit: usize) -> Result<u64> {
        let expired = self.write("expire deliveries", move |mut tx| {
            Box::pin(async move {
                sessions::end_expired(&mut tx).await?;
                let expire = tx.query(EXPIRE).bind(row_limit(limit));
                Ok(expire.execute(tx.conn()).await?.rows_affected())
            })
        });
        expired.await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        self.read("list deliveries", move |mut tx| Box::pin(async move { list(&mut tx, filter, limit).await })).await
    }
}

const ENQUEUE: &str = "INSERT INTO {schema}.deliveries
    (id, monitor, channel, at, sequence, due_at, expires_at, state, attempts, last_error, notification)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[],
        $7::timestamptz[], $8::text[], $9::bigint[], $10::text[], $11::text[]::json[])
    ON CONFLICT DO NOTHING";

/// Adds deliveries; one that is there already stays as it is. Their monitors are locked.
pub(super) async fn enqueue(tx: &mut Transaction<'_>, deliveries: &[&DeliveryRow]) -> error::Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let query = tx.query(ENQUEUE).bind(column(deliveries, |row| row.id)).bind(column(deliveries, |row| row.monitor));
    let query = query.bind(column(deliveries, |row| row.channel.as_str())).bind(column(deliveries, |row| row.at));
    let query = query.bind(column(deliveries, |row| row.sequence)).bind(column(deliveries, |row| row.due_at));
    let query = query.bind(column(deliveries, |row| row.expires_at)).bind(column(deliveries, |row| row.state));
    let query = query.bind(column(deliveries, |row| row.attempts));
    let query = query.bind(column(deliveries, |row| row.last_error.as_deref()));
    query.bind(column(deliveries, |row| row.notification.as_str())).execute(tx.conn()).await?;
    Ok(())
}

// What has an earlier one of its channel and monitor waits for it. As a subquery that answers one row, which the planner
// makes no join of: goes along the key from the earliest on and ends with the last that is taken, however many wait.
const TAKE: &str = "WITH ready AS MATERIALIZED (
        SELECT id FROM {schema}.deliveries d
        WHERE channel = $2 AND state = 'pending' AND taken_by IS NULL AND due_at <= $3 AND id = (
            SELECT first.id FROM {schema}.deliveries first
            WHERE first.channel = d.channel AND first.monitor = d.monitor AND first.state = 'pending'
            ORDER BY first.at, first.sequence, first.id LIMIT 1)
        ORDER BY at, sequence, id LIMIT $4 FOR UPDATE SKIP LOCKED),
    taken AS (
        UPDATE {schema}.deliveries d SET taken_by = $1, attempts = d.attempts + 1 FROM ready
        WHERE d.id = ready.id AND d.taken_by IS NULL RETURNING d.*)
    SELECT sequence, due_at, expires_at, state, attempts, last_error, notification::text FROM taken
    ORDER BY at, sequence, id";

async fn take(
    tx: &mut Transaction<'_>,
    session: SessionId,
    channel: &str,
    now: Timestamp,
    limit: usize,
) -> error::Result<Vec<Delivery>> {
    let query = tx.rows::<StoredDelivery>(TAKE).bind(*session.as_uuid()).bind(channel);
    let query = query.bind(now.to_datetime()).bind(row_limit(limit));
    query.fetch_all(tx.conn()).await?.into_iter().map(StoredDelivery::into_delivery).collect()
}

const PUT_BACK: &str = "UPDATE {schema}.deliveries SET taken_by = NULL
    WHERE channel = $1 AND taken_by = $2 AND state = 'pending'";

const SETTLE: &str = "UPDATE {schema}.deliveries d
    SET taken_by = NULL, state = settled.state, due_at = coalesce(settled.due_at, d.due_at),
        last_error = coalesce(settled.error, d.last_error)
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[])
        AS settled (id, attempt, state, due_at, error)
    WHERE d.id = settled.id AND coalesce(d.taken_by = $1, false) AND d.attempts = settled.attempt";

async fn settle(tx: &mut Transaction<'_>, session: SessionId, batch: &[Settlement]) -> error::Result<()> {
    for batch in waves(batch, |settlement| settlement.delivery) {
        let ends = column(&batch, |settlement| end(&settlement.settled));
        let query = tx.query(SETTLE).bind(*session.as_uuid());
        let query = query.bind(column(&batch, |settlement| *settlement.delivery.as_uuid()));
        let query = query.bind(column(&batch, |settlement| i64::from(settlement.attempt)));
        let query = query.bind(column(&ends, |(state, ..)| state.as_str()));
        let query = query.bind(column(&ends, |(_, due_at, _)| *due_at));
        query.bind(column(&ends, |(.., error)| error.as_deref())).execute(tx.conn()).await?;
    }
    Ok(())
}

/// How a delivery stands after an attempt, when it is due again, and what went wrong.
fn end(settled: &Settled) -> (DeliveryState, Option<DateTime<Utc>>, Option<String>) {
    match settled {
        Settled::Sent => (DeliveryState::Sent, None, None),
        Settled::Retry { due_at, error } => {
            (DeliveryState::Pending, Some(due_at.to_datetime()), Some(without_nul(error)))
        }
        Settled::Dead { error } => (DeliveryState::Dead, None, Some(without_nul(error))),
    }
}

/// What a channel said, without the one character that PostgreSQL can't hold.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

const EXPIRE: &str = "UPDATE {schema}.deliveries SET state = 'dead', last_error = 'expired before the channel took it'
    WHERE id = ANY(ARRAY(SELECT id FROM {schema}.deliveries
        WHERE state = 'pending' AND taken_by IS NULL AND expires_at <= {schema}.clock()
        LIMIT $1 FOR UPDATE SKIP LOCKED))";

macro_rules! latest {
    ($where:literal) => {
        concat!(
            "SELECT sequence, due_at, expires_at, state, attempts, last_error, notification::text
            FROM {schema}.deliveries WHERE ",
            $where,
            "($1::text IS NULL OR state = $1) ORDER BY at DESC, sequence DESC, id DESC LIMIT $2"
        )
    };
}
const ALL: &str = latest!("");
const OF_MONITOR: &str = latest!("monitor = $3 AND ");

async fn list(tx: &mut Transaction<'_>, filter: DeliveryFilter, limit: usize) -> error::Result<Vec<Delivery>> {
    let statement = if filter.monitor.is_some() { OF_MONITOR } else { ALL };
    let query = tx.rows::<StoredDelivery>(statement).bind(filter.state.map(DeliveryState::as_str));
    let mut query = query.bind(row_limit(limit));
    if let Some(monitor) = filter.monitor {
        query = query.bind(*monitor.as_uuid());
    }
    query.fetch_all(tx.conn()).await?.into_iter().map(StoredDelivery::into_delivery).collect()
}

/// A delivery to be stored.
pub(super) struct DeliveryRow {
    id: Uuid,
    monitor: Uuid,
    channel: String,
    at: DateTime<Utc>,
    sequence: i64,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    state: &'static str,
    attempts: i64,
    last_error: Option<String>,
    notification: String,
}

impl DeliveryRow {
    pub(super) fn from_delivery(delivery: &Delivery) -> error::Result<Self> {
        let notification = &delivery.notification;
        Ok(Self {
            id: *notification.id.as_uuid(),
            monitor: *notification.monitor.id.as_uuid(),
            channel: notification.channel.clone(),
            at: notification.at.to_datetime(),
            sequence: i64::from(delivery.sequence),
            due_at: delivery.due_at.to_datetime(),
            expires_at: delivery.expires_at.to_datetime(),
            state: delivery.state.as_str(),
            attempts: i64::from(delivery.attempts),
            last_error: delivery.last_error.as_deref().map(without_nul),
            notification: to_json("notification", notification)?,
        })
    }
}

/// A delivery as it is read.
#[derive(sqlx::FromRow)]
struct StoredDelivery {
    sequence: i64,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    state: String,
    attempts: i64,
    last_error: Option<String>,
    notification: String,
}

impl StoredDelivery {
    fn into_delivery(self) -> error::Result<Delivery> {
        Ok(Delivery::new(
            from_json("notification", &self.notification)?,
            u32::try_from(self.sequence).unwrap_or(u32::MAX),
            self.due_at.into(),
            self.expires_at.into(),
            word("state of a delivery", &self.state)?,
            u32::try_from(self.attempts).unwrap_or(u32::MAX),
            self.last_error,
        ))
    }
}
