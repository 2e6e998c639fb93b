//! `pingmon plugin`: begin, try and list plug-ins, and share them through the store.

pub(crate) mod add;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod remove;
pub(crate) mod run;

use std::{collections::BTreeSet, io, path::Path, process::ExitCode, sync::Arc};

use pingmon_checks::wasm::{self, Plugin, Plugins, Settings};
use pingmon_core::{
    error::{Error, Result as CoreResult},
    monitor::{Definition, Monitor},
    store::Store,
};

use super::{Failure, block_on, warn};
use crate::{
    cli::File,
    config::{self, Config, apart, compiler, read_component},
    store::Opened,
};

/// How many monitors are asked for at a time.
const PAGE: usize = 1_000;
/// The check kind of monitors that name a plug-in.
const KIND: &str = "wasm";

/// The plug-in that the command line means: a file; or by its name one that the config declares, or its store has.
fn find(component: &Path, file: File) -> Result<(Plugins, Arc<Plugin>), Failure> {
    let shown = component.display();
    if component.exists() {
        return load(component);
    }
    if config::find(file.config.clone()).is_none() {
        let reason = "there is no such file, and no pingmon.toml here that knows a plug-in of that name";
        return Err(Failure::Usage(format!("{shown} can't be read: {reason}")));
    }
    let config = super::load(file.config)?;
    let (plugins, name) = (config.plugins.clone(), component.to_string_lossy());
    if let Some(plugin) = named(&plugins, &name) {
        return Ok((plugins, plugin));
    }
    let fetched = block_on(in_store(&config, async |store| plugins.fetch(store, &name).await))?;
    plugins.install(fetched.flatten().map_err(|error| match error {
        Error::NotFound { .. } => {
            Failure::Usage(format!("{shown} is no file, and neither the config nor its store knows such a plug-in"))
        }
        error => error.into(),
    })?);
    found(plugins, &name)
}

fn found(plugins: Plugins, name: &str) -> Result<(Plugins, Arc<Plugin>), Failure> {
    let plugin = named(&plugins, name).ok_or_else(|| Failure::Broken("the plug-in got lost".to_owned()))?;
    Ok((plugins, plugin))
}

fn named(plugins: &Plugins, name: &str) -> Option<Arc<Plugin>> {
    plugins.all().into_iter().find(|plugin| plugin.info().name == name)
}

/// Loads one component, with the usual settings.
fn load(component: &Path) -> Result<(Plugins, Arc<Plugin>), Failure> {
    let settings = Settings::default();
    let wasm = read_component(component, settings.max_file).map_err(|reason| unreadable(component, &reason))?;
    let plugins = Plugins::new(settings, compiler())?;
    plugins.install(apart(plugins.load(&stem(component), &wasm, None))?);
    found(plugins, &stem(component))
}

/// What a component is called that nobody has named: as its file.
fn stem(component: &Path) -> String {
    component.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn unreadable(file: &Path, reason: &str) -> Failure {
    Failure::Usage(format!("{} {reason}", file.display()))
}

/// Looks something up in the config's store.
async fn in_store<T>(config: &Config, look: impl AsyncFnOnce(&dyn Store) -> T) -> CoreResult<T> {
    let opened = Opened::open_existing(&config.settings.store).await?;
    let found = look(&*opened.store()).await;
    opened.close().await;
    Ok(found)
}

/// Takes the plug-ins out of the store that these monitors name and the config doesn't declare. What can't be had is told;
/// those monitors are `unknown` then.
pub(super) fn complete(config: &Config, monitors: &[&Definition]) -> Result<(), Failure> {
    let plugins = &config.plugins;
    let all = monitors.iter().filter_map(|definition| plugin_of(definition));
    let missing: BTreeSet<_> = all.filter(|name| named(plugins, name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let fetched = in_store(config, async |store| {
        for name in &missing {
            match plugins.fetch(store, name).await {
                Ok(plugin) => plugins.install(plugin),
                Err(error) => warn(&format!("the plug-in \"{name}\" can't be taken from the store: {}", error.chain())),
            }
        }
    });
    if let Err(error) = block_on(fetched)? {
        let missing: Vec<_> = missing.into_iter().collect();
        warn(&format!("plug-ins ({}) can't be taken from the store: {}", missing.join(", "), error.chain()));
    }
    Ok(())
}

/// The plug-in that a monitor names.
fn plugin_of(definition: &Definition) -> Option<&str> {
    definition.config.get("plugin")?.as_str().filter(|_| definition.kind == KIND)
}

/// The monitors in the store that name a plug-in.
async fn users(store: &dyn Store, plugin: &str) -> CoreResult<Vec<Monitor>> {
    let (mut users, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.monitors(after.as_deref(), PAGE).await?;
        let last = page.last().filter(|_| page.len() == PAGE).map(|last| last.monitor.definition.name.clone());
        let monitors = page.into_iter().map(|overview| overview.monitor);
        users.extend(monitors.filter(|monitor| plugin_of(&monitor.definition) == Some(plugin)));
        match last {
            Some(name) => after = Some(name),
            None => return Ok(users),
        }
    }
}

/// The work of the process that compiles: see [`wasm::Compiler`].
pub(crate) fn compile() -> Result<ExitCode, Failure> {
    let compiled = wasm::serve(io::stdin().lock(), io::stdout().lock());
    // The reason goes to whoever ordered it, as it is.
    if let Err(reason) = compiled {
        super::warn(&reason);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
