//! The plug-ins in the store.

use std::{collections::btree_map::Entry, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    store::{
        catalog::Change,
        plugins::{NewPlugin, Plugins, StoredPlugin, no_bytes, no_plugin},
    },
};

use super::MemoryStore;

/// A plug-in with its bytes.
pub(super) struct Shelved {
    plugin: StoredPlugin,
    bytes: Arc<Vec<u8>>,
}

#[async_trait]
impl Plugins for MemoryStore {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        plugin.validate()?;
        Ok(self.transact(|tables, now| {
            let NewPlugin { name, sha256, signature, bytes, .. } = plugin;
            let plugin = StoredPlugin::new(name.clone(), sha256, bytes.len() as u64, signature, now);
            let new = Shelved { plugin, bytes: Arc::new(bytes) };
            match tables.plugins.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(new);
                    Change::Added
                }
                Entry::Occupied(old) if old.get().is_as(&new) => Change::Unchanged,
                Entry::Occupied(mut old) => {
                    old.insert(new);
                    Change::Changed
                }
            }
        }))
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        let removed = self.transact(|tables, _| tables.plugins.remove(name));
        removed.map(drop).ok_or_else(|| no_plugin(name))
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        Ok(self.transact(|tables, _| tables.plugins.values().map(|shelved| shelved.plugin.clone()).collect()))
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        let found = self.transact(|tables, _| {
            let found = tables.plugins.values().find(|shelved| shelved.plugin.sha256 == sha256);
            found.map(|shelved| Arc::clone(&shelved.bytes))
        });
        let found = found.ok_or_else(|| no_bytes(sha256))?;
        Ok(found.to_vec())
    }
}

impl Shelved {
    fn is_as(&self, other: &Self) -> bool {
        (&self.plugin.sha256, &self.plugin.signature) == (&other.plugin.sha256, &other.plugin.signature)
    }
}
