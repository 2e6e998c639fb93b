//! The incidents that were, and are.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pingmon_core::{
    error::{Error, Result},
    id::{IncidentId, MonitorId},
    incident::{Event, Incident, acknowledger},
    notification::Fold,
    store::incidents::{IncidentFilter, Incidents},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    PgStore,
    batch::{column, waves},
    catalog, outbox,
    rows::{before, limit as row_limit},
    transactions::Transaction,
};
use crate::{codec::word, error};

#[async_trait]
impl Incidents for PgStore {
    async fn incident(&self, id: IncidentId) -> Result<Incident> {
        let found = self.read("read an incident", move |mut tx| {
            Box::pin(async move {
                let row: Option<IncidentRow> = tx.rows(ONE).bind(*id.as_uuid()).fetch_optional(tx.conn()).await?;
                row.map(IncidentRow::into_incident).transpose()
            })
        });
        found.await?.ok_or_else(|| Error::not_found(format!("incident {id}")))
    }

    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        let by = acknowledger(by)?.to_owned();
        let acknowledged = self.write("acknowledge an incident", move |mut tx| {
            Box::pin(async move { acknowledge(&mut tx, id, &by).await })
        });
        acknowledged.await?.ok_or_else(|| Error::not_found(format!("open incident {id}")))
    }

    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>> {
        self.read("list incidents", move |mut tx| Box::pin(async move { list(&mut tx, filter, limit).await })).await
    }
}

// What is closed stays so. Asked in a way of which no index and no statistics know, see `completions`.
const CHANGE: &str = "UPDATE {schema}.incidents i
    SET level = new.level, closed_at = new.closed_at, closed = new.closed
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[]) AS new (id, level, closed_at, closed)
    WHERE i.id = new.id AND coalesce(i.closed_at IS NULL, false)";
// An incident keeps what the run said that opened it; what is open isn't opened again.
const OPEN_NEW: &str = "INSERT INTO {schema}.incidents
    (id, level, closed_at, closed, monitor, about, failing_since, opened_at, opened_slot, message)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[],
        $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[])
    ON CONFLICT DO NOTHING";

/// Writes incidents as they are after a change. Their monitors are locked.
pub(super) async fn write<'i>(
    tx: &mut Transaction<'_>,
    incidents: impl IntoIterator<Item = &'i Incident>,
) -> error::Result<()> {
    for incidents in waves(incidents, |incident| incident.monitor) {
        let ids = column(&incidents, |incident| *incident.id.as_uuid());
        let levels = column(&incidents, |incident| incident.level.as_str());
        let closed_at = column(&incidents, |incident| incident.closed_at.map(Timestamp::to_datetime));
        let closed = column(&incidents, |incident| incident.closed.map(|closed| closed.as_str()));
        let change = tx.query(CHANGE).bind(&ids).bind(&levels).bind(&closed_at).bind(&closed);
        change.execute(tx.conn()).await?;
        let open = tx.query(OPEN_NEW).bind(ids).bind(levels).bind(closed_at).bind(closed);
        let open = open.bind(column(&incidents, |incident| *incident.monitor.as_uuid()));
        let open = open.bind(column(&incidents, |incident| incident.about.as_str()));
        let open = open.bind(column(&incidents, |incident| incident.failing_since.to_datetime()));
        let open = open.bind(column(&incidents, |incident| incident.opened_at.to_datetime()));
        let open = open.bind(column(&incidents, |incident| incident.opened_slot.to_datetime()));
        open.bind(column(&incidents, |incident| incident.message.as_str())).execute(tx.conn()).await?;
    }
    Ok(())
}

macro_rules! select {
    ($($where:literal),+) => {
        concat!(
            "SELECT id, monitor, about, level, failing_since, opened_at, opened_slot, message, closed_at, closed,
                acknowledged_at, acknowledged_by
            FROM {schema}.incidents WHERE ",
            $($where),+
        )
    };
}
macro_rules! latest {
    ($where:literal) => {
        select!($where, "opened_at < $1 ORDER BY opened_at DESC, id DESC LIMIT $2")
    };
}

const ONE: &str = select!("id = $1");
const ALL: &str = latest!("");
const OPEN: &str = latest!("closed_at IS NULL AND ");
const OF_MONITOR: &str = latest!("monitor = $3 AND ");
const OPEN_OF_MONITOR: &str = latest!("monitor = $3 AND closed_at IS NULL AND ");

const ACKNOWLEDGE: &str = "UPDATE {schema}.incidents SET acknowledged_at = {schema}.clock(), acknowledged_by = $2
    WHERE id = $1 AND closed_at IS NULL AND acknowledged_at IS NULL";

/// Notes who sees to an incident, unless somebody does; answers it, if it is open.
async fn acknowledge(tx: &mut Transaction<'_>, id: IncidentId, by: &str) -> error::Result<Option<Incident>> {
    let found: Option<IncidentRow> = tx.rows(ONE).bind(*id.as_uuid()).fetch_optional(tx.conn()).await?;
    let Some(found) = found else { return Ok(None) };
    // Whoever closes it meanwhile holds the monitor, so it's looked at again once that is ours.
    catalog::acknowledge(tx, MonitorId::from_uuid(found.monitor), id).await?;
    tx.query(ACKNOWLEDGE).bind(*id.as_uuid()).bind(by).execute(tx.conn()).await?;
    let row: IncidentRow = tx.rows(ONE).bind(*id.as_uuid()).fetch_one(tx.conn()).await?;
    if row.closed_at.is_some() {
        return Ok(None);
    }
    outbox::cancel(tx, vec![*id.as_uuid()], &[Event::Reminder, Event::Escalated], Fold::Acknowledged).await?;
    row.into_incident().map(Some)
}

async fn list(tx: &mut Transaction<'_>, filter: IncidentFilter, limit: usize) -> error::Result<Vec<Incident>> {
    let statement = match (filter.monitor, filter.open) {
        (None, false) => ALL,
        (None, true) => OPEN,
        (Some(_), false) => OF_MONITOR,
        (Some(_), true) => OPEN_OF_MONITOR,
    };
    let mut query = tx.rows::<IncidentRow>(statement).bind(before(filter.before)).bind(row_limit(limit));
    if let Some(monitor) = filter.monitor {
        query = query.bind(*monitor.as_uuid());
    }
    query.fetch_all(tx.conn()).await?.into_iter().map(IncidentRow::into_incident).collect()
}

#[derive(sqlx::FromRow)]
struct IncidentRow {
    id: Uuid,
    monitor: Uuid,
    about: String,
    level: String,
    failing_since: DateTime<Utc>,
    opened_at: DateTime<Utc>,
    opened_slot: DateTime<Utc>,
    message: String,
    closed_at: Option<DateTime<Utc>>,
    closed: Option<String>,
    acknowledged_at: Option<DateTime<Utc>>,
    acknowledged_by: Option<String>,
}

impl IncidentRow {
    fn into_incident(self) -> error::Result<Incident> {
        let mut incident = Incident::new(
            IncidentId::from_uuid(self.id),
            MonitorId::from_uuid(self.monitor),
            word("subject of an incident", &self.about)?,
            word("level of an incident", &self.level)?,
            self.failing_since.into(),
            self.opened_at.into(),
            self.opened_slot.into(),
            self.message,
            self.closed_at.map(Timestamp::from),
            self.closed.map(|closed| word("end of an incident", &closed)).transpose()?,
        );
        incident.acknowledged_at = self.acknowledged_at.map(Timestamp::from);
        incident.acknowledged_by = self.acknowledged_by;
        Ok(incident)
    }
}
