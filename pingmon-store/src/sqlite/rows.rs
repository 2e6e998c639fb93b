//! Rows that several roles read.

use pingmon_core::{
    id::MonitorId,
    incident::Health,
    monitor::{Definition, Monitor, State},
    store::{catalog::Overview, claims::Claim},
};
use uuid::Uuid;

use crate::{
    codec::{from_json, instant, to_json, word},
    error::Result,
};

/// A monitor with its schedule: `id, state, definition, revision, slot, health`.
#[derive(sqlx::FromRow)]
pub(super) struct MonitorRow {
    pub(super) id: Uuid,
    pub(super) state: String,
    pub(super) definition: String,
    pub(super) revision: i64,
    pub(super) slot: i64,
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
        Ok(Overview::new(self.monitor()?, self.health()?, instant(self.slot)))
    }

    pub(super) fn claim(&self) -> Result<Claim> {
        Ok(Claim::new(self.monitor()?, self.health()?, instant(self.slot)))
    }
}

/// The column of a health; there is none before the first run.
pub(super) fn health_to(health: &Health) -> Result<String> {
    to_json("health of a monitor", health)
}

fn health_from(column: Option<&str>) -> Result<Health> {
    column.map_or_else(|| Ok(Health::default()), |json| from_json("health of a monitor", json))
}

/// A limit as SQL takes it.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
