//! `pingmon workers`: the engines that the store counts as alive.

use std::process::ExitCode;

use pingmon_core::error::Result as CoreResult;
use tracing_subscriber::filter::LevelFilter;

use super::{Failure, block_on, load, print};
use crate::{
    cli::{Listing, LogFormat, Workers},
    config::Store as Settings,
    log,
    output::workers::{Workforce, json, table},
    store::Opened,
};

/// Nobody is there to do the work: the "critical" of monitoring plug-ins.
const NONE_ALIVE: u8 = 2;

/// Lists them; the exit code says whether there are any.
pub(crate) fn workers(args: Workers) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::ERROR);
    let config = load(args.file.config)?;
    let asked = block_on(ask(&config.settings.store))?;
    let workforce = asked.map_err(|error| Failure::Unknown(error.chain()))?;
    match args.output {
        Listing::Table => print(&table(&workforce))?,
        Listing::Json if workforce.sessions.is_empty() => {}
        Listing::Json => print(&json(&workforce).map_err(|e| Failure::Unknown(format!("failed to write JSON: {e}")))?)?,
    }
    Ok(if workforce.sessions.is_empty() { ExitCode::from(NONE_ALIVE) } else { ExitCode::SUCCESS })
}

async fn ask(settings: &Settings) -> CoreResult<Workforce> {
    let opened = Opened::open_existing(settings).await?;
    let asked = async {
        let sessions = opened.store().sessions().await?;
        Ok(Workforce { sessions, now: opened.now().await? })
    };
    let workforce = asked.await;
    opened.close().await;
    workforce
}
