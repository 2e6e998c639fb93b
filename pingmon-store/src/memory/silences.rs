//! Silences: what people don't want to be told of for a time.

use std::cmp::Reverse;

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::SilenceId,
    silence::{Draft, MAX_ALIVE, Silence, over, too_many},
    store::silences::{SilenceFilter, Silences},
    time::Timestamp,
};

use super::{MemoryStore, Tables};

#[async_trait]
impl Silences for MemoryStore {
    async fn silence(&self, draft: Draft) -> Result<Silence> {
        self.transact(|tables, now| {
            let silence = draft.begin(SilenceId::new(), now)?;
            if tables.silences.values().filter(|other| other.until > now).count() >= MAX_ALIVE {
                return Err(too_many());
            }
            tables.silences.insert(silence.id, silence.clone());
            Ok(silence)
        })
    }

    async fn end_silence(&self, id: SilenceId) -> Result<Silence> {
        self.transact(|tables, now| {
            let alive = tables.silences.get_mut(&id).filter(|silence| silence.until > now);
            let silence = alive.ok_or_else(|| over(id))?;
            *silence = silence.clone().ended(now);
            Ok(silence.clone())
        })
    }

    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>> {
        Ok(self.transact(|tables, now| {
            let wanted = |silence: &&Silence| !filter.alive || silence.until > now;
            let mut found: Vec<_> = tables.silences.values().filter(wanted).collect();
            found.sort_by_key(|silence| Reverse((silence.until, silence.id)));
            found.into_iter().take(limit).cloned().collect()
        }))
    }
}

impl Tables {
    /// Forgets up to `limit` silences that ended before an instant; answers how many.
    pub(super) fn prune_silences(&mut self, before: Timestamp, limit: usize) -> usize {
        let old = self.silences.values().filter(|silence| silence.until < before);
        let old: Vec<_> = old.map(|silence| silence.id).take(limit).collect();
        old.iter().filter_map(|id| self.silences.remove(id)).count()
    }
}
