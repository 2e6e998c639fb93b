//! Rows and columns that several roles read.

use chrono::{DateTime, Utc};
use pingmon_core::{
    id::MonitorId,
    incident::Health,
    monitor::{Definition, Monitor, State},
    store::{catalog::Overview, claims::Claim},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    codec::{from_json, to_json, word},
    error::Result,
};

/// A monitor with its schedule: `id, name, state, definition, revision, slot, health`.
#[derive(sqlx::FromRow)]
pub(super) struct MonitorRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) definition: String,
    pub(super) revision: i64,
    pub(super) slot: DateTime<Utc>,
    pub(super) health: Option<String>,
}

impl MonitorRow {
    pub(super) fn monitor(&self) -> Result<Monitor> {
        let definition: Definition = from_json("definition of a monitor", &self.definition)?;
        let state: State = word("state of a monitor", &self.state)?;
        Ok(Monitor::new(MonitorId::from_uuid(self.id), self.revision, state, definition))
    }

    pub(super) fn health(&self) -> Result<Health> {
        health_from(self.health.as_deref())
    }

    pub(super) fn overview(&self) -> Result<Overview> {
        Ok(Overview::new(self.monitor()?, self.health()?, self.slot.into()))
    }

    pub(super) fn claim(&self) -> Result<Claim> {
        Ok(Claim::new(self.monitor()?, self.health()?, self.slot.into()))
    }
}

/// The column of a health; there is none before the first run.
pub(super) fn health_to(health: &Health) -> Result<String> {
    to_json("health of a monitor", health)
}

fn health_from(column: Option<&str>) -> Result<Health> {
    column.map_or_else(|| Ok(Health::default()), |json| from_json("health of a monitor", json))
}

/// The bound of a page that begins with the latest: none is after all that a column can hold.
pub(super) fn before(bound: Option<Timestamp>) -> DateTime<Utc> {
    bound.map_or(DateTime::<Utc>::MAX_UTC, Timestamp::to_datetime)
}

/// A limit as SQL takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Monitors as SQL takes them.
pub(super) fn uuids<'a>(monitors: impl IntoIterator<Item = &'a MonitorId>) -> Vec<Uuid> {
    monitors.into_iter().map(|monitor| *monitor.as_uuid()).collect()
}
