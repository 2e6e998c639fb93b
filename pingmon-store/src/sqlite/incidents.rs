//! The incidents that were, and are.

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{IncidentId, MonitorId},
    incident::{Event, Incident, acknowledger},
    notification::Fold,
    store::incidents::{IncidentFilter, Incidents},
    time::Timestamp,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{SqliteStore, catalog, outbox, rows::limit as row_limit};
use crate::{
    codec::{instant, word},
    error,
};

#[async_trait]
impl Incidents for SqliteStore {
    async fn incident(&self, id: IncidentId) -> Result<Incident> {
        let found = self.read("read an incident", move |conn| {
            Box::pin(async move {
                let row = sqlx::query_as::<_, IncidentRow>(ONE).bind(*id.as_uuid()).fetch_optional(conn).await?;
                row.map(IncidentRow::into_incident).transpose()
            })
        });
        found.await?.ok_or_else(|| Error::not_found(format!("incident {id}")))
    }

    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        let by = acknowledger(by)?.to_owned();
        let acknowledged = self.write("acknowledge an incident", move |conn, now| {
            Box::pin(async move { acknowledge(conn, id, &by, now).await })
        });
        acknowledged.await?.ok_or_else(|| Error::not_found(format!("open incident {id}")))
    }

    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>> {
        self.read("list incidents", move |conn| Box::pin(list(conn, filter, limit))).await
    }
}

// An incident keeps what the run said that opened it. What is open isn't opened again, what is closed stays so.
const WRITE: &str = "INSERT INTO pingmon_incidents
    (id, monitor, about, level, failing_since, opened_at, opened_slot, message, closed_at, closed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET level = excluded.level, closed_at = excluded.closed_at, closed = excluded.closed
        WHERE closed_at IS NULL
    ON CONFLICT DO NOTHING";

/// Writes incidents as they are after a change.
pub(super) async fn write(conn: &mut SqliteConnection, incidents: &[Incident]) -> error::Result<()> {
    for incident in incidents {
        let query = sqlx::query(WRITE).bind(*incident.id.as_uuid()).bind(*incident.monitor.as_uuid());
        let query = query.bind(incident.about.as_str()).bind(incident.level.as_str());
        let query = query.bind(incident.failing_since.as_micros()).bind(incident.opened_at.as_micros());
        let query = query.bind(incident.opened_slot.as_micros()).bind(incident.message.as_str());
        let query = query.bind(incident.closed_at.map(Timestamp::as_micros));
        query.bind(incident.closed.map(|closed| closed.as_str())).execute(&mut *conn).await?;
    }
    Ok(())
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "SELECT id, monitor, about, level, failing_since, opened_at, opened_slot, message, closed_at, closed,
                acknowledged_at, acknowledged_by
            FROM pingmon_incidents ",
            $($rest),+
        )
    };
}
macro_rules! latest {
    ($rest:literal) => {
        select!($rest, "opened_at < ?2 ORDER BY opened_at DESC, id DESC LIMIT ?3")
    };
}

const ONE: &str = select!("WHERE id = ?1");
const ALL: &str = latest!("WHERE ");
// The few that are open, instead of all that ever were.
const OPEN: &str = latest!("INDEXED BY pingmon_incidents_open WHERE closed_at IS NULL AND ");
const OF_MONITOR: &str = latest!("WHERE monitor = ?1 AND ");
const OPEN_OF_MONITOR: &str =
    latest!("INDEXED BY pingmon_incidents_open WHERE monitor = ?1 AND closed_at IS NULL AND ");

const ACKNOWLEDGE: &str = "UPDATE pingmon_incidents SET acknowledged_at = ?2, acknowledged_by = ?3
    WHERE id = ?1 AND acknowledged_at IS NULL";

/// Notes who sees to an incident, unless somebody does; answers it, if it is open.
async fn acknowledge(
    conn: &mut SqliteConnection,
    id: IncidentId,
    by: &str,
    now: Timestamp,
) -> error::Result<Option<Incident>> {
    let find = sqlx::query_as::<_, IncidentRow>(ONE).bind(*id.as_uuid()).fetch_optional(&mut *conn);
    let Some(row) = find.await?.filter(|row| row.closed_at.is_none()) else { return Ok(None) };
    catalog::acknowledge(conn, MonitorId::from_uuid(row.monitor), id).await?;
    let acknowledge = sqlx::query(ACKNOWLEDGE).bind(*id.as_uuid()).bind(now.as_micros()).bind(by);
    acknowledge.execute(&mut *conn).await?;
    outbox::cancel(conn, &id.to_string(), [Event::Reminder, Event::Escalated], Fold::Acknowledged).await?;
    let row: IncidentRow = sqlx::query_as(ONE).bind(*id.as_uuid()).fetch_one(conn).await?;
    row.into_incident().map(Some)
}

async fn list(conn: &mut SqliteConnection, filter: IncidentFilter, limit: usize) -> error::Result<Vec<Incident>> {
    let statement = match (filter.monitor, filter.open) {
        (None, false) => ALL,
        (None, true) => OPEN,
        (Some(_), false) => OF_MONITOR,
        (Some(_), true) => OPEN_OF_MONITOR,
    };
    let query = sqlx::query_as::<_, IncidentRow>(statement).bind(filter.monitor.map(|monitor| *monitor.as_uuid()));
    let query = query.bind(filter.before.map_or(i64::MAX, Timestamp::as_micros)).bind(row_limit(limit));
    query.fetch_all(conn).await?.into_iter().map(IncidentRow::into_incident).collect()
}

#[derive(sqlx::FromRow)]
struct IncidentRow {
    id: Uuid,
    monitor: Uuid,
    about: String,
    level: String,
    failing_since: i64,
    opened_at: i64,
    opened_slot: i64,
    message: String,
    closed_at: Option<i64>,
    closed: Option<String>,
    acknowledged_at: Option<i64>,
    acknowledged_by: Option<String>,
}

impl IncidentRow {
    fn into_incident(self) -> error::Result<Incident> {
        let mut incident = Incident::new(
            IncidentId::from_uuid(self.id),
            MonitorId::from_uuid(self.monitor),
            word("subject of an incident", &self.about)?,
            word("level of an incident", &self.level)?,
            instant(self.failing_since),
            instant(self.opened_at),
            instant(self.opened_slot),
            self.message,
            self.closed_at.map(instant),
            self.closed.map(|closed| word("end of an incident", &closed)).transpose()?,
        );
        incident.acknowledged_at = self.acknowledged_at.map(instant);
        incident.acknowledged_by = self.acknowledged_by;
        Ok(incident)
    }
}
