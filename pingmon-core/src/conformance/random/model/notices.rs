//! What becomes of notices: written, taken, put back, settled.

use std::collections::BTreeSet;

use super::{Answer, CHANNELS, LATE, Model, Notice, RETRY, Taking};
use crate::{
    conformance::random::{moves::End, view::NoticeView},
    incident::Event,
    notification::DeliveryState,
    time::Timestamp,
};

impl Model {
    /// Writes a notice to each channel; an end that a run found comes late on one of them.
    pub(super) fn tell(&mut self, monitor: usize, event: Event, at: Timestamp, found: bool) {
        let incident = self.monitors[monitor].incidents.len();
        let due_at = CHANNELS.map(|channel| match (event, found) {
            (Event::Resolved, true) if channel == LATE.0 => at + LATE.1,
            (Event::Resolved, false) => {
                self.waits_until(monitor, incident, channel).map_or(at, |due_at| due_at.max(at))
            }
            _ => at,
        });
        if event == Event::Resolved {
            // It tells of the whole outage whom nobody has tried to tell before.
            let untold = |notice: &&mut Notice| {
                let NoticeView { state, attempts, .. } = notice.view;
                (notice.view.monitor, notice.incident) == (monitor, incident)
                    && (state, attempts) == (DeliveryState::Pending, 0)
            };
            for notice in self.notices.iter_mut().filter(untold) {
                notice.view.state = DeliveryState::Folded;
                notice.is_told = true;
            }
        }
        for (channel, due_at) in CHANNELS.into_iter().zip(due_at) {
            self.bring_forward(monitor, channel, due_at);
            let view = NoticeView { at, monitor, channel, event, state: DeliveryState::Pending, attempts: 0 };
            self.notices.push(Notice { view, incident, due_at, taken_by: None, is_told: false });
        }
        self.notices.sort_by_key(|notice| notice.view.at);
    }

    /// When the last is due that waits on a channel of the notices of an incident.
    fn waits_until(&self, monitor: usize, incident: usize, channel: &str) -> Option<Timestamp> {
        let of_it = |notice: &&Notice| {
            let NoticeView { state, .. } = notice.view;
            (notice.view.monitor, notice.incident, state) == (monitor, incident, DeliveryState::Pending)
        };
        let waiting = self.notices.iter().filter(of_it).filter(|notice| notice.view.channel == channel);
        waiting.map(|notice| notice.due_at).max()
    }

    /// What would hold up a notice that is due then is due then too.
    fn bring_forward(&mut self, monitor: usize, channel: &str, due_at: Timestamp) {
        let waits = |notice: &&mut Notice| {
            let NoticeView { state, attempts, .. } = notice.view;
            (notice.view.monitor, notice.view.channel) == (monitor, channel)
                && (state, attempts) == (DeliveryState::Pending, 0)
        };
        for notice in self.notices.iter_mut().filter(waits) {
            notice.due_at = notice.due_at.min(due_at);
        }
    }

    pub(super) fn take(&mut self, session: usize, channel: usize, limit: usize) -> Answer {
        loop {
            let (taken, folded) = self.take_or_fold(session, channel, limit);
            if !folded || !taken.is_empty() {
                return Answer::Taken(taken);
            }
        }
    }

    /// Takes what can be sent, but folds what tells of an end to whom nothing was told; says whether there was such.
    fn take_or_fold(&mut self, session: usize, channel: usize, limit: usize) -> (Vec<NoticeView>, bool) {
        let mut seen = BTreeSet::new();
        let (mut taken, mut folded) = (Vec::new(), 0);
        for n in 0..self.notices.len() {
            let Notice { view, due_at, taken_by, .. } = &self.notices[n];
            let queued = view.channel == CHANNELS[channel] && view.state == DeliveryState::Pending;
            let first = queued && seen.insert(view.monitor);
            let is_free = !taken_by.is_some_and(|taker| self.is_alive(taker));
            if !first || !is_free || *due_at > self.now || taken.len() + folded == limit {
                continue;
            }
            if view.event == Event::Resolved && view.attempts == 0 && !self.is_heard(n) {
                self.notices[n].view.state = DeliveryState::Folded;
                folded += 1;
                continue;
            }
            let notice = &mut self.notices[n];
            notice.taken_by = Some(session);
            notice.view.attempts += 1;
            self.takings.push(Taking { session, notice: notice.view.clone() });
            taken.push(notice.view.clone());
        }
        (taken, folded > 0)
    }

    /// Whether the channel of a notice has heard of its incident, or hears of it with this one.
    fn is_heard(&self, n: usize) -> bool {
        let Notice { view, incident, .. } = &self.notices[n];
        let heard = |other: &Notice| other.view.state == DeliveryState::Sent || other.is_told;
        let of_it = |other: &&Notice| {
            (other.view.monitor, other.incident, other.view.channel) == (view.monitor, *incident, view.channel)
        };
        self.notices.iter().filter(of_it).any(heard)
    }

    pub(super) fn put_back(&mut self, session: usize, channel: usize) {
        for notice in self.notices.iter_mut().filter(|notice| notice.view.channel == CHANNELS[channel]) {
            notice.taken_by = notice.taken_by.filter(|taker| *taker != session);
        }
    }

    /// The notice that an attempt still holds.
    fn taken(&self, taking: &Taking) -> Option<usize> {
        let is_taken = |stored: &Notice| stored.view == taking.notice && stored.taken_by == Some(taking.session);
        self.notices.iter().position(is_taken)
    }

    pub(super) fn settle(&mut self, taking: usize, end: End) {
        let Some(n) = self.taken(&self.takings[taking]) else { return };
        let stored = &mut self.notices[n];
        stored.taken_by = None;
        match end {
            End::Sent => stored.view.state = DeliveryState::Sent,
            End::Dead => stored.view.state = DeliveryState::Dead,
            End::Retry => stored.due_at = self.now + RETRY,
        }
    }

    /// Attempts that haven't ended.
    pub(in super::super) fn open_takings(&self) -> Vec<usize> {
        (0..self.takings.len()).filter(|n| self.taken(&self.takings[*n]).is_some()).collect()
    }
}
