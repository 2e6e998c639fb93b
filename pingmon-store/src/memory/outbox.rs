//! The durable outbox, as durable as this process.

use std::{cmp::Reverse, collections::BTreeSet};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::{DeliveryId, SessionId},
    notification::{Delivery, DeliveryState},
    store::outbox::{DeliveryFilter, Outbox, Settled, Settlement},
    time::Timestamp,
};

use super::{MemoryStore, Tables};

/// Pending deliveries of one channel in the order they are sent: by the instant of the notice, then its sequence.
pub(super) type Queue = BTreeSet<Place>;
type Place = (Timestamp, u32, DeliveryId);

/// A delivery and who is sending it.
pub(super) struct Row {
    delivery: Delivery,
    taken_by: Option<SessionId>,
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        self.transact(|tables, now| {
            tables.check_alive(session)?;
            let ready = tables.ready(channel, now, limit);
            Ok(ready.into_iter().filter_map(|id| tables.take(session, id)).collect())
        })
    }

    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()> {
        self.transact(|tables, _| tables.put_back(session, Some(channel)));
        Ok(())
    }

    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()> {
        self.transact(|tables, _| {
            tables.check_alive(session)?;
            batch.iter().for_each(|settlement| tables.settle(session, settlement));
            Ok(())
        })
    }

    async fn expire(&self, limit: usize) -> Result<u64> {
        Ok(self.transact(|tables, now| {
            let over = |row: &&Row| row.taken_by.is_none() && row.delivery.expires_at <= now;
            let over: Vec<_> = tables.pending().filter(over).map(|row| row.delivery.id()).take(limit).collect();
            for id in &over {
                tables.settle_row(*id, Settled::Dead { error: "expired before the channel took it".to_owned() });
            }
            over.len() as u64
        }))
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        Ok(self.transact(|tables, _| {
            let all = tables.deliveries.values().map(|row| &row.delivery);
            let mut found: Vec<_> = all.filter(|delivery| matches(&filter, delivery)).collect();
            found.sort_by_key(|delivery| Reverse(place(delivery)));
            found.into_iter().take(limit).cloned().collect()
        }))
    }
}

fn place(delivery: &Delivery) -> Place {
    (delivery.notification.at, delivery.sequence, delivery.id())
}

fn matches(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.monitor.is_none_or(|monitor| delivery.notification.monitor.id == monitor)
        && filter.state.is_none_or(|state| delivery.state == state)
}

impl Tables {
    /// Adds deliveries; one that is there already stays as it is.
    pub(super) fn enqueue(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            if self.deliveries.contains_key(&delivery.id()) {
                continue;
            }
            let queue = self.queues.entry(delivery.notification.channel.clone()).or_default();
            queue.insert(place(&delivery));
            self.deliveries.insert(delivery.id(), Row { delivery, taken_by: None });
        }
    }

    /// Removes up to `limit` deliveries of which `may_go` holds; answers how many.
    pub(super) fn forget_deliveries(&mut self, may_go: impl Fn(&Delivery) -> bool, limit: usize) -> usize {
        let going = self.deliveries.values().map(|row| &row.delivery).filter(|delivery| may_go(delivery));
        let going: Vec<_> = going.map(Delivery::id).take(limit).collect();
        for id in &going {
            self.dequeue(*id);
            self.deliveries.remove(id);
        }
        going.len()
    }

    /// Puts back what a session was sending, on one channel or on all.
    pub(super) fn put_back(&mut self, session: SessionId, channel: Option<&str>) {
        let queues = self.queues.iter().filter(|(name, _)| channel.is_none_or(|channel| channel == name.as_str()));
        for (_, _, id) in queues.flat_map(|(_, queue)| queue) {
            if let Some(row) = self.deliveries.get_mut(id) {
                row.taken_by = row.taken_by.filter(|taker| *taker != session);
            }
        }
    }

    fn pending(&self) -> impl Iterator<Item = &Row> {
        self.queues.values().flatten().filter_map(|(_, _, id)| self.deliveries.get(id))
    }

    /// What can be sent on a channel now: for each monitor only the first of its pending deliveries.
    fn ready(&self, channel: &str, now: Timestamp, limit: usize) -> Vec<DeliveryId> {
        let mut seen = BTreeSet::new();
        let queue = self.queues.get(channel).into_iter().flatten();
        let rows = queue.filter_map(|(_, _, id)| self.deliveries.get(id));
        let first = rows.filter(|row| seen.insert(row.delivery.notification.monitor.id));
        let ready = first.filter(|row| row.taken_by.is_none() && row.delivery.due_at <= now);
        ready.map(|row| row.delivery.id()).take(limit).collect()
    }

    fn take(&mut self, session: SessionId, id: DeliveryId) -> Option<Delivery> {
        let row = self.deliveries.get_mut(&id)?;
        row.taken_by = Some(session);
        row.delivery.attempts += 1;
        Some(row.delivery.clone())
    }

    fn settle(&mut self, session: SessionId, settlement: &Settlement) {
        let Some(row) = self.deliveries.get(&settlement.delivery) else { return };
        if row.taken_by == Some(session) && row.delivery.attempts == settlement.attempt {
            self.settle_row(settlement.delivery, settlement.settled.clone());
        }
    }

    fn settle_row(&mut self, id: DeliveryId, settled: Settled) {
        if !matches!(settled, Settled::Retry { .. }) {
            self.dequeue(id);
        }
        let Some(Row { delivery, taken_by }) = self.deliveries.get_mut(&id) else { return };
        *taken_by = None;
        match settled {
            Settled::Sent => delivery.state = DeliveryState::Sent,
            Settled::Retry { due_at, error } => {
                delivery.due_at = due_at;
                delivery.last_error = Some(error);
            }
            Settled::Dead { error } => {
                delivery.state = DeliveryState::Dead;
                delivery.last_error = Some(error);
            }
        }
    }

    /// Takes a delivery out of its channel's queue.
    fn dequeue(&mut self, id: DeliveryId) {
        let Some(row) = self.deliveries.get(&id) else { return };
        let channel = &row.delivery.notification.channel;
        let Some(queue) = self.queues.get_mut(channel) else { return };
        queue.remove(&place(&row.delivery));
        if queue.is_empty() {
            self.queues.remove(channel);
        }
    }
}
