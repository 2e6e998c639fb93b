//! The incidents that were, and are.

use std::cmp::Reverse;

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::IncidentId,
    incident::{Event, Incident, Transition, acknowledger},
    notification::Fold,
    store::incidents::{IncidentFilter, Incidents},
    time::Timestamp,
};

use super::{MemoryStore, Watched};

#[async_trait]
impl Incidents for MemoryStore {
    async fn incident(&self, id: IncidentId) -> Result<Incident> {
        let found =
            self.transact(|tables, _| tables.watched.values().find_map(|watched| watched.incidents.get(&id).cloned()));
        found.ok_or_else(|| Error::not_found(format!("incident {id}")))
    }

    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        let by = acknowledger(by)?;
        self.transact(|tables, now| {
            let is_it = |watched: &&Watched| watched.incidents.get(&id).is_some_and(|found| found.closed_at.is_none());
            let watched = tables.watched.values().find(is_it);
            let monitor = watched.map(|watched| watched.monitor.id).ok_or_else(|| unknown_open(id))?;
            let acknowledged = tables.change(monitor, |watched| watched.acknowledge(id, by, now)).flatten();
            tables.cancel(id, &[Event::Reminder, Event::Escalated], Fold::Acknowledged);
            acknowledged.ok_or_else(|| unknown_open(id))
        })
    }

    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>> {
        Ok(self.transact(|tables, _| {
            let all = tables.watched.values().flat_map(|watched| watched.incidents.values());
            let mut found: Vec<_> = all.filter(|incident| matches(&filter, incident)).collect();
            found.sort_by_key(|incident| Reverse((incident.opened_at, incident.id)));
            found.into_iter().take(limit).cloned().collect()
        }))
    }
}

fn unknown_open(id: IncidentId) -> Error {
    Error::not_found(format!("open incident {id}"))
}

fn matches(filter: &IncidentFilter, incident: &Incident) -> bool {
    filter.monitor.is_none_or(|monitor| incident.monitor == monitor)
        && (!filter.open || incident.closed_at.is_none())
        && filter.before.is_none_or(|before| incident.opened_at < before)
}

impl Watched {
    /// Notes who sees to an open incident, unless somebody does; answers it. The monitor is free then, in a new revision.
    fn acknowledge(&mut self, id: IncidentId, by: &str, now: Timestamp) -> Option<Incident> {
        if let Some(health) = self.health.acknowledged(id) {
            self.health = health;
            self.set_state(self.monitor.state);
        }
        let incident = self.incidents.get_mut(&id)?;
        if incident.acknowledged_at.is_none() {
            incident.acknowledged_at = Some(now);
            incident.acknowledged_by = Some(by.to_owned());
        }
        Some(incident.clone())
    }

    /// Writes what happened to the monitor's incidents. `message` is what the run behind it said; an incident keeps that
    /// of the run which opened it. What is open isn't opened again, what is closed stays so.
    pub(super) fn write_incidents(&mut self, transitions: &[Transition], message: &str) {
        for after in transitions.iter().map(|transition| transition.to_incident(self.monitor.id, message)) {
            if let Some(before) = self.incidents.get_mut(&after.id) {
                if before.closed_at.is_none() {
                    before.level = after.level;
                    before.closed_at = after.closed_at;
                    before.closed = after.closed;
                }
            } else if !self.incidents.values().any(|rival| rival.closed_at.is_none() && rival.about == after.about) {
                self.incidents.insert(after.id, after);
            }
        }
    }
}
