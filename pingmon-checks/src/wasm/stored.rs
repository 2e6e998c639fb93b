//! Follows the plug-ins of a store: what is added there, replaced or removed is so here some seconds later. Only names and
//! hashes are asked for again and again; bytes come when a hash is new, and are held against it. A new version that can't be
//! used leaves the old one in its place.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    store::plugins::{Plugins as Store, StoredPlugin, no_plugin},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{
    plugin::Plugin,
    plugins::{Plugins, Table},
};

/// How long until the store is asked again.
const EVERY: Duration = Duration::from_secs(3);
/// How long until a plug-in that couldn't be used is tried again: its cache may have been full, its compiler killed.
const RETRY: Duration = Duration::from_secs(600);

/// A plug-in of the store that is run.
pub(super) struct Stored {
    pub(super) plugin: Arc<Plugin>,
    version: Version,
}

/// A plug-in of the store that isn't run as it is there.
pub(super) struct Refused {
    pub(super) reason: String,
    version: Version,
    at: Instant,
}

/// What makes a plug-in of the store another one.
#[derive(Clone, PartialEq)]
struct Version {
    sha256: String,
    signature: Option<String>,
}

impl From<&StoredPlugin> for Version {
    fn from(listed: &StoredPlugin) -> Self {
        Self { sha256: listed.sha256.clone(), signature: listed.signature.clone() }
    }
}

impl Plugins {
    /// Follows the plug-ins of a store for as long as it is polled. Must be called within a tokio runtime of several
    /// threads: what takes long is done on a thread for what blocks.
    pub async fn follow(&self, store: &dyn Store) -> Infallible {
        let mut failing = false;
        loop {
            match self.refresh(store).await {
                Ok(()) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(
                        error = error.chain(),
                        "can't look for new plug-ins in the store: keeping those there are"
                    );
                }
                Err(_) => {}
            }
            sleep(EVERY).await;
        }
    }

    /// Makes the plug-ins of a store those that it has now. From then on a monitor may name one that isn't there yet.
    ///
    /// # Errors
    /// Store errors; what is wrong with a single plug-in is logged, and said by the runs of monitors that name it.
    pub async fn refresh(&self, store: &dyn Store) -> Result<()> {
        self.expect_any();
        let listed = store.plugins().await?;
        self.table_mut(|table| table.retain(&listed));
        for listed in listed {
            match self.table(|table| table.verdict(&listed)) {
                Verdict::Known => {}
                Verdict::Refused(reason) => {
                    tracing::warn!(plugin = listed.name, reason, "a plug-in in the store isn't run here");
                    self.note(&listed, reason);
                }
                Verdict::New => self.take(store, &listed).await?,
            }
        }
        Ok(())
    }

    /// One plug-in of a store, ready to run, without putting it into the table.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name; [`Error::Config`] when it can't be used; store errors.
    pub async fn fetch(&self, store: &dyn Store, name: &str) -> Result<Plugin> {
        let listed = store.plugins().await?.into_iter().find(|listed| listed.name == name);
        let listed = listed.ok_or_else(|| no_plugin(name))?;
        if let Verdict::Refused(reason) = self.table(|table| table.verdict(&listed)) {
            return Err(Error::config("plugin", reason));
        }
        let bytes = store.plugin_bytes(&listed.sha256).await?;
        let refused = |reason| Error::config("plugin", format!("\"{name}\" in the store can't be used: {reason}"));
        self.load_apart(&listed, bytes).await.map_err(refused)
    }

    async fn take(&self, store: &dyn Store, listed: &StoredPlugin) -> Result<()> {
        let bytes = match store.plugin_bytes(&listed.sha256).await {
            Ok(bytes) => bytes,
            // Replaced or removed meanwhile: the next list says so.
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        match self.load_apart(listed, bytes).await {
            Ok(plugin) => self.run_from_now_on(listed, plugin),
            Err(reason) => self.refuse(listed, reason),
        }
        Ok(())
    }

    /// Checking and linking a large component takes long, and would hold up who else is on this thread.
    async fn load_apart(&self, listed: &StoredPlugin, bytes: Vec<u8>) -> Result<Plugin, String> {
        let (plugins, listed, runtime) = (self.clone(), listed.clone(), Handle::current());
        let load = move || {
            let (sha256, signature) = (Some(listed.sha256.as_str()), listed.signature.as_deref());
            runtime.block_on(plugins.try_load(&listed.name, &bytes, sha256, signature))
        };
        let loaded = tokio::task::spawn_blocking(load).await.map_err(|error| format!("loading it broke: {error}"))?;
        loaded.map_err(|(field, reason)| match field {
            "sha256" => format!("its bytes don't fit its SHA-256: {reason}"),
            _ => reason,
        })
    }

    fn run_from_now_on(&self, listed: &StoredPlugin, plugin: Plugin) {
        let version = plugin.info().version.clone();
        let stored = Stored { plugin: Arc::new(plugin), version: listed.into() };
        let replaced = self.table_mut(|table| {
            table.refused.remove(&listed.name);
            table.stored.insert(listed.name.clone(), stored).is_some()
        });
        let (plugin, sha256) = (&listed.name, &listed.sha256);
        match replaced {
            true => tracing::info!(plugin, version, sha256, "replaced a plug-in by what the store has now"),
            false => tracing::info!(plugin, version, sha256, "took a plug-in from the store"),
        }
    }

    fn refuse(&self, listed: &StoredPlugin, reason: String) {
        let (plugin, sha256) = (&listed.name, &listed.sha256);
        match self.table(|table| table.stored.contains_key(plugin)) {
            true => tracing::error!(plugin, sha256, reason, "kept a plug-in, what the store has now can't be used"),
            false => tracing::error!(plugin, sha256, reason, "a plug-in in the store can't be used"),
        }
        self.note(listed, reason);
    }

    fn note(&self, listed: &StoredPlugin, reason: String) {
        let refused = Refused { reason, version: listed.into(), at: Instant::now() };
        self.table_mut(|table| table.refused.insert(listed.name.clone(), refused));
    }
}

