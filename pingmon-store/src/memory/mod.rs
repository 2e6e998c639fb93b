//! The store that lives and dies with its process: the shortest full reading of the contract. For tests, for trials,
//! and for services that need no past. Not for monitors whose history matters: nothing of it survives a restart.
//!
//! One mutex guards everything, so each call is a transaction. Nothing waits under it. Sessions whose lease ran out end
//! at the start of the next call, before anything else is looked at: inside a call every owner is alive.

mod catalog;
mod claims;
mod groups;
mod history;
mod incidents;
mod outbox;
mod plugins;
mod silences;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use pingmon_core::{
    id::{DeliveryId, IncidentId, MonitorId, SessionId, SilenceId},
    incident::{Health, Incident},
    monitor::{Monitor, State},
    silence::Silence,
    store::{
        claims::{Claim, Gap, Session},
        history::Record,
    },
    time::{Clock, SystemClock, Timestamp},
};

use self::{
    outbox::{Queue, Thread},
    plugins::Shelved,
};

/// Keeps everything in this process. Share it in an [`Arc`]: all who hold it see the same state.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store that goes by the wall clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that goes by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    /// One transaction: what `act` does happens at one instant, after the sessions that are over by then have ended.
    fn transact<T>(&self, act: impl FnOnce(&mut Tables, Timestamp) -> T) -> T {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        tables.end_sessions(now);
        act(&mut tables, now)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// All that is stored.
#[derive(Default)]
struct Tables {
    watched: BTreeMap<MonitorId, Watched>,
    /// The monitors that aren't retired, by name.
    names: BTreeMap<String, MonitorId>,
    /// The active monitors that nobody owns, earliest slot first.
    free: BTreeSet<(Timestamp, MonitorId)>,
    sessions: BTreeMap<SessionId, Seat>,
    deliveries: BTreeMap<DeliveryId, outbox::Row>,
    /// The pending deliveries of each channel.
    queues: BTreeMap<String, Queue>,
    /// All deliveries of each incident and channel.
    threads: BTreeMap<Thread, Queue>,
    /// What goes with each leader, in order.
    members: BTreeMap<DeliveryId, Vec<DeliveryId>>,
    plugins: BTreeMap<String, Shelved>,
    silences: BTreeMap<SilenceId, Silence>,
}

/// A monitor with its present state and its past.
struct Watched {
    monitor: Monitor,
    health: Health,
    slot: Timestamp,
    owner: Option<SessionId>,
    records: BTreeMap<Timestamp, Record>,
    gaps: BTreeMap<Timestamp, Gap>,
    incidents: BTreeMap<IncidentId, Incident>,
    kept: Option<Arc<[u8]>>,
}

impl Watched {
    fn is_free(&self) -> bool {
        self.owner.is_none() && self.monitor.state == State::Active
    }

    fn to_claim(&self) -> Claim {
        Claim::new(self.monitor.clone(), self.health.clone(), self.slot)
    }
}

/// A session; it stays known after its end, so that it never comes back.
struct Seat {
    session: Session,
    ended_at: Option<Timestamp>,
}

impl Tables {
    /// Changes one monitor and keeps the index of free ones true to it. `None` when there is no such monitor.
    fn change<T>(&mut self, id: MonitorId, change: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        let watched = self.watched.get_mut(&id)?;
        if watched.is_free() {
            self.free.remove(&(watched.slot, id));
        }
        let answer = change(watched);
        if watched.is_free() {
            self.free.insert((watched.slot, id));
        }
        Some(answer)
    }
}
