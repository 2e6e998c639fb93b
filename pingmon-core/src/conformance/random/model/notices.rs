//! What becomes of notices: written, taken, put back, settled.

use std::collections::BTreeSet;

use super::{Answer, CHANNELS, Model, Notice, RETRY, Taking};
use crate::{
    conformance::random::{moves::End, view::NoticeView},
    incident::Event,
    notification::DeliveryState,
    time::Timestamp,
};

impl Model {
    pub(super) fn tell(&mut self, monitor: usize, event: Event, at: Timestamp) {
        for channel in CHANNELS {
            let view = NoticeView { at, monitor, channel, event, state: DeliveryState::Pending, attempts: 0 };
            self.notices.push(Notice { view, due_at: at, taken_by: None });
        }
        self.notices.sort_by_key(|notice| notice.view.at);
    }

    pub(super) fn take(&mut self, session: usize, channel: usize, limit: usize) -> Answer {
        let mut seen = BTreeSet::new();
        let mut taken = Vec::new();
        for n in 0..self.notices.len() {
            let Notice { view, due_at, taken_by } = &self.notices[n];
            let queued = view.channel == CHANNELS[channel] && view.state == DeliveryState::Pending;
            let first = queued && seen.insert(view.monitor);
            let is_free = !taken_by.is_some_and(|taker| self.is_alive(taker));
            if !first || !is_free || *due_at > self.now || taken.len() == limit {
                continue;
            }
            let notice = &mut self.notices[n];
            notice.taken_by = Some(session);
            notice.view.attempts += 1;
            self.takings.push(Taking { session, notice: notice.view.clone() });
            taken.push(notice.view.clone());
        }
        Answer::Taken(taken)
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