/// What is to be done about a plug-in of the store.
enum Verdict {
    Known,
    Refused(String),
    New,
}

impl Table {
    fn verdict(&self, listed: &StoredPlugin) -> Verdict {
        let (name, version) = (&listed.name, Version::from(listed));
        if self.stored.get(name).is_some_and(|stored| stored.version == version) {
            return Verdict::Known;
        }
        let is_recent = |refused: &Refused| refused.at.elapsed() < RETRY || self.installed.contains_key(name);
        if self.refused.get(name).is_some_and(|refused| refused.version == version && is_recent(refused)) {
            return Verdict::Known;
        }
        match self.expected.get(name).and_then(Option::as_ref) {
            _ if self.installed.contains_key(name) => {
                Verdict::Refused("this worker has one of that name of its own, which wins".to_owned())
            }
            Some(sha256) if *sha256 != listed.sha256 => {
                Verdict::Refused(format!("its SHA-256 is {}, and this worker is to run {sha256} only", listed.sha256))
            }
            _ => Verdict::New,
        }
    }

    /// Drops what the store has no more.
    fn retain(&mut self, listed: &[StoredPlugin]) {
        let names: BTreeSet<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
        self.refused.retain(|name, _| names.contains(name.as_str()));
        self.stored.retain(|name, _| {
            let stays = names.contains(name.as_str());
            if !stays {
                tracing::info!(plugin = name, "a plug-in was removed from the store");
            }
            stays
        });
    }

    /// Looks at what comes from a store anew, after what is installed or expected has changed.
    pub(super) fn reconsider(&mut self) {
        self.refused.clear();
        let Self { stored, expected, .. } = self;
        stored.retain(|name, stored| {
            let only = expected.get(name).and_then(Option::as_ref);
            only.is_none_or(|sha256| *sha256 == stored.version.sha256)
        });
    }
}
