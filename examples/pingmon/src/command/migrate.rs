//! `pingmon migrate`: brings the tables of a store to the form this program knows. `pingmon run` doesn't, on PostgreSQL:
//! who may change tables there, and when, is for people to say.

use std::process::ExitCode;

use tracing_subscriber::filter::LevelFilter;

use super::{Failure, block_on, load, print};
use crate::{
    cli::{LogFormat, Migrate},
    log,
    store::{self, Opened},
};

/// Migrates the store of a config.
pub(crate) fn migrate(args: Migrate) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::WARN);
    let settings = load(args.file.config)?.settings.store;
    if args.print {
        print(&store::migrations(&settings)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    block_on(async {
        let opened = Opened::open(&settings).await?;
        let migrated = opened.migrate().await;
        opened.close().await;
        migrated
    })??;
    print(&format!("{}: the tables are up to date", store::describe(&settings.url)))?;
    Ok(ExitCode::SUCCESS)
}
