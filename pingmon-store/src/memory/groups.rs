//! Deliveries that go as one message: who goes with whom, and that they share its fate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pingmon_core::{
    id::{DeliveryId, MonitorId},
    notification::{Delivery, DeliveryState},
    store::outbox::MAX_GROUP,
    time::Timestamp,
};

use super::{
    Tables,
    outbox::{Row, place},
};

impl Tables {
    /// Ties to `leader`, which is taken for the first time, what can go with it.
    pub(super) fn gather(&mut self, leader: &Delivery, now: Timestamp) {
        let members = self.company(leader, now);
        self.fold_unheard(&members);
        let is_pending =
            |id: &DeliveryId| self.deliveries.get(id).is_some_and(|row| row.delivery.state == DeliveryState::Pending);
        let members: Vec<_> = members.into_iter().filter(is_pending).collect();
        for id in &members {
            if let Some(row) = self.deliveries.get_mut(id) {
                row.delivery.leader = Some(leader.id());
            }
        }
        if !members.is_empty() {
            self.members.insert(leader.id(), members);
        }
    }

    /// What of the group of `leader` can go with it, in order.
    fn company(&self, leader: &Delivery, now: Timestamp) -> Vec<DeliveryId> {
        let Some(group) = &leader.group else { return Vec::new() };
        let goes = |delivery: &Delivery| {
            let is_untried = delivery.attempts == 0 && delivery.group.as_ref() == Some(group);
            is_untried && place(delivery) > place(leader) && delivery.notification.at <= now
        };
        let queue = self.queues.get(&leader.notification.channel).into_iter().flatten();
        let others = queue.filter(|(_, _, id)| *id != leader.id()).filter_map(|(_, _, id)| self.deliveries.get(id));
        // The monitors of which one is pending that doesn't go along.
        let (mut company, mut stuck) = (Vec::new(), BTreeSet::new());
        for Row { delivery, .. } in others {
            let monitor = delivery.notification.monitor.id;
            if goes(delivery) && !stuck.contains(&monitor) {
                company.push(delivery.id());
            } else {
                stuck.insert(monitor);
            }
        }
        company.truncate(MAX_GROUP - 1);
        company
    }

    /// The deliveries that go with a leader, in order.
    pub(super) fn led_by(&self, leader: DeliveryId) -> impl Iterator<Item = &Delivery> + use<'_> {
        let members = self.members.get(&leader).into_iter().flatten();
        members.filter_map(|id| self.deliveries.get(id)).map(|row| &row.delivery)
    }

    /// Has what goes with a leader stand as it stands.
    pub(super) fn follow(&mut self, leader: DeliveryId) {
        let Some(Delivery { state, due_at, expires_at, attempts, last_error, .. }) =
            self.deliveries.get(&leader).map(|row| row.delivery.clone())
        else {
            return;
        };
        for id in self.members.get(&leader).cloned().unwrap_or_default() {
            self.dequeue(id);
            if let Some(Row { delivery, .. }) = self.deliveries.get_mut(&id) {
                (delivery.state, delivery.due_at, delivery.expires_at) = (state, due_at, expires_at);
                (delivery.attempts, delivery.last_error) = (attempts, last_error.clone());
            }
            if state == DeliveryState::Pending {
                self.queue(id);
            }
        }
    }

    /// Notes that a delivery goes with its leader no more.
    pub(super) fn leave(&mut self, id: DeliveryId, leader: DeliveryId) {
        if let Some(members) = self.members.get_mut(&leader) {
            members.retain(|member| *member != id);
        }
    }

    /// Before a monitor's deliveries are removed: what one of them leads is led by the next that stays.
    pub(super) fn hand_on(&mut self, monitor: MonitorId) {
        let is_of_it = |id: &DeliveryId, rows: &BTreeMap<DeliveryId, Row>| {
            rows.get(id).is_none_or(|row| row.delivery.notification.monitor.id == monitor)
        };
        let going: Vec<_> = self.members.keys().copied().filter(|leader| is_of_it(leader, &self.deliveries)).collect();
        for members in going.iter().filter_map(|leader| self.members.remove(leader)).collect::<Vec<_>>() {
            let mut staying: VecDeque<_> = members.into_iter().filter(|id| !is_of_it(id, &self.deliveries)).collect();
            let Some(next) = staying.pop_front() else { continue };
            for (id, leader) in staying.iter().map(|id| (*id, Some(next))).chain([(next, None)]) {
                if let Some(row) = self.deliveries.get_mut(&id) {
                    row.delivery.leader = leader;
                }
            }
            self.members.insert(next, staying.into());
        }
    }
}
