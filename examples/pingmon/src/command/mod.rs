//! The commands, one a file. Each ends with an exit code or a failure that is told on standard error.

pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod import;
pub(crate) mod migrate;
pub(crate) mod notify;
pub(crate) mod plugin;
mod prepare;
mod reconcile;
pub(crate) mod run;
pub(crate) mod schema;
mod signals;
pub(crate) mod validate;
pub(crate) mod workers;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anstyle::{AnsiColor, Style};
use pingmon_core::error::Error;

use crate::{
    config::{self, Config, Problems, Source},
    kinds::Kinds,
};

/// Why a command couldn't do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The config file isn't good.
    Config(Problems),
    /// The command was called wrongly.
    Usage(String),
    /// Something that the program stands on failed.
    Broken(String),
    /// What was asked can't be told.
    Unknown(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Config { field, reason } => Self::Usage(format!("{field}: {reason}")),
            error => Self::Broken(error.chain()),
        }
    }
}

const RED: Style = AnsiColor::Red.on_default().bold();
const BOLD: Style = Style::new().bold();

impl Failure {
    /// Tells it on standard error, in colours where they are wanted.
    pub(crate) fn print(&self) {
        let mut stderr = anstream::stderr().lock();
        // Nothing is left to tell it to when standard error is gone.
        let _ = match self {
            Self::Config(problems) => print_problems(&mut stderr, problems),
            Self::Usage(text) | Self::Broken(text) | Self::Unknown(text) => {
                writeln!(stderr, "{RED}error:{RED:#} {text}")
            }
        };
    }
}

fn print_problems(to: &mut impl Write, problems: &Problems) -> io::Result<()> {
    for (place, text) in problems.lines() {
        writeln!(to, "{BOLD}{place}:{BOLD:#} {text}")?;
    }
    writeln!(to, "{RED}error:{RED:#} {}", problems.summary())
}

/// Reads the named config file, or the one in the working directory.
fn load(named: Option<PathBuf>) -> Result<Config, Failure> {
    let file = config::find(named).ok_or_else(|| {
        Failure::Usage("there is no pingmon.toml in this directory: write one, or name another with --config".into())
    })?;
    Source::read(&file).and_then(|source| config::load(&source, None, Kinds::new)).map_err(Failure::Config)
}

/// Does what waits for others, to its end.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Failure::Broken(format!("failed to start: {e}")))?;
    Ok(runtime.block_on(work))
}

/// Says something on standard error that stops nothing.
fn warn(text: &str) {
    // Nothing is left to tell it to when standard error is gone.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes to standard output. That its reader has gone, as `head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(anstream::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Broken(format!("failed to write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
