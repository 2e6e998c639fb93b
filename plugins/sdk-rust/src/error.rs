//! Why a run ends early.

use std::fmt;

use crate::Fault;

/// Why a run ends early.
#[derive(Debug)]
pub enum Error {
    /// A call was kept from what it was to do; this is the verdict.
    Fault(Fault),
    /// The config can't be used; says which field and what would be right.
    Config(String),
    /// Something broke in the plug-in.
    Broken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => f.write_str(&fault.message),
            Self::Config(reason) | Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<String> for Error {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
