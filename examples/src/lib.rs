//! What the examples share, which is little: each binary beside this file is to be read on its own. The README's Rust
//! code is compiled here as a test.

use std::{error::Error, fmt};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Why a program ended: any error, printed for people when `main` returns it.
pub struct Failure(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Resolves when the process is asked to stop: by Ctrl-C, or by the SIGTERM that service managers send.
///
/// # Errors
/// When the operating system lets no handler be installed.
pub async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
