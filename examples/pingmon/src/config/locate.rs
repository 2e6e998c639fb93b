//! Finds the config file and reads it. Paths and bytes only; meaning is read elsewhere.

use std::path::{Path, PathBuf};

use super::{
    env::{Environment, read_text},
    finding::Problems,
};

/// The file that is read when none is named.
pub(crate) const DEFAULT: &str = "pingmon.toml";
/// Largest config file, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The text of a config and where it came from.
pub(crate) struct Source {
    /// The file as the user named it.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where references in it lead.
    pub(crate) environment: Environment,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read as text.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let name = path.display().to_string();
        let text = read_text(path, MAX_FILE).map_err(|reason| Problems::whole(&name, reason))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Ok(Self { name, text, environment: Environment::of_process(directory) })
    }
}

/// The config file to use: the one named, or `pingmon.toml` in the working directory if it is there.
pub(crate) fn find(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(DEFAULT)).filter(|file| file.exists()))
}
