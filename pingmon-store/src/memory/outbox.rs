//! The durable outbox, as durable as this process.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{DeliveryId, IncidentId, SessionId},
    incident::Event,
    notification::{Companion, Delivery, DeliveryState, Fold, Notification},
    store::outbox::{DeliveryFilter, Outbox, Settled, Settlement},
    time::Timestamp,
};

use super::{MemoryStore, Tables};

/// Deliveries of one channel in the order they are sent: by the instant of the notice, then its sequence.
pub(super) type Queue = BTreeSet<Place>;
/// An incident as one channel hears of it.
pub(super) type Thread = (IncidentId, String);
type Place = (Timestamp, u32, DeliveryId);

/// A delivery and who is sending it.
pub(super) struct Row {
    pub(super) delivery: Delivery,
    pub(super) taken_by: Option<SessionId>,
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        self.transact(|tables, now| {
            tables.check_alive(session)?;
            let mut taken = Vec::new();
            loop {
                let ready = tables.ready(channel, now, limit - taken.len());
                if tables.fold_unheard(&ready) {
                    continue;
                }
                let (looked_at, before) = (ready.len(), taken.len());
                for id in ready {
                    taken.extend(tables.take(session, id, now));
                }
                // What went with others left room for more.
                if taken.len() - before == looked_at || taken.len() == limit {
                    taken.sort_by_key(place);
                    return Ok(taken);
                }
            }
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
            let is_free = |row: &Row| row.taken_by.is_none() && row.delivery.leader.is_none();
            let over = |row: &&Row| is_free(row) && row.delivery.expires_at <= now;
            let over: Vec<_> = tables.pending().filter(over).map(|row| row.delivery.id()).take(limit).collect();
            for id in &over {
                tables.settle_row(*id, Settled::Dead { error: "expired before the channel took it".to_owned() });
            }
            over.len() as u64
        }))
    }

    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()> {
        self.transact(|tables, now| {
            let dead = tables.deliveries.get_mut(&id).filter(|row| row.delivery.state == DeliveryState::Dead);
            let row = dead.ok_or_else(|| Error::not_found(format!("dead letter {id}")))?;
            row.delivery.state = DeliveryState::Pending;
            row.delivery.due_at = now;
            row.delivery.expires_at = now + expiry;
            if let Some(leader) = row.delivery.leader.take() {
                tables.leave(id, leader);
            }
            tables.queue(id);
            tables.follow(id);
            Ok(())
        })
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

pub(super) fn place(delivery: &Delivery) -> Place {
    (delivery.notification.at, delivery.sequence, delivery.id())
}

fn thread(delivery: &Delivery) -> Thread {
    (delivery.incident(), delivery.notification.channel.clone())
}

fn matches(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.monitor.is_none_or(|monitor| delivery.notification.monitor.id == monitor)
        && filter.state.is_none_or(|state| delivery.state == state)
}

/// Whether a delivery was folded into the one that its incident is resolved.
fn is_told(row: &Row) -> bool {
    let Row { delivery, .. } = row;
    delivery.state == DeliveryState::Folded && delivery.last_error.as_deref() == Some(Fold::Resolved.reason())
}

impl Tables {
    /// Adds deliveries and folds what they make needless; one that is there already stays as it is.
    pub(super) fn enqueue(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            if self.deliveries.contains_key(&delivery.id()) {
                continue;
            }
            self.fold_before(&delivery);
            self.bring_forward(&delivery);
            let id = delivery.id();
            self.threads.entry(thread(&delivery)).or_default().insert(place(&delivery));
            self.deliveries.insert(id, Row { delivery, taken_by: None });
            self.queue(id);
        }
    }

    /// Folds the earlier deliveries of the incident and channel that `later` makes needless.
    fn fold_before(&mut self, later: &Delivery) {
        let resolved = later.notification.event == Event::Resolved;
        let escalated = later.notification.event == Event::Escalated;
        let needless = |row: &&Row| {
            let Row { delivery, .. } = row;
            let told = match delivery.notification.event {
                Event::Reminder | Event::Worsened => true,
                Event::Opened => resolved,
                Event::Escalated => escalated && delivery.notification.at == later.notification.at,
                _ => false,
            };
            told && delivery.state == DeliveryState::Pending && delivery.attempts == 0
        };
        let earlier = self.thread(later).take_while(|row| place(&row.delivery) < place(later));
        let needless: Vec<_> = earlier.filter(needless).map(|row| row.delivery.id()).collect();
        let why = if resolved { Fold::Resolved } else { Fold::Superseded };
        needless.iter().for_each(|id| self.fold(*id, why));
        if resolved {
            self.cancel(later.incident(), &[Event::Escalated], Fold::Over);
        }
    }

    /// Has what would hold up `later` go out no later than it does.
    fn bring_forward(&mut self, later: &Delivery) {
        let Notification { channel, monitor, event, .. } = &later.notification;
        if *event == Event::Reminder {
            return;
        }
        let earlier = self.queues.get(channel).into_iter().flatten().take_while(|earlier| **earlier < place(later));
        for (_, _, id) in earlier {
            let Some(Row { delivery, .. }) = self.deliveries.get_mut(id) else { continue };
            let holds_up = delivery.notification.monitor.id == monitor.id && delivery.due_at > later.due_at;
            if holds_up && delivery.attempts == 0 {
                (delivery.due_at, delivery.group) = (later.due_at, None);
            }
        }
    }

    /// The channels that have deliveries of an incident, each with the latest time that one which waits is due at.
    pub(super) fn told(&self, incident: IncidentId) -> Vec<(String, Option<Timestamp>)> {
        let waits = |id: &DeliveryId| {
            let Row { delivery, .. } = self.deliveries.get(id)?;
            let waits = delivery.state == DeliveryState::Pending && delivery.notification.event != Event::Escalated;
            waits.then_some(delivery.due_at)
        };
        let threads = self.threads.range((incident, String::new())..).take_while(|((of, _), _)| *of == incident);
        threads
            .map(|((_, channel), places)| (channel.clone(), places.iter().filter_map(|(_, _, id)| waits(id)).max()))
            .collect()
    }

    /// Folds what was never attempted of an incident's deliveries that tell of such events, on whatever channel.
    pub(super) fn cancel(&mut self, incident: IncidentId, events: &[Event], why: Fold) {
        let of_it = |row: &&Row| {
            let Row { delivery, .. } = row;
            delivery.incident() == incident && delivery.attempts == 0 && events.contains(&delivery.notification.event)
        };
        let cancelled: Vec<_> = self.pending().filter(of_it).map(|row| row.delivery.id()).collect();
        cancelled.iter().for_each(|id| self.fold(*id, why));
    }

    pub(super) fn fold(&mut self, id: DeliveryId, why: Fold) {
        self.dequeue(id);
        let Some(Row { delivery, .. }) = self.deliveries.get_mut(&id) else { return };
        delivery.state = DeliveryState::Folded;
        delivery.last_error = Some(why.reason().to_owned());
    }

    /// The deliveries of the same incident and channel, earliest first.
    fn thread(&self, delivery: &Delivery) -> impl Iterator<Item = &Row> + use<'_> {
        let places = self.threads.get(&thread(delivery)).into_iter().flatten();
        places.filter_map(|(_, _, id)| self.deliveries.get(id))
    }

    /// Folds those that tell of the end of an incident of which their channel has heard nothing; says whether there were
    /// any.
    pub(super) fn fold_unheard(&mut self, ids: &[DeliveryId]) -> bool {
        let unheard: Vec<_> = ids.iter().copied().filter(|id| self.is_unheard(*id)).collect();
        unheard.iter().for_each(|id| self.fold(*id, Fold::Unheard));
        !unheard.is_empty()
    }

    /// Whether a delivery tells that an incident is resolved of which its channel has heard nothing.
    fn is_unheard(&self, id: DeliveryId) -> bool {
        let Some(Row { delivery, .. }) = self.deliveries.get(&id) else { return false };
        delivery.notification.event == Event::Resolved
            && delivery.attempts == 0
            && !self.thread(delivery).any(|row| row.delivery.state == DeliveryState::Sent || is_told(row))
    }

    /// Removes up to `limit` deliveries of which `may_go` holds; answers how many.
    pub(super) fn forget_deliveries(&mut self, may_go: impl Fn(&Delivery) -> bool, limit: usize) -> usize {
        let going = self.deliveries.values().map(|row| &row.delivery).filter(|delivery| may_go(delivery));
        let going: Vec<_> = going.map(Delivery::id).take(limit).collect();
        for id in &going {
            self.dequeue(*id);
            self.members.remove(id);
            if let Some(Row { delivery, .. }) = self.deliveries.remove(id)
                && let Some(places) = self.threads.get_mut(&thread(&delivery))
            {
                places.remove(&place(&delivery));
                if places.is_empty() {
                    self.threads.remove(&thread(&delivery));
                }
            }
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
        let is_free = |row: &&Row| row.taken_by.is_none() && row.delivery.leader.is_none();
        let ready = first.filter(|row| is_free(row) && row.delivery.due_at <= now);
        ready.map(|row| row.delivery.id()).take(limit).collect()
    }

    /// Takes a delivery, and with it those of its group; none when it has gone with another meanwhile.
    fn take(&mut self, session: SessionId, id: DeliveryId, now: Timestamp) -> Option<Delivery> {
        let row = self.deliveries.get_mut(&id).filter(|row| row.delivery.leader.is_none())?;
        row.taken_by = Some(session);
        row.delivery.attempts += 1;
        let mut taken = row.delivery.clone();
        if taken.attempts == 1 {
            self.gather(&taken, now);
        }
        self.follow(id);
        taken.notification = self.said(&taken);
        taken.notification.receipt = self.thread(&taken).find_map(|row| row.delivery.receipt.clone());
        taken.notification.also = self.led_by(id).map(|member| Companion::of(&self.said(member))).collect();
        Some(taken)
    }

    /// What a delivery says: the whole outage, if it is to tell of that.
    fn said(&self, delivery: &Delivery) -> Notification {
        let mut notification = delivery.notification.clone();
        if notification.event == Event::Resolved {
            let opened =
                self.thread(delivery).find(|row| is_told(row) && row.delivery.notification.event == Event::Opened);
            notification.opening = opened.map(|row| row.delivery.notification.incident.message.clone());
        }
        notification
    }

    fn settle(&mut self, session: SessionId, settlement: &Settlement) {
        let Some(row) = self.deliveries.get(&settlement.delivery) else { return };
        if row.taken_by == Some(session) && row.delivery.attempts == settlement.attempt {
            self.settle_row(settlement.delivery, settlement.settled.clone());
        }
    }

    fn settle_row(&mut self, id: DeliveryId, settled: Settled) {
        if !matches!(settled, Settled::Retry { .. } | Settled::Held { .. }) {
            self.dequeue(id);
        }
        let Some(Row { delivery, taken_by }) = self.deliveries.get_mut(&id) else { return };
        *taken_by = None;
        match settled {
            Settled::Sent(receipt) => {
                delivery.state = DeliveryState::Sent;
                delivery.receipt = receipt;
            }
            Settled::Retry { due_at, error } => {
                delivery.due_at = due_at;
                delivery.last_error = Some(error);
            }
            Settled::Held { due_at } => {
                delivery.expires_at = delivery.expires_at + due_at.since(delivery.due_at);
                delivery.due_at = due_at;
                delivery.attempts -= 1;
            }
            Settled::Dead { error } => {
                delivery.state = DeliveryState::Dead;
                delivery.last_error = Some(error);
            }
        }
        self.follow(id);
    }

    /// Puts a delivery into its channel's queue.
    pub(super) fn queue(&mut self, id: DeliveryId) {
        let Some(row) = self.deliveries.get(&id) else { return };
        let queue = self.queues.entry(row.delivery.notification.channel.clone()).or_default();
        queue.insert(place(&row.delivery));
    }

    /// Takes a delivery out of its channel's queue.
    pub(super) fn dequeue(&mut self, id: DeliveryId) {
        let Some(row) = self.deliveries.get(&id) else { return };
        let channel = &row.delivery.notification.channel;
        let Some(queue) = self.queues.get_mut(channel) else { return };
        queue.remove(&place(&row.delivery));
        if queue.is_empty() {
            self.queues.remove(channel);
        }
    }
}
