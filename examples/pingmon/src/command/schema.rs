//! `pingmon schema`: the JSON Schema of the config file.

use std::process::ExitCode;

use super::{Failure, print};
use crate::config;

/// Prints the schema.
pub(crate) fn schema() -> Result<ExitCode, Failure> {
    print(&format!("{:#}", config::json_schema()?))?;
    Ok(ExitCode::SUCCESS)
}
