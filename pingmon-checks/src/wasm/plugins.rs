//! The plug-ins that monitors may name. One can be replaced at any time: runs under way end on the old one.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use pingmon_core::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::{
    cache::Cache,
    compile::Compiler,
    engine::Engine,
    inspect::inspect,
    plugin::{Plugin, hex_sha256},
    settings::Settings,
};

/// A table of plug-ins. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Plugins(Arc<Shared>);

struct Shared {
    settings: Settings,
    compiler: Compiler,
    /// Made when the first plug-in is loaded: it reserves address space and has a thread.
    engine: Mutex<Option<Arc<Engine>>>,
    table: RwLock<Table>,
}

type Table = BTreeMap<String, Arc<Plugin>>;

impl Plugins {
    /// An empty table.
    ///
    /// # Errors
    /// [`Error::Config`] when a setting is out of its range.
    pub fn new(settings: Settings, compiler: Compiler) -> Result<Self> {
        settings.validate()?;
        let (engine, table) = (Mutex::default(), RwLock::default());
        Ok(Self(Arc::new(Shared { settings, compiler, engine, table })))
    }

    /// Makes a component ready to run, without putting it into the table: compiles it unless that was done before, and asks
    /// it what it is. `sha256` is what its bytes have to be, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Config`] when the hash is another (`sha256`), or when the component can't be used (`file`).
    pub async fn load(&self, name: &str, wasm: &[u8], sha256: Option<&str>) -> Result<Plugin> {
        let found = hex_sha256(wasm);
        if let Some(expected) = sha256.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
            let reason = format!("the file's is {found}, expected {expected}: it was changed, or is another version");
            return Err(Error::config("sha256", reason));
        }
        let refused = |reason: String| Error::config("file", format!("the plug-in \"{name}\" can't be used: {reason}"));
        inspect(wasm, &self.0.settings).map_err(refused)?;
        let engine = self.engine()?;
        let component = self.component(wasm, &engine).await.map_err(refused)?;
        Plugin::prepare(name, wasm, &component, &engine).await.map_err(refused)
    }

    /// Puts a plug-in into the table, in the place of one with the same name.
    pub fn install(&self, plugin: Plugin) {
        self.table_mut(|table| table.insert(plugin.info().name.clone(), Arc::new(plugin)));
    }

    /// Makes the table the same as another: what isn't in that one is gone.
    pub fn replace(&self, others: &Self) {
        let others = others.all();
        self.table_mut(|table| {
            *table = others.into_iter().map(|plugin| (plugin.info().name.clone(), plugin)).collect()
        });
    }

    /// All plug-ins, by name.
    pub fn all(&self) -> Vec<Arc<Plugin>> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The plug-in of that name.
    ///
    /// # Errors
    /// Says which there are.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Plugin>, String> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(name).cloned().ok_or_else(|| {
            let name: String = name.chars().take(200).collect();
            match table.keys().map(String::as_str).collect::<Vec<_>>().join(", ") {
                known if known.is_empty() => format!("no plug-in is named \"{name}\": declare it by [[plugin]]"),
                known => format!("no plug-in is named \"{name}\"; there are: {known}"),
            }
        })
    }

    fn table_mut<T>(&self, change: impl FnOnce(&mut Table) -> T) {
        change(&mut self.0.table.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        let mut engine = self.0.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(Arc::clone(engine));
        }
        let new = Arc::new(Engine::new(self.0.settings.clone())?);
        Ok(Arc::clone(engine.insert(new)))
    }

    async fn component(&self, wasm: &[u8], engine: &Engine) -> Result<Component, String> {
        let hash: [u8; 32] = Sha256::digest(wasm).into();
        let directory = self.0.settings.cache.as_deref();
        let cache = directory.map(|directory| Cache::open(directory, &engine.wasmtime)).transpose();
        let cache = cache.map_err(|reason| format!("the cache (wasm.cache) {reason}"))?;
        if let Some(code) = cache.as_ref().and_then(|cache| cache.get(&hash))
            && let Ok(component) = trust(&code, engine)
        {
            return Ok(component);
        }
        let code = self.0.compiler.compile(wasm, &self.0.settings).await?;
        if let Some(Err(error)) = cache.map(|cache| cache.put(&hash, &code)) {
            tracing::warn!(%error, "a compiled plug-in couldn't be kept: it will be compiled again");
        }
        trust(&code, engine)
    }
}

/// Takes bytes for machine code.
fn trust(code: &[u8], engine: &Engine) -> Result<Component, String> {
    // SAFETY: these bytes come from our own compiler, in this run or in an earlier one: then from a directory that nobody
    // else may write to, and unchanged by the hash beside them.
    #[expect(unsafe_code, reason = "wasmtime can't check machine code")]
    let component = unsafe { Component::deserialize(&engine.wasmtime, code) };
    component.map_err(|error| format!("the compiler's code can't be used: {error:#}"))
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|plugin| plugin.info().name.clone())).finish()
    }
}
