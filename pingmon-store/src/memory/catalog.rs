//! The monitors that are defined.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::MonitorId,
    incident::{Closed, Health},
    monitor::{self, Definition, Monitor, Origin, State},
    notification::{Affected, Subject, announce_end},
    schedule::Phase,
    store::{
        catalog::{Catalog, Change, Overview, Put},
        claims::{Gap, GapReason},
    },
    time::Timestamp,
};

use super::{MemoryStore, Tables, Watched};

#[async_trait]
impl Catalog for MemoryStore {
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        monitor::validate_all(&definitions)?;
        Ok(self.transact(|tables, now| tables.put(definitions, now)))
    }

    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        monitor::validate_all(&definitions)?;
        Ok(self.transact(|tables, now| {
            let kept: BTreeSet<_> = definitions.iter().map(|definition| definition.name.clone()).collect();
            let mut puts = tables.put(definitions, now);
            puts.extend(tables.retire_others(origin, &kept, now));
            puts
        }))
    }

    async fn set_state(&self, id: MonitorId, state: State) -> Result<()> {
        self.transact(|tables, now| {
            let watched = tables.watched.get(&id).ok_or_else(|| unknown(id))?;
            match (watched.monitor.state, state) {
                (old, new) if old == new => Ok(()),
                (State::Retired, _) => Err(unknown(id)),
                (_, State::Active) => {
                    tables.resume(id, now);
                    Ok(())
                }
                (_, state) => {
                    tables.unwatch(id, state, now);
                    Ok(())
                }
            }
        })
    }

    async fn delete(&self, id: MonitorId) -> Result<()> {
        self.transact(|tables, _| {
            let gone = tables.watched.remove(&id).ok_or_else(|| unknown(id))?;
            tables.free.remove(&(gone.slot, id));
            if gone.monitor.state != State::Retired {
                tables.names.remove(&gone.monitor.definition.name);
            }
            tables.hand_on(id);
            tables.forget_deliveries(|delivery| delivery.notification.monitor.id == id, usize::MAX);
            Ok(())
        })
    }

    async fn monitor(&self, id: MonitorId) -> Result<Overview> {
        self.transact(|tables, _| tables.watched.get(&id).map(overview).ok_or_else(|| unknown(id)))
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Overview>> {
        let names: BTreeSet<_> = names.iter().collect();
        Ok(self.transact(|tables, _| {
            let ids = names.into_iter().filter_map(|name| tables.names.get(name));
            ids.filter_map(|id| tables.watched.get(id)).map(overview).collect()
        }))
    }

    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()> {
        self.transact(|tables, now| {
            for id in monitors {
                tables.change(*id, |watched| watched.hasten(now));
            }
        });
        Ok(())
    }

    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected> {
        Ok(self.transact(|tables, _| {
            let below = tables.below(name);
            Affected::new(below.len() as u64, below.into_iter().take(limit).map(str::to_owned).collect())
        }))
    }

    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.transact(|tables, _| {
            let named = tables.names.range::<str, _>((from, Bound::Unbounded)).take(limit);
            named.filter_map(|(_, id)| tables.watched.get(id)).map(overview).collect()
        }))
    }
}

fn unknown(id: MonitorId) -> Error {
    Error::not_found(format!("monitor {id}"))
}

fn overview(watched: &Watched) -> Overview {
    Overview::new(watched.monitor.clone(), watched.health.clone(), watched.slot)
}

impl Tables {
    fn put(&mut self, definitions: Vec<Definition>, now: Timestamp) -> Vec<Put> {
        let mut added = 0;
        let mut put_one = |definition: Definition| {
            let name = definition.name.clone();
            let Some(&id) = self.names.get(&name) else {
                let slot = monitor::first_slot(&definition.schedule, added, now);
                added += 1;
                return Put::new(self.add(definition, slot), name, Change::Added);
            };
            let change = self.change(id, |watched| watched.edit(definition, now)).unwrap_or(Change::Unchanged);
            Put::new(id, name, change)
        };
        definitions.into_iter().map(&mut put_one).collect()
    }

