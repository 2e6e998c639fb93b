//! What becomes of notices: written, taken, put back, settled.

use std::collections::BTreeSet;

use super::{Answer, CHANNELS, LATE, Model, Notice, RETRY, TOGETHER, Taking};
use crate::{
    conformance::random::{moves::End, view::NoticeView},
    incident::Event,
    notification::DeliveryState,
    time::Timestamp,
};

impl Model {
    /// Writes a notice to each channel; what a run found waits for others on one of them, and its end on another.
    pub(super) fn tell(&mut self, monitor: usize, event: Event, at: Timestamp, found: bool) {
        let incident = self.monitors[monitor].incidents.len();
        let due_at = CHANNELS.map(|channel| match (event, found) {
            (Event::Resolved, true) if channel == LATE.0 => at + LATE.1,
            (_, true) if channel == TOGETHER.0 => at + TOGETHER.1,
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
            let (state, leader, also) = (DeliveryState::Pending, None, Vec::new());
            let view = NoticeView { at, monitor, channel, event, state, attempts: 0, leader, also };
            let is_grouped = found && channel == TOGETHER.0;
            self.notices.push(Notice { view, incident, due_at, is_grouped, taken_by: None, is_told: false });
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
        for notice in self.notices.iter_mut().filter(waits).filter(|notice| notice.due_at > due_at) {
            (notice.due_at, notice.is_grouped) = (due_at, false);
        }
    }

    pub(super) fn take(&mut self, session: usize, channel: usize, limit: usize) -> Answer {
        let mut taken = Vec::new();
        loop {
            let ready = self.ready(CHANNELS[channel], limit - taken.len());
            if self.fold_unheard(&ready) {
                continue;
            }
            let went_along = |model: &Self, n: usize| model.notices[n].view.leader.is_some();
            for n in &ready {
                if !went_along(self, *n) {
                    taken.push(self.take_one(session, *n));
                }
            }
            if taken.len() == limit || !ready.iter().any(|n| went_along(self, *n)) {
                taken.sort_by_key(|view| view.at);
                return Answer::Taken(taken);
            }
        }
    }

    /// What can be sent on a channel now, up to a limit.
    fn ready(&self, channel: &str, limit: usize) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let is_first = |n: &usize| {
            let NoticeView { channel: of, state, monitor, .. } = self.notices[*n].view;
            of == channel && state == DeliveryState::Pending && seen.insert(monitor)
        };
        let is_ready = |n: &usize| {
            let Notice { view, due_at, taken_by, .. } = &self.notices[*n];
            let is_free = !taken_by.is_some_and(|taker| self.is_alive(taker));
            is_free && view.leader.is_none() && *due_at <= self.now
        };
        (0..self.notices.len()).filter(is_first).filter(is_ready).take(limit).collect()
    }

    /// Folds what tells of an end to whom nothing was told; says whether there was such.
    fn fold_unheard(&mut self, notices: &[usize]) -> bool {
        let is_unheard = |n: &usize| {
            let NoticeView { event, attempts, .. } = self.notices[*n].view;
            event == Event::Resolved && attempts == 0 && !self.is_heard(*n)
        };
        let unheard: Vec<_> = notices.iter().copied().filter(is_unheard).collect();
        unheard.iter().for_each(|n| self.notices[*n].view.state = DeliveryState::Folded);
        !unheard.is_empty()
    }

    /// Takes a notice, with its group when it never was taken before.
    fn take_one(&mut self, session: usize, n: usize) -> NoticeView {
        self.notices[n].taken_by = Some(session);
        self.notices[n].view.attempts += 1;
        if self.notices[n].is_grouped && self.notices[n].view.attempts == 1 {
            self.gather(n);
        }
        self.follow(n);
        let view = self.notices[n].view.clone();
        self.takings.push(Taking { session, notice: view.clone() });
        let also = self.led_by(n).map(|member| &self.notices[member].view);
        let also = also.map(|view| (view.monitor, view.event, view.at)).collect();
        NoticeView { also, ..view }
    }

    /// Ties to a notice what comes later, was never attempted, and has nothing of its monitor before it that stays behind.
    fn gather(&mut self, leader: usize) {
        let (channel, at) = (self.notices[leader].view.channel, self.notices[leader].view.at);
        let mut stuck = BTreeSet::new();
        let mut company = Vec::new();
        for (n, Notice { view, is_grouped, .. }) in self.notices.iter().enumerate() {
            if n == leader || view.channel != channel || view.state != DeliveryState::Pending {
                continue;
            }
            if *is_grouped && view.attempts == 0 && n > leader && !stuck.contains(&view.monitor) {
                company.push(n);
            } else {
                stuck.insert(view.monitor);
            }
        }
        self.fold_unheard(&company);
        for n in company {
            let view = &mut self.notices[n].view;
            view.leader = (view.state == DeliveryState::Pending).then_some(at);
        }
    }

    /// The notices that are told with one, in order.
    fn led_by(&self, leader: usize) -> impl Iterator<Item = usize> + use<'_> {
        let NoticeView { channel, at, .. } = self.notices[leader].view;
        let led = move |view: &NoticeView| view.channel == channel && view.leader == Some(at);
        (0..self.notices.len()).filter(move |n| led(&self.notices[*n].view))
    }

    /// What is told with a notice stands as it stands.
    fn follow(&mut self, leader: usize) {
        let Notice { view: NoticeView { state, attempts, .. }, due_at, .. } = self.notices[leader];
        for n in self.led_by(leader).collect::<Vec<_>>() {
            self.notices[n].due_at = due_at;
            (self.notices[n].view.state, self.notices[n].view.attempts) = (state, attempts);
        }
    }

    /// Has the next that stays lead what is led by a monitor's notices, which are going.
    pub(super) fn hand_on(&mut self, monitor: usize) {
        let leaders = (0..self.notices.len()).filter(|n| self.notices[*n].view.monitor == monitor);
        for leader in leaders.collect::<Vec<_>>() {
            let staying: Vec<_> = self.led_by(leader).filter(|n| self.notices[*n].view.monitor != monitor).collect();
            let next = staying.first().map(|n| self.notices[*n].view.at);
            for n in staying {
                let view = &mut self.notices[n].view;
                view.leader = next.filter(|at| *at != view.at);
            }
        }
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
        self.follow(n);
    }

    /// Attempts that haven't ended.
    pub(in super::super) fn open_takings(&self) -> Vec<usize> {
        (0..self.takings.len()).filter(|n| self.taken(&self.takings[*n]).is_some()).collect()
    }
}
