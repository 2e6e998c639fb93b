//! The durable outbox.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::{Error, Result},
    id::{DeliveryId, IncidentId, SessionId},
    incident::Event,
    notification::{Delivery, DeliveryState, Fold, Receipt},
    store::outbox::{DeliveryFilter, Outbox, Settled, Settlement},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    PgStore,
    batch::{column, waves},
    deliveries::{DeliveryRow, StoredDelivery, TakenDelivery, without_nul},
    groups,
    rows::limit as row_limit,
    sessions,
    transactions::Transaction,
};
use crate::error;

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
                let expired = tx.rows(EXPIRE).bind(row_limit(limit)).fetch_all(tx.conn()).await?;
                groups::follow(&mut tx, &expired).await?;
                Ok(expired.len() as u64)
            })
        });
        expired.await
    }

    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()> {
        let resent = self.write("resend a dead letter", move |mut tx| {
            Box::pin(async move {
                let now = sessions::now(&mut tx).await?;
                let resend = tx.rows(RESEND).bind(*id.as_uuid()).bind(now.to_datetime());
                let resent = resend.bind((now + expiry).to_datetime()).fetch_all(tx.conn()).await?;
                groups::follow(&mut tx, &resent).await?;
                Ok(resent.len())
            })
        });
        if resent.await? == 0 { Err(Error::not_found(format!("dead letter {id}"))) } else { Ok(()) }
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        self.read("list deliveries", move |mut tx| Box::pin(async move { list(&mut tx, filter, limit).await })).await
    }
}

const ENQUEUE: &str = "INSERT INTO {schema}.deliveries
    (id, monitor, channel, at, sequence, due_at, expires_at, state, attempts, last_error, group_key, notification)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[],
        $7::timestamptz[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[]::json[])
    ON CONFLICT DO NOTHING";

// What the notices make needless of those before them, of their incident and on their channel. The state is asked in a way
// of which no index knows: along the few that wait usually, a batch would go through all that wait in a bad hour.
const FOLD: &str = "UPDATE {schema}.deliveries d
    SET state = 'folded', last_error = CASE WHEN later.event = 'resolved' THEN $7 ELSE $8 END
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::uuid[], $6::text[])
        AS later (incident, channel, at, sequence, id, event)
    WHERE d.incident = later.incident AND d.channel = later.channel AND coalesce(d.state = 'pending', false)
        AND d.attempts = 0 AND (d.at, d.sequence, d.id) < (later.at, later.sequence, later.id)
        AND (d.event IN ('reminder', 'worsened') OR (d.event = 'opened' AND later.event = 'resolved')
            OR (d.event = 'escalated' AND later.event = 'escalated' AND d.at = later.at))";

// What would hold up the notices goes out no later than they do. OFFSET 0 has the subquery done for each notice, along the
// key of what waits for its channel and monitor: as a join, it might go through all that wait.
const BRING_FORWARD: &str = "UPDATE {schema}.deliveries d SET due_at = sooner.due_at, group_key = NULL
    FROM (SELECT earlier.id, min(later.due_at) AS due_at
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::uuid[], $6::timestamptz[])
            AS later (monitor, channel, at, sequence, id, due_at)
        CROSS JOIN LATERAL (SELECT id FROM {schema}.deliveries
            WHERE channel = later.channel AND monitor = later.monitor AND state = 'pending' AND attempts = 0
                AND due_at > later.due_at AND (at, sequence, id) < (later.at, later.sequence, later.id)
            OFFSET 0) earlier
        GROUP BY earlier.id) sooner
    WHERE d.id = sooner.id AND coalesce(d.state = 'pending', false) AND d.attempts = 0";

/// Adds deliveries, folds what they make needless and brings forward what would hold them up; one that is there already
/// stays as it is. Their monitors are locked.
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
    let query = query.bind(column(deliveries, |row| row.group.as_deref()));
    query.bind(column(deliveries, |row| row.notification.as_str())).execute(tx.conn()).await?;
    let later: Vec<_> = deliveries.iter().filter(|row| row.event != Event::Opened).collect();
    if !later.is_empty() {
        let fold = tx.query(FOLD).bind(column(&later, |row| row.incident));
        let fold = fold.bind(column(&later, |row| row.channel.as_str())).bind(column(&later, |row| row.at));
        let fold = fold.bind(column(&later, |row| row.sequence)).bind(column(&later, |row| row.id));
        let fold = fold.bind(column(&later, |row| row.event.as_str()));
        fold.bind(Fold::Resolved.reason()).bind(Fold::Superseded.reason()).execute(tx.conn()).await?;
    }
    let news: Vec<_> = deliveries.iter().filter(|row| row.event != Event::Reminder).collect();
    if !news.is_empty() {
        let forward = tx.query(BRING_FORWARD).bind(column(&news, |row| row.monitor));
        let forward = forward.bind(column(&news, |row| row.channel.as_str())).bind(column(&news, |row| row.at));
        let forward = forward.bind(column(&news, |row| row.sequence)).bind(column(&news, |row| row.id));
        forward.bind(column(&news, |row| row.due_at)).execute(tx.conn()).await?;
    }
    let resolved: Vec<_> = later.into_iter().filter(|row| row.event == Event::Resolved).collect();
    cancel(tx, column(&resolved, |row| row.incident), &[Event::Escalated], Fold::Over).await
}

