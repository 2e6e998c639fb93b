//! Deliveries that go as one message: who goes with whom, and that they share its fate.

use std::collections::HashMap;

use pingmon_core::{
    id::DeliveryId,
    notification::{Companion, Delivery, Fold, Notification},
    store::outbox::MAX_GROUP,
    time::Timestamp,
};
use uuid::Uuid;

use super::{batch::column, rows::limit as row_limit, transactions::Transaction};
use crate::{codec::from_json, error};

/// A delivery, and whether it is of a group.
pub(super) type Grouped = (Uuid, bool);

// Which of a monitor's own are pending before, and don't go along, keep one back: what somebody else is changing doesn't.
// Each subquery of one answer for the reason that stands at TAKE.
const GATHER: &str = "WITH leader AS MATERIALIZED (
        SELECT id, channel, group_key, at, sequence FROM {schema}.deliveries WHERE id = ANY($1)),
    company AS MATERIALIZED (
        SELECT m.*, leader.id AS led_by FROM leader CROSS JOIN LATERAL (
            SELECT m.id, m.incident, m.event, m.channel, m.monitor, m.at, m.sequence FROM {schema}.deliveries m
            WHERE m.channel = leader.channel AND m.group_key = leader.group_key AND m.state = 'pending'
                AND m.attempts = 0 AND m.at <= $2 AND (m.at, m.sequence, m.id) > (leader.at, leader.sequence, leader.id)
                AND (SELECT earlier.id FROM {schema}.deliveries earlier
                    WHERE earlier.channel = m.channel AND earlier.monitor = m.monitor AND earlier.state = 'pending'
                        AND (earlier.at, earlier.sequence, earlier.id) < (m.at, m.sequence, m.id)
                        AND earlier.id <> leader.id AND NOT (
                            earlier.attempts = 0 AND coalesce(earlier.group_key = m.group_key, false)
                            AND (earlier.at, earlier.sequence, earlier.id) > (leader.at, leader.sequence, leader.id))
                    LIMIT 1) IS NULL
            ORDER BY m.at, m.sequence, m.id LIMIT $3) AS m),
    locked AS MATERIALIZED (
        SELECT id FROM {schema}.deliveries
        WHERE id = ANY(ARRAY(SELECT id FROM company)) AND state = 'pending' AND attempts = 0 FOR UPDATE SKIP LOCKED),
    ruled AS MATERIALIZED (
        SELECT id, led_by, event = 'resolved' AND (
            SELECT told.id FROM {schema}.deliveries told
            WHERE told.incident = company.incident AND told.channel = company.channel
                AND (told.state = 'sent' OR (told.state = 'folded' AND told.last_error = $4))
            LIMIT 1) IS NULL AS unheard
        FROM company WHERE id IN (SELECT id FROM locked) AND NOT EXISTS (
            SELECT FROM company earlier
            WHERE earlier.monitor = company.monitor AND earlier.id NOT IN (SELECT id FROM locked)
                AND (earlier.at, earlier.sequence, earlier.id) < (company.at, company.sequence, company.id)))
    UPDATE {schema}.deliveries d SET
        leader = CASE WHEN unheard THEN NULL ELSE ruled.led_by END,
        state = CASE WHEN unheard THEN 'folded' ELSE d.state END,
        last_error = CASE WHEN unheard THEN $5 ELSE d.last_error END
    FROM ruled WHERE d.id = ruled.id";

/// Ties to those of `taken` that were taken for the first time what can go with them.
pub(super) async fn gather(tx: &mut Transaction<'_>, taken: &[Delivery], now: Timestamp) -> error::Result<()> {
    let leading: Vec<_> = leading(taken).filter(|delivery| delivery.attempts == 1).collect();
    let gather = tx.query(GATHER).bind(column(&leading, |delivery| *delivery.id().as_uuid()));
    let gather = gather.bind(now.to_datetime()).bind(row_limit(MAX_GROUP - 1));
    gather.bind(Fold::Resolved.reason()).bind(Fold::Unheard.reason()).execute(tx.conn()).await?;
    Ok(())
}

fn leading(taken: &[Delivery]) -> impl Iterator<Item = &Delivery> {
    taken.iter().filter(|delivery| delivery.group.is_some())
}

macro_rules! follow {
    () => {
        "UPDATE {schema}.deliveries m
        SET state = l.state, attempts = l.attempts, due_at = l.due_at, expires_at = l.expires_at, last_error = l.last_error
        FROM {schema}.deliveries l WHERE l.id = ANY($1) AND m.leader = l.id"
    };
}
const FOLLOW: &str = follow!();
const FOLLOW_TAKEN: &str = concat!(
    "WITH company AS (",
    follow!(),
    " RETURNING m.*)
    SELECT leader, notification::text,
        (SELECT told.notification -> 'incident' ->> 'message' FROM {schema}.deliveries told
            WHERE told.incident = company.incident AND told.channel = company.channel AND told.state = 'folded'
                AND told.last_error = $2 AND told.event = 'opened' AND company.event = 'resolved' LIMIT 1)
    FROM company ORDER BY at, sequence, id"
);

/// Has what goes with deliveries stand as they stand.
pub(super) async fn follow(tx: &mut Transaction<'_>, leaders: &[Grouped]) -> error::Result<()> {
    let leaders: Vec<_> = leaders.iter().filter(|(_, grouped)| *grouped).map(|(id, _)| *id).collect();
    if !leaders.is_empty() {
        tx.query(FOLLOW).bind(leaders).execute(tx.conn()).await?;
    }
    Ok(())
}

/// Adds what is told with them to deliveries that are being taken.
pub(super) async fn add_company(tx: &mut Transaction<'_>, taken: &mut [Delivery]) -> error::Result<()> {
    let leaders: Vec<_> = leading(taken).map(|delivery| *delivery.id().as_uuid()).collect();
    if leaders.is_empty() {
        return Ok(());
    }
    let follow = tx.rows::<(Uuid, String, Option<String>)>(FOLLOW_TAKEN).bind(leaders);
    let rows = follow.bind(Fold::Resolved.reason()).fetch_all(tx.conn()).await?;
    let mut company: HashMap<_, Vec<Companion>> = HashMap::new();
    for (leader, notification, opening) in rows {
        let mut notice: Notification = from_json("notification", &notification)?;
        notice.opening = opening;
        company.entry(DeliveryId::from_uuid(leader)).or_default().push(Companion::of(&notice));
    }
    for delivery in taken {
        delivery.notification.also = company.remove(&delivery.id()).unwrap_or_default();
    }
    Ok(())
}

/// Before a monitor's deliveries are deleted: what they lead is led by the next that stays.
pub(super) const HAND_ON: &str = "UPDATE {schema}.deliveries m SET leader = nullif(next.id, m.id)
    FROM (SELECT leader, id, row_number() OVER (PARTITION BY leader ORDER BY at, sequence, id) AS place
        FROM {schema}.deliveries
        WHERE monitor <> $1 AND leader = ANY(ARRAY(SELECT id FROM {schema}.deliveries WHERE monitor = $1))) AS next
    WHERE m.leader = next.leader AND m.monitor <> $1 AND next.place = 1";
