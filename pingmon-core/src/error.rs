//! What can go wrong in the contracts of this crate. A target that is down is an [`Outcome`](crate::outcome::Outcome),
//! never an error.

use std::error::Error as StdError;

/// A failure of pingmon itself, of its configuration, or of something it stands on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A definition can't be used; says which field and what to write instead.
    #[error("invalid {field}: {reason}")]
    Config {
        /// Path of the field, dotted, as in the config file: `http.expect.status`.
        field: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A probe broke before it could judge its target; the run is recorded as `unknown`.
    #[error("failed to judge the target: {reason}")]
    Probe {
        /// What broke on our side.
        reason: String,
    },
    /// A notice didn't reach its channel.
    #[error("failed to deliver the notice: {reason}")]
    Delivery {
        /// What the channel said, without secrets.
        reason: String,
        /// Whether trying again can help; false dead-letters the delivery at once.
        retryable: bool,
        /// The shortest wait the channel asked for (`Retry-After`), if it did.
        retry_after: Option<std::time::Duration>,
    },
    /// The store couldn't do what was asked; nothing of the request was kept.
    #[error("failed to {action}")]
    Store {
        /// What was attempted, as in "complete a batch of runs".
        action: &'static str,
        /// Whether the same call may succeed later (busy, disconnected, disk full).
        retryable: bool,
        /// What the database said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The session isn't known to the store or its lease ran out; the engine must join as a new one.
    #[error("failed to use the session: it has ended")]
    SessionEnded,
    /// No such thing is stored.
    #[error("failed to find {what}")]
    NotFound {
        /// What was looked for, as in `monitor "shop api"`.
        what: String,
    },
}

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refused definition: `field` is its dotted path, `reason` says what would be right.
    pub fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { field: field.into(), reason: reason.into() }
    }

    /// A probe that broke on our side.
    pub fn probe(reason: impl Into<String>) -> Self {
        Self::Probe { reason: reason.into() }
    }

    /// Something that isn't there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Whether the same call may succeed if it is made again later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store { retryable: true, .. } | Self::Delivery { retryable: true, .. })
    }

    /// What lies at the bottom of it: the last cause, or the error itself when it has none.
    pub(crate) fn root(&self) -> String {
        let mut cause: &dyn StdError = self;
        while let Some(error) = cause.source() {
            cause = error;
        }
        cause.to_string()
    }

    /// The error and its causes in one line, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
