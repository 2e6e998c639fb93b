//! The plug-ins that monitors may name: those that are installed, and those of a store (`stored`), among which an installed
//! one of the same name wins. One can be replaced at any time: runs under way end on the old one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
};

use pingmon_core::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::{
    cache::Cache,
    compile::Compiler,
    engine::Engine,
    inspect::inspect,
    plugin::Plugin,
    settings::Settings,
    signature::Keys,
    stored::{Refused, Stored},
};

/// A table of plug-ins. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Plugins(Arc<Shared>);

struct Shared {
    settings: Settings,
    keys: Keys,
    compiler: Compiler,
    /// Made when the first plug-in is loaded: it reserves address space and has a thread.
    engine: Mutex<Option<Arc<Engine>>>,
    /// What another table has compiled for the same engine, by hash.
    compiled: BTreeMap<String, Component>,
    table: RwLock<Table>,
    /// The table that took this one's place.
    successor: OnceLock<Plugins>,
}

/// What there is, by name.
#[derive(Default)]
pub(super) struct Table {
    pub(super) installed: BTreeMap<String, Arc<Plugin>>,
    /// What is to come from a store, and with which hash, if only one will do.
    pub(super) expected: BTreeMap<String, Option<String>>,
    /// Whether others may come from there too.
    pub(super) open: bool,
    pub(super) stored: BTreeMap<String, Stored>,
    /// What lies in the store and isn't run as it is there.
    pub(super) refused: BTreeMap<String, Refused>,
}

impl Plugins {
    /// An empty table.
    ///
    /// # Errors
    /// [`Error::Config`] when a setting is out of its range.
    pub fn new(settings: Settings, compiler: Compiler) -> Result<Self> {
        settings.validate()?;
        let keys = Keys::parse(&settings.trust)?;
        Ok(Self::sharing(settings, keys, compiler, None, BTreeMap::new()))
    }

    /// What plug-ins may use up here.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Another empty table, for a config that is read again: with the same settings, it compiles nothing that this one has.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn again(&self, settings: Settings) -> Result<Self> {
        let compiler = self.0.compiler.clone();
        if settings != self.0.settings {
            return Self::new(settings, compiler);
        }
        let keys = Keys::parse(&settings.trust)?;
        let engine = self.0.engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let compiled = self.all().into_iter().map(|plugin| (plugin.info().sha256.clone(), plugin.component().clone()));
        Ok(Self::sharing(settings, keys, compiler, engine, compiled.collect()))
    }

    fn sharing(
        settings: Settings,
        keys: Keys,
        compiler: Compiler,
        engine: Option<Arc<Engine>>,
        compiled: BTreeMap<String, Component>,
    ) -> Self {
        let (engine, table, successor) = (Mutex::new(engine), RwLock::default(), OnceLock::new());
        Self(Arc::new(Shared { settings, keys, compiler, engine, compiled, table, successor }))
    }

    /// Makes a component ready to run, without putting it into the table: compiles it unless that was done before, and asks
    /// it what it is. `sha256` is what its bytes have to be, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Config`] when the hash is another (`sha256`), when a signature is asked for (`signature`), or when the
    /// component can't be used (`file`).
    pub async fn load(&self, name: &str, wasm: &[u8], sha256: Option<&str>) -> Result<Plugin> {
        self.load_signed(name, wasm, sha256, None).await
    }

    /// The same for a component that somebody has signed: see [`Settings::trust`]. A signature is 64 bytes in base64.
    ///
    /// # Errors
    /// As [`load`](Self::load); `signature` also when it is by nobody who is trusted.
    pub async fn load_signed(
        &self,
        name: &str,
        wasm: &[u8],
        sha256: Option<&str>,
        signature: Option<&str>,
    ) -> Result<Plugin> {
        self.try_load(name, wasm, sha256, signature).await.map_err(|(field, reason)| match field {
            "file" => Error::config(field, format!("the plug-in \"{name}\" can't be used: {reason}")),
            field => Error::config(field, reason),
        })
    }

    /// # Errors
    /// What is wrong with it, and with what of it.
    pub(super) async fn try_load(
        &self,
        name: &str,
        wasm: &[u8],
        sha256: Option<&str>,
        signature: Option<&str>,
    ) -> Result<Plugin, (&'static str, String)> {
        // Once: for a component in the cache, hashing is most of the work.
        let hash: [u8; 32] = Sha256::digest(wasm).into();
        let found = hex::encode(hash);
        if let Some(expected) = sha256.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
            let reason =
                format!("the component's is {found}, expected {expected}: it was changed, or is another version");
            return Err(("sha256", reason));
        }
        self.0.keys.verify(wasm, signature).map_err(|reason| ("signature", reason))?;
        let refused = |reason: String| ("file", reason);
        let engine = self.engine().map_err(|error| refused(error.chain()))?;
        let component = match self.0.compiled.get(&found) {
            Some(component) => component.clone(),
            None => self.component(wasm, &hash, &engine).await.map_err(refused)?,
        };
        Plugin::prepare(name, found, wasm.len(), &component, &engine).await.map_err(refused)
    }

    /// Puts a plug-in into the table, in the place of one with the same name.
    pub fn install(&self, plugin: Plugin) {
        self.table_mut(|table| table.installed.insert(plugin.info().name.clone(), Arc::new(plugin)));
    }

    /// Says that a plug-in of that name is to come from a store, with that hash if one is given. Until then monitors that
    /// name it are `unknown`.
    pub fn expect(&self, name: impl Into<String>, sha256: Option<String>) {
        let sha256 = sha256.map(|sha256| sha256.to_ascii_lowercase());
        self.table_mut(|table| table.expected.insert(name.into(), sha256));
    }

    /// Says that a plug-in of any name may come from a store.
    pub fn expect_any(&self) {
        self.table_mut(|table| table.open = true);
    }

    /// Makes what is installed and expected the same as in another table, a draft: what isn't there is gone. Those of a store
    /// stay. What was built with the draft looks here from now on.
    pub fn replace(&self, draft: &Self) {
        let (installed, expected) = draft.table(|table| (table.installed.clone(), table.expected.clone()));
        self.table_mut(|table| {
            (table.installed, table.expected) = (installed, expected);
            table.reconsider();
        });
        if !Arc::ptr_eq(&self.0, &draft.0) {
            // A draft is used once; the first place it got is the one that counts.
            let _ = draft.0.successor.set(self.clone());
        }
    }

    /// All plug-ins, by name.
    pub fn all(&self) -> Vec<Arc<Plugin>> {
        self.table(|table| {
            let stored = table.stored.iter().map(|(name, stored)| (name, &stored.plugin));
            let all: BTreeMap<_, _> = stored.chain(&table.installed).collect();
            all.into_values().cloned().collect()
        })
    }

    /// The plug-in of that name.
    ///
    /// # Errors
    /// Says which there are.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Plugin>, String> {
        if let Some(successor) = self.0.successor.get() {
            return successor.get(name);
        }
        self.table(|table| table.get(name).ok_or_else(|| table.missing(name)))
    }

    /// Whether a plug-in that isn't there may come from a store.
    pub(super) fn may_come(&self, name: &str) -> bool {
        self.table(|table| table.open || table.expected.contains_key(name))
    }

    pub(super) fn table<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.0.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn table_mut<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.0.table.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        let mut engine = self.0.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(Arc::clone(engine));
        }
        let new = Arc::new(Engine::new(self.0.settings.clone())?);
        Ok(Arc::clone(engine.insert(new)))
    }

    async fn component(&self, wasm: &[u8], hash: &[u8; 32], engine: &Engine) -> Result<Component, String> {
        let directory = self.0.settings.cache.as_deref();
        let cache = directory.map(|directory| Cache::open(directory, &engine.wasmtime)).transpose();
        let cache = cache.map_err(|reason| format!("the cache (wasm.cache) {reason}"))?;
        if let Some(code) = cache.as_ref().and_then(|cache| cache.get(hash))
            && let Ok(component) = trust(Code::Kept(&code), engine)
        {
            return Ok(component);
        }
        // What was compiled before was inspected before.
        inspect(wasm, &self.0.settings)?;
        let code = self.0.compiler.compile(wasm, &self.0.settings).await?;
        if let Some(Err(error)) = cache.map(|cache| cache.put(hash, &code)) {
            tracing::warn!(%error, "a compiled plug-in couldn't be kept: it will be compiled again");
        }
        trust(Code::Compiled(&code), engine)
    }
}