    /// The names of the active monitors that depend on that one, straight or through others.
    fn below(&self, name: &str) -> BTreeSet<&str> {
        let mut below = BTreeSet::new();
        let mut parents = vec![name];
        while let Some(parent) = parents.pop() {
            for Monitor { definition, state, .. } in self.watched.values().map(|watched| &watched.monitor) {
                let depends = *state == State::Active && definition.depends_on.iter().any(|on| on == parent);
                if depends && definition.name != name && below.insert(definition.name.as_str()) {
                    parents.push(&definition.name);
                }
            }
        }
        below
    }

    fn add(&mut self, definition: Definition, slot: Timestamp) -> MonitorId {
        let id = MonitorId::new();
        self.names.insert(definition.name.clone(), id);
        self.free.insert((slot, id));
        let watched = Watched {
            monitor: Monitor::new(id, 1, State::Active, definition),
            health: Health::default(),
            slot,
            owner: None,
            records: BTreeMap::new(),
            gaps: BTreeMap::new(),
            incidents: BTreeMap::new(),
            kept: None,
        };
        self.watched.insert(id, watched);
        id
    }

    /// Retires what has this origin and isn't named, by name.
    fn retire_others(&mut self, origin: &Origin, kept: &BTreeSet<String>, now: Timestamp) -> Vec<Put> {
        let others = self.names.iter().filter(|(name, id)| {
            let from_there = |watched: &Watched| watched.monitor.definition.origin == *origin;
            !kept.contains(*name) && self.watched.get(id).is_some_and(from_there)
        });
        let retired: Vec<_> = others.map(|(name, id)| Put::new(*id, name.clone(), Change::Retired)).collect();
        for put in &retired {
            self.unwatch(put.id, State::Retired, now);
        }
        retired
    }

    fn resume(&mut self, id: MonitorId, now: Timestamp) {
        self.change(id, |watched| {
            if watched.slot < now {
                let slots = watched.monitor.definition.schedule.count(watched.slot, now, Phase::of(id));
                watched.gaps.insert(watched.slot, Gap::new(watched.slot, now, slots, GapReason::Paused));
            }
            watched.set_state(State::Active);
            watched.slot = now;
        });
    }

    /// Pauses or retires a monitor: closes what is open about it and tells its channels.
    fn unwatch(&mut self, id: MonitorId, state: State, now: Timestamp) {
        let why = if state == State::Retired { Closed::Retired } else { Closed::Paused };
        let changed = self.change(id, |watched| {
            let (health, transitions) = monitor::unwatch(&watched.monitor, &watched.health, why, now);
            watched.health = health;
            watched.write_incidents(&transitions, "");
            watched.set_state(state);
            watched.kept.take_if(|_| state == State::Retired);
            (watched.monitor.clone(), transitions)
        });
        let Some((monitor, transitions)) = changed else { return };
        let subject = Subject::of(&monitor);
        let ends = transitions.into_iter();
        let deliveries: Vec<_> = ends.flat_map(|end| announce_end(&subject, end, self.told(end.incident.id))).collect();
        self.enqueue(deliveries);
        if state == State::Retired {
            self.names.remove(&monitor.definition.name);
        }
    }
}

impl Watched {
    fn edit(&mut self, definition: Definition, now: Timestamp) -> Change {
        let old = &self.monitor.definition;
        if *old == definition {
            return Change::Unchanged;
        }
        self.slot = monitor::slot_after_edit(&old.schedule, &definition.schedule, self.slot, self.monitor.id, now);
        self.monitor.definition = definition;
        self.set_state(self.monitor.state);
        Change::Changed
    }

    fn hasten(&mut self, now: Timestamp) {
        if self.monitor.state == State::Active && self.slot > now {
            self.monitor.revision += 1;
            self.owner = None;
            self.slot = now;
        }
    }

    /// A new revision in that state, which nobody owns.
    pub(super) fn set_state(&mut self, state: State) {
        self.monitor.state = state;
        self.monitor.revision += 1;
        self.owner = None;
    }
}
