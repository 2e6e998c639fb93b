//! `pingmon plugin list`: the plug-ins that the config declares.

use std::process::ExitCode;

use super::super::{Failure, load, print};
use crate::{
    cli::{Listing, PluginList},
    output::plugins::table,
};

/// Loads them and tells what they are.
pub(crate) fn list(args: PluginList) -> Result<ExitCode, Failure> {
    let plugins = load(args.file.config)?.plugins.all();
    let infos: Vec<_> = plugins.iter().map(|plugin| plugin.info()).collect();
    print(&match args.output {
        Listing::Table => table(&infos),
        Listing::Json => {
            let lines: Result<Vec<_>, _> = infos.iter().map(serde_json::to_string).collect();
            lines.map_err(|error| Failure::Broken(format!("failed to write JSON: {error}")))?.join("\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