const TOLD: &str = "SELECT channel, max(due_at) FILTER (WHERE state = 'pending' AND event <> 'escalated')
    FROM {schema}.deliveries WHERE incident = $1 GROUP BY channel ORDER BY channel";

/// The channels that have deliveries of an incident, each with the latest time that one which waits is due at.
pub(super) async fn told(
    tx: &mut Transaction<'_>,
    incident: IncidentId,
) -> error::Result<Vec<(String, Option<Timestamp>)>> {
    let rows = tx.rows::<(String, Option<DateTime<Utc>>)>(TOLD).bind(*incident.as_uuid()).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(channel, due_at)| (channel, due_at.map(Into::into))).collect())
}

const CANCEL: &str = "UPDATE {schema}.deliveries d SET state = 'folded', last_error = $3
    WHERE incident = ANY($1) AND event = ANY($2) AND coalesce(state = 'pending', false) AND attempts = 0";

/// Folds what was never attempted of incidents' deliveries that tell of such events, on whatever channel.
pub(super) async fn cancel(
    tx: &mut Transaction<'_>,
    incidents: Vec<Uuid>,
    events: &[Event],
    why: Fold,
) -> error::Result<()> {
    if !incidents.is_empty() {
        let cancel = tx.query(CANCEL).bind(incidents).bind(column(events, |event| event.as_str()));
        cancel.bind(why.reason()).execute(tx.conn()).await?;
    }
    Ok(())
}

// What has an earlier one of its channel and monitor waits for it. As a subquery that answers one row, which the planner
// makes no join of: goes along the key from the earliest on and ends with the last that is taken, however many wait.
// Whoever is told that an incident is resolved has heard of it; else that is folded, and nothing is taken yet: what waited
// behind it may come first. Of a group the first is taken; only who has the channel's lock takes any, or two would share one
// group. The lock is asked for when the first such row is met: a channel without groups doesn't know it. Receipts and
// openings are looked for by their incident, each in a subquery that answers one row, for the same reason as above.
const TAKE: &str = "WITH ready AS MATERIALIZED (
        SELECT id, incident, event, attempts, group_key, at, sequence FROM {schema}.deliveries d
        WHERE channel = $2 AND state = 'pending' AND taken_by IS NULL AND leader IS NULL AND due_at <= $3 AND id = (
            SELECT first.id FROM {schema}.deliveries first
            WHERE first.channel = d.channel AND first.monitor = d.monitor AND first.state = 'pending'
            ORDER BY first.at, first.sequence, first.id LIMIT 1)
            AND (group_key IS NULL OR attempts > 0
                OR (SELECT pg_try_advisory_xact_lock(hashtextextended('{schema}.deliveries ' || $2, 0))))
        ORDER BY at, sequence, id LIMIT $4 FOR UPDATE SKIP LOCKED),
    ruled AS MATERIALIZED (
        SELECT ready.*, event = 'resolved' AND attempts = 0 AND (
            SELECT told.id FROM {schema}.deliveries told
            WHERE told.incident = ready.incident AND told.channel = $2
                AND (told.state = 'sent' OR (told.state = 'folded' AND told.last_error = $5))
            LIMIT 1) IS NULL AS unheard
        FROM ready),
    chosen AS MATERIALIZED (
        SELECT id, unheard, unheard OR (NOT bool_or(unheard) OVER () AND (group_key IS NULL OR attempts > 0
            OR row_number() OVER (PARTITION BY group_key, attempts > 0 ORDER BY at, sequence, id) = 1)) AS is_next
        FROM ruled),
    taken AS (
        UPDATE {schema}.deliveries d SET
            taken_by = CASE WHEN unheard THEN NULL ELSE $1 END, attempts = d.attempts + CASE WHEN unheard THEN 0 ELSE 1 END,
            state = CASE WHEN unheard THEN 'folded' ELSE d.state END,
            last_error = CASE WHEN unheard THEN $6 ELSE d.last_error END
        FROM chosen WHERE is_next AND d.id = chosen.id AND d.taken_by IS NULL RETURNING d.*)
    SELECT sequence, due_at, expires_at, state, attempts, last_error, receipt, group_key, leader, notification::text,
        (SELECT told.receipt FROM {schema}.deliveries told
            WHERE told.incident = taken.incident AND told.channel = $2 AND told.receipt IS NOT NULL
            ORDER BY told.at, told.sequence, told.id LIMIT 1) AS first_receipt,
        (SELECT told.notification -> 'incident' ->> 'message' FROM {schema}.deliveries told
            WHERE told.incident = taken.incident AND told.channel = $2 AND told.state = 'folded'
                AND told.last_error = $5 AND told.event = 'opened' AND taken.event = 'resolved' LIMIT 1) AS opening
    FROM taken ORDER BY at, sequence, id";

