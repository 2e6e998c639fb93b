//! Reads what other monitors are configured with and writes it as a config of ours. What can't be carried over is listed,
//! by name and never by value: it may be a secret. Nothing is contacted.

mod blackbox;
mod draft;
mod fields;
mod gatus;
mod uptime_kuma;

use serde_json::Value;

pub(crate) use self::draft::Draft;
use crate::cli::Origin;

/// Largest file to read, in bytes.
pub(crate) const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What to probe with a module of blackbox_exporter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) module: String,
    pub(crate) target: String,
}

impl Target {
    /// Reads `MODULE=TARGET`.
    ///
    /// # Errors
    /// When there is no `=` with something on both sides.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((module, target)) if !module.is_empty() && !target.is_empty() => {
                Ok(Self { module: module.to_owned(), target: target.to_owned() })
            }
            _ => Err("write it as MODULE=TARGET: http_2xx=https://shop.example/health".to_owned()),
        }
    }
}

/// Converts a file.
///
/// # Errors
/// When it isn't what it is said to be.
pub(crate) fn convert(origin: Origin, text: &str, targets: &[Target]) -> Result<Draft, String> {
    match origin {
        Origin::Gatus => gatus::convert(&yaml(text)?),
        Origin::UptimeKuma => {
            uptime_kuma::convert(&serde_json::from_str(text).map_err(|error| format!("isn't JSON: {}", place(&error)))?)
        }
        Origin::Blackbox => blackbox::convert(&yaml(text)?, targets),
    }
}

fn yaml(text: &str) -> Result<Value, String> {
    yaml_serde::from_str(text).map_err(|error| match error.location() {
        Some(at) => format!("isn't YAML that can be read: line {}, column {}", at.line(), at.column()),
        None => "isn't YAML that can be read".to_owned(),
    })
}

/// Where a text isn't JSON, without what stands there.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}
