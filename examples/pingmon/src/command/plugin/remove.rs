//! `pingmon plugin remove`: takes a plug-in out of the store.

use std::process::ExitCode;

use pingmon_core::error::{Error, Result as CoreResult};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use super::{
    super::{block_on, print, warn},
    Failure, users,
};
use crate::{
    cli::{Listing, LogFormat, PluginRemove},
    config::Store as Settings,
    log,
    store::Opened,
};

/// Removes it, and says who would still like to have it.
pub(crate) fn remove(args: PluginRemove) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::WARN);
    let config = super::super::load(args.file.config)?;
    let name = args.name;
    let monitors = block_on(take_out(&config.settings.store, &name))?.map_err(|error| match error {
        Error::NotFound { .. } => Failure::Usage(format!("there is no plug-in \"{name}\" in the store")),
        error => error.into(),
    })?;
    match args.output {
        Listing::Table => {
            print(&format!("removed {name:?} from the store"))?;
            if !monitors.is_empty() {
                warn(&format!("monitors that name it are unknown from now on: {}", monitors.join(", ")));
            }
        }
        Listing::Json => print(&json!({ "name": name, "change": "removed", "monitors": monitors }).to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn take_out(settings: &Settings, name: &str) -> CoreResult<Vec<String>> {
    let opened = Opened::open_existing(settings).await?;
    let store = opened.store();
    let taken_out = async {
        store.remove_plugin(name).await?;
        let users = users(&*store, name).await?;
        Ok(users.into_iter().map(|monitor| monitor.definition.name).collect())
    };
    let users = taken_out.await;
    opened.close().await;
    users
}