/// Takes what is ready, until there is no more: where some were folded, or went with others, there may be.
async fn take(
    tx: &mut Transaction<'_>,
    session: SessionId,
    channel: &str,
    now: Timestamp,
    limit: usize,
) -> error::Result<Vec<Delivery>> {
    let mut taken = Vec::new();
    loop {
        let query = tx.rows::<TakenDelivery>(TAKE).bind(*session.as_uuid()).bind(channel);
        let query = query.bind(now.to_datetime()).bind(row_limit(limit - taken.len()));
        let query = query.bind(Fold::Resolved.reason()).bind(Fold::Unheard.reason());
        let ruled = query.fetch_all(tx.conn()).await?;
        let (folded, leading) = (ruled.iter().any(TakenDelivery::is_folded), ruled.iter().any(TakenDelivery::leads));
        let before = taken.len();
        for row in ruled.into_iter().filter(|row| !row.is_folded()) {
            taken.push(row.into_delivery()?);
        }
        if leading {
            groups::gather(tx, &taken[before..], now).await?;
        }
        if (!folded && !leading) || taken.len() == limit {
            break;
        }
    }
    groups::add_company(tx, &mut taken).await?;
    taken.sort_by_key(|delivery| (delivery.notification.at, delivery.sequence, delivery.id()));
    Ok(taken)
}

const PUT_BACK: &str = "UPDATE {schema}.deliveries SET taken_by = NULL
    WHERE channel = $1 AND taken_by = $2 AND state = 'pending'";

// What is held back wasn't attempted, and expires as much later.
const SETTLE: &str = "UPDATE {schema}.deliveries d
    SET taken_by = NULL, state = settled.state, due_at = coalesce(settled.due_at, d.due_at),
        last_error = coalesce(settled.error, d.last_error), receipt = settled.receipt,
        attempts = d.attempts - settled.held::int,
        expires_at = d.expires_at + CASE WHEN settled.held
            THEN greatest(settled.due_at - d.due_at, interval '0') ELSE interval '0' END
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[])
        AS settled (id, attempt, state, due_at, error, receipt, held)
    WHERE d.id = settled.id AND coalesce(d.taken_by = $1, false) AND d.attempts = settled.attempt
    RETURNING d.id, d.group_key IS NOT NULL";

async fn settle(tx: &mut Transaction<'_>, session: SessionId, batch: &[Settlement]) -> error::Result<()> {
    for batch in waves(batch, |settlement| settlement.delivery) {
        let ends = column(&batch, |settlement| end(&settlement.settled));
        let query = tx.rows(SETTLE).bind(*session.as_uuid());
        let query = query.bind(column(&batch, |settlement| *settlement.delivery.as_uuid()));
        let query = query.bind(column(&batch, |settlement| i64::from(settlement.attempt)));
        let query = query.bind(column(&ends, |(state, ..)| state.as_str()));
        let query = query.bind(column(&ends, |(_, due_at, _)| *due_at));
        let query = query.bind(column(&ends, |(.., error)| error.as_deref()));
        let query = query.bind(column(&batch, |settlement| receipt_of(&settlement.settled)));
        let held = column(&batch, |settlement| matches!(settlement.settled, Settled::Held { .. }));
        let settled = query.bind(held).fetch_all(tx.conn()).await?;
        groups::follow(tx, &settled).await?;
    }
    Ok(())
}

/// How a delivery stands after an attempt, when it is due again, and what went wrong.
fn end(settled: &Settled) -> (DeliveryState, Option<DateTime<Utc>>, Option<String>) {
    match settled {
        Settled::Sent(_) => (DeliveryState::Sent, None, None),
        Settled::Retry { due_at, error } => {
            (DeliveryState::Pending, Some(due_at.to_datetime()), Some(without_nul(error)))
        }
        Settled::Held { due_at } => (DeliveryState::Pending, Some(due_at.to_datetime()), None),
        Settled::Dead { error } => (DeliveryState::Dead, None, Some(without_nul(error))),
    }
}

fn receipt_of(settled: &Settled) -> Option<String> {
    let Settled::Sent(receipt) = settled else { return None };
    receipt.as_ref().map(Receipt::as_str).map(without_nul)
}

const EXPIRE: &str = "UPDATE {schema}.deliveries SET state = 'dead', last_error = 'expired before the channel took it'
    WHERE id = ANY(ARRAY(SELECT id FROM {schema}.deliveries
        WHERE state = 'pending' AND taken_by IS NULL AND leader IS NULL AND expires_at <= {schema}.clock()
        LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id, group_key IS NOT NULL";

const RESEND: &str = "UPDATE {schema}.deliveries SET state = 'pending', due_at = $2, expires_at = $3, leader = NULL
    WHERE id = $1 AND state = 'dead' RETURNING id, group_key IS NOT NULL";

macro_rules! latest {
    ($where:literal) => {
        concat!(
            "SELECT sequence, due_at, expires_at, state, attempts, last_error, receipt, group_key, leader,
                notification::text
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
