//! `pingmon plugin add`: puts a plug-in into the store, after a good look at it.

use std::{path::Path, process::ExitCode, time::Duration};

use indicatif::ProgressBar;
use pingmon_checks::wasm::{Info, Plugin};
use pingmon_core::{
    monitor::{Monitor, Origin},
    store::{Store, catalog::Change, plugins::NewPlugin},
};
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use super::{
    super::{block_on, print, validate::count, warn},
    Failure, named, stem, unreadable, users,
};
use crate::{
    cli::{Listing, LogFormat, PluginAdd},
    config::{Config, apart, beside, read_component, read_signature},
    log,
    store::Opened,
};

/// How often the wheel turns while one waits.
const TICK: Duration = Duration::from_millis(100);
/// Most monitors that a refusal spells out.
const MAX_NAMED: usize = 5;

/// Adds or replaces it.
pub(crate) fn add(args: PluginAdd) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::WARN);
    let config = super::super::load(args.file.config)?;
    let most = config.plugins.settings().max_file;
    let wasm = read_component(&args.component, most).map_err(|reason| unreadable(&args.component, &reason))?;
    let signature = signature(&args.component, args.signature.as_deref())?;
    let name = args.name.unwrap_or_else(|| stem(&args.component));

    // Shown on a terminal only.
    let wheel = ProgressBar::new_spinner().with_message(format!("compiling {name}"));
    wheel.enable_steady_tick(TICK);
    let plugin = apart(config.plugins.load_signed(&name, &wasm, None, signature.as_deref()))?;
    wheel.set_message(format!("storing {name}, {} bytes", wasm.len()));
    let new = NewPlugin::new(&name, &plugin.info().sha256, wasm).signature(signature);
    let change = block_on(put(&config, &plugin, new, args.force))??;
    wheel.finish_and_clear();

    if named(&config.plugins, &name).is_some() {
        warn(&format!(
            "the config declares a file for the plug-in \"{name}\", which wins for whoever uses this config"
        ));
    }
    print(&match args.output {
        Listing::Table => told(change, plugin.info()),
        Listing::Json => written(change, plugin.info()).to_string(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The signature that is named, or lies beside the component.
fn signature(component: &Path, named: Option<&Path>) -> Result<Option<String>, Failure> {
    let beside = beside(component);
    let file = match named {
        Some(file) => file,
        None if beside.exists() => &beside,
        None => return Ok(None),
    };
    read_signature(file).map(Some).map_err(|reason| unreadable(file, &reason))
}

async fn put(config: &Config, plugin: &Plugin, new: NewPlugin, force: bool) -> Result<Change, Failure> {
    let opened = Opened::open(&config.settings.store).await?;
    let store = opened.store();
    let put = async {
        if !force {
            refuse_misfits(config, plugin, &*store).await?;
        }
        store.put_plugin(new).await.map_err(Failure::from)
    };
    let put = put.await;
    opened.close().await;
    put
}

/// Refuses a version that would leave monitors `unknown` which tell it what an earlier one understood.
async fn refuse_misfits(config: &Config, plugin: &Plugin, store: &dyn Store) -> Result<(), Failure> {
    let users = users(store, &plugin.info().name).await?;
    let misfits = users.iter().filter_map(|monitor| {
        let reason = plugin.refuses(&resolved(config, monitor)?)?;
        Some(format!("\"{}\" ({reason})", monitor.definition.name))
    });
    let misfits: Vec<_> = misfits.collect();
    if misfits.is_empty() {
        return Ok(());
    }
    let more = if misfits.len() > MAX_NAMED { ", …" } else { "" };
    let named = misfits.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(Failure::Usage(format!(
        "its schema doesn't take the config of {}: {named}{more}; mend that first, or add it with --force",
        count(misfits.len(), "monitor")
    )))
}

/// A monitor's table with its secrets, which may be parts of what the plug-in is told; none when they aren't to be had here.
fn resolved(config: &Config, monitor: &Monitor) -> Option<Value> {
    let definition = &monitor.definition;
    match definition.origin.as_str() {
        Origin::FILE => config.environment.resolve_config(&definition.kind, &definition.config).ok(),
        _ => Some(definition.config.clone()),
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Changed => "replaced",
        Change::Unchanged => "unchanged",
        Change::Retired => "removed",
    }
}

fn told(change: Change, info: &Info) -> String {
    let Info { name, version, sha256, size, .. } = info;
    format!("{} {name:?} {version:?} in the store: {size} bytes, SHA-256 {sha256}", word(change))
}

fn written(change: Change, info: &Info) -> Value {
    let Info { name, version, sha256, size, .. } = info;
    json!({ "name": name, "change": word(change), "version": version, "sha256": sha256, "size": size })
}
