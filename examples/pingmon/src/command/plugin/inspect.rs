//! `pingmon plugin inspect`: what a component is, and how a config would declare it.

use std::{fmt::Write as _, process::ExitCode};

use pingmon_checks::wasm::Info;

use super::{super::print, Failure, find};
use crate::cli::{Listing, PluginInspect};

/// Finds a plug-in and tells what it is.
pub(crate) fn inspect(args: PluginInspect) -> Result<ExitCode, Failure> {
    let (_, plugin) = find(&args.component, args.file)?;
    let info = plugin.info();
    print(&match args.output {
        Listing::Table => text(info, &args.component.display().to_string()),
        Listing::Json => {
            serde_json::to_string(info).map_err(|error| Failure::Broken(format!("failed to write JSON: {error}")))?
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text(info: &Info, file: &str) -> String {
    let mut text = format!("{} {}, a {}: {}\n", info.title, info.version, info.purpose, info.description);
    let _ = writeln!(text, "\n[[plugin]]\nname = {:?}\nfile = {file:?}\nsha256 = \"{}\"", info.name, info.sha256);
    if !info.wants.is_empty() {
        let _ = writeln!(text, "\nIt can't do without:");
        for want in &info.wants {
            let _ = writeln!(text, "  grant.{}  {}", want.capability, want.reason);
        }
    }
    let _ = write!(text, "\nIts config:\n{:#}", info.config_schema);
    text
}
