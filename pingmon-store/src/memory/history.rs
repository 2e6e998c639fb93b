//! What runs found, what nobody ran, and how long that is kept.

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::MonitorId,
    notification::{Delivery, DeliveryState},
    store::{
        claims::Gap,
        history::{History, Record, Retention},
    },
    time::Timestamp,
};

use super::{MemoryStore, Seat, Tables};

/// How long a session that ended stays known, so that it can't come back.
const KNOWN_AFTER_END: Duration = Duration::from_secs(3_600);

#[async_trait]
impl History for MemoryStore {
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>> {
        Ok(self.transact(|tables, _| {
            tables.watched.get(&monitor).map_or_else(Vec::new, |watched| page(&watched.records, before, limit))
        }))
    }

    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>> {
        Ok(self.transact(|tables, _| {
            tables.watched.get(&monitor).map_or_else(Vec::new, |watched| page(&watched.gaps, before, limit))
        }))
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now| {
            let pruned = [
                tables.prune_records(retention.results_before, limit),
                tables.prune_gaps(retention.results_before, limit),
                tables.prune_incidents(retention.incidents_before, limit),
                tables.prune_deliveries(retention.incidents_before, limit),
                tables.prune_silences(retention.incidents_before.min(now), limit),
                tables.prune_sessions(now, limit),
            ];
            pruned.into_iter().sum::<usize>() as u64
        }))
    }
}

/// The latest `limit` rows that lie before `before`.
fn page<T: Clone>(rows: &BTreeMap<Timestamp, T>, before: Option<Timestamp>, limit: usize) -> Vec<T> {
    let until = before.map_or(Bound::Unbounded, Bound::Excluded);
    rows.range((Bound::Unbounded, until)).rev().take(limit).map(|(_, row)| row.clone()).collect()
}

/// Removes up to `limit` rows that lie before `before`, the earliest first; answers how many.
fn cut<T>(rows: &mut BTreeMap<Timestamp, T>, before: Timestamp, limit: usize) -> usize {
    let old: Vec<_> = rows.range(..before).take(limit).map(|(at, _)| *at).collect();
    old.iter().filter_map(|at| rows.remove(at)).count()
}

impl Tables {
    fn prune_records(&mut self, before: Timestamp, limit: usize) -> usize {
        self.watched.values_mut().fold(0, |gone, watched| gone + cut(&mut watched.records, before, limit - gone))
    }

    fn prune_gaps(&mut self, before: Timestamp, limit: usize) -> usize {
        self.watched.values_mut().fold(0, |gone, watched| gone + cut(&mut watched.gaps, before, limit - gone))
    }

    fn prune_incidents(&mut self, before: Timestamp, limit: usize) -> usize {
        self.watched.values_mut().fold(0, |gone, watched| {
            let old = watched.incidents.values().filter(|incident| incident.closed_at.is_some_and(|at| at < before));
            let old: Vec<_> = old.map(|incident| incident.id).take(limit - gone).collect();
            gone + old.iter().filter_map(|id| watched.incidents.remove(id)).count()
        })
    }

    fn prune_deliveries(&mut self, before: Timestamp, limit: usize) -> usize {
        let is_settled = |delivery: &Delivery| delivery.state != DeliveryState::Pending;
        self.forget_deliveries(|delivery| is_settled(delivery) && delivery.notification.at < before, limit)
    }

    fn prune_sessions(&mut self, now: Timestamp, limit: usize) -> usize {
        let over = |seat: &Seat| seat.ended_at.is_some_and(|at| at + KNOWN_AFTER_END <= now);
        let old: Vec<_> = self.sessions.iter().filter(|(_, seat)| over(seat)).map(|(id, _)| *id).take(limit).collect();
        old.iter().filter_map(|id| self.sessions.remove(id)).count()
    }
}