impl Table {
    fn get(&self, name: &str) -> Option<Arc<Plugin>> {
        let stored = || self.stored.get(name).map(|stored| &stored.plugin);
        self.installed.get(name).or_else(stored).cloned()
    }

    /// Why there is no such plug-in, as far as that is known.
    fn missing(&self, name: &str) -> String {
        if let Some(refused) = self.refused.get(name) {
            return format!("the plug-in \"{name}\" in the store can't be used: {}", refused.reason);
        }
        let name: String = name.chars().take(200).collect();
        let known: BTreeSet<_> = self.installed.keys().chain(self.stored.keys()).chain(self.expected.keys()).collect();
        match known.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ") {
            _ if self.expected.contains_key(&*name) => format!("the plug-in \"{name}\" isn't in the store yet"),
            known if known.is_empty() => {
                format!("no plug-in is named \"{name}\": declare it by [[plugin]], or add it to the store")
            }
            known => format!(
                "no plug-in is named \"{name}\", there are: {known}; one in the store is declared by its name alone"
            ),
        }
    }
}

/// Where machine code is.
enum Code<'a> {
    Compiled(&'a [u8]),
    Kept(&'a Path),
}

/// Takes for machine code what is said to be that.
fn trust(code: Code<'_>, engine: &Engine) -> Result<Component, String> {
    // SAFETY: it comes from our own compiler, in this run or in an earlier one: then from a directory that nobody else may
    // write to, from a file that isn't written to either, and unchanged by the hash beside it.
    #[expect(unsafe_code, reason = "wasmtime can't check machine code")]
    let component = unsafe {
        match code {
            Code::Compiled(bytes) => Component::deserialize(&engine.wasmtime, bytes),
            // Where nothing may be executed from (`noexec`), from memory it may.
            Code::Kept(file) => Component::deserialize_file(&engine.wasmtime, file)
                .or_else(|_| Component::deserialize(&engine.wasmtime, std::fs::read(file)?)),
        }
    };
    component.map_err(|error| format!("the compiler's code can't be used: {error:#}"))
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|plugin| plugin.info().name.clone())).finish()
    }
}
