//! `pingmon plugin list`: the plug-ins that the config declares, and those in its store.

use std::process::ExitCode;

use pingmon_core::{error::Result as CoreResult, store::plugins::StoredPlugin};

use super::super::{Failure, block_on, load, print};
use crate::{
    cli::{Listing, PluginList},
    config::Store as Settings,
    output::plugins::{json, table},
    store::{Opened, is_missing},
};

/// Lists them.
pub(crate) fn list(args: PluginList) -> Result<ExitCode, Failure> {
    let config = load(args.file.config)?;
    let declared = config.plugins.all();
    let infos: Vec<_> = declared.iter().map(|plugin| plugin.info()).collect();
    let stored = block_on(stored(&config.settings.store))??;
    match args.output {
        Listing::Table => print(&table(&infos, &stored))?,
        Listing::Json if infos.is_empty() && stored.is_empty() => {}
        Listing::Json => {
            let lines = json(&infos, &stored);
            print(&lines.map_err(|error| Failure::Broken(format!("failed to write JSON: {error}")))?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is in the store. One that nobody has made yet has nothing.
async fn stored(settings: &Settings) -> CoreResult<Vec<StoredPlugin>> {
    if is_missing(settings) {
        return Ok(Vec::new());
    }
    let opened = Opened::open_existing(settings).await?;
    let stored = opened.store().plugins().await;
    opened.close().await;
    stored
}
