//! `pingmon validate`: every mistake in the config file at once.

use std::process::ExitCode;

use serde_json::json;

use super::{Failure, load, print};
use crate::cli::{Answer, Validate};

/// Reads the config and says whether it is good.
pub(crate) fn validate(args: Validate) -> Result<ExitCode, Failure> {
    let loaded = load(args.file.config);
    match (loaded, args.output) {
        (Ok(config), Answer::Text) => {
            let (monitors, notifiers) = (config.monitors.len(), config.notifiers.len());
            print(&format!("ok: {}, {}", count(monitors, "monitor"), count(notifiers, "notifier")))?;
        }
        (Ok(config), Answer::Json) => {
            let (monitors, notifiers) = (config.monitors.len(), config.notifiers.len());
            print(&json!({ "ok": true, "monitors": monitors, "notifiers": notifiers, "errors": [] }).to_string())?;
        }
        (Err(Failure::Config(problems)), Answer::Json) => {
            print(&json!({ "ok": false, "file": problems.file, "errors": problems.list }).to_string())?;
            return Ok(ExitCode::from(crate::USAGE));
        }
        (Err(failure), _) => return Err(failure),
    }
    Ok(ExitCode::SUCCESS)
}

/// A number of things, in words.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
