//! How many runs may be under way: overall and per kind. Plain counting by the one task that starts runs.

use std::collections::{BTreeSet, HashMap};

use super::registry::Registry;
use crate::{id::MonitorId, time::Timestamp};

/// The room for runs, and who waits for it.
pub(super) struct Permits {
    free: usize,
    kinds: Vec<Kind>,
}

struct Kind {
    free: usize,
    /// Due, but without room; by the moment they were to start, earliest first.
    waiting: BTreeSet<(Timestamp, MonitorId)>,
}

impl Permits {
    pub(super) fn new(concurrency: usize, concurrency_of: &HashMap<String, usize>, registry: &Registry) -> Self {
        let limit = |name: &str| concurrency_of.get(name).copied().unwrap_or(concurrency);
        let kinds = registry.names().iter().map(|name| Kind { free: limit(name), waiting: BTreeSet::new() });
        // An engine without kinds holds nothing, but index 0 stays valid.
        let none = registry.names().is_empty().then(|| Kind { free: 0, waiting: BTreeSet::new() });
        Self { free: concurrency, kinds: kinds.chain(none).collect() }
    }

    /// Takes room for a run of that kind, if there is some.
    pub(super) fn take(&mut self, kind: usize) -> bool {
        let room = self.free > 0 && self.kinds[kind].free > 0;
        if room {
            self.free -= 1;
            self.kinds[kind].free -= 1;
        }
        room
    }

    /// Gives the room of an ended run back.
    pub(super) fn give_back(&mut self, kind: usize) {
        self.free += 1;
        self.kinds[kind].free += 1;
    }

    /// Lets a due monitor wait for room.
    pub(super) fn wait(&mut self, kind: usize, start_at: Timestamp, monitor: MonitorId) {
        self.kinds[kind].waiting.insert((start_at, monitor));
    }

    /// Takes room for whoever has waited longest among the kinds that have some.
    pub(super) fn next_waiting(&mut self) -> Option<(usize, Timestamp, MonitorId)> {
        if self.free == 0 {
            return None;
        }
        let ready = self.kinds.iter_mut().enumerate().filter(|(_, kind)| kind.free > 0 && !kind.waiting.is_empty());
        let (index, kind) = ready.min_by_key(|(_, kind)| kind.waiting.first().copied())?;
        let (start_at, monitor) = kind.waiting.pop_first()?;
        kind.free -= 1;
        self.free -= 1;
        Some((index, start_at, monitor))
    }

    /// When the one was to start that has waited longest.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        self.kinds.iter().filter_map(|kind| kind.waiting.first()).map(|(start_at, _)| *start_at).min()
    }

    /// Forgets all who wait; runs under way keep their room until they end.
    pub(super) fn clear_waiting(&mut self) {
        self.kinds.iter_mut().for_each(|kind| kind.waiting.clear());
    }
}
