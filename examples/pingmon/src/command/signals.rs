//! The signals of the running process, in the order they arrive.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGHUP: read the config again.
    Reload,
    /// SIGTERM or SIGINT: stop. Holds the exit code of a process that the signal ends at once.
    Stop(i32),
}

/// The signals that this program listens to.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system doesn't let it.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop(128 + SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => Asked::Stop(128 + SignalKind::terminate().as_raw_value()),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
    /// Returns when it is asked to stop.
    pub(super) async fn stop(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}
