//! Channels: what hands pingmon's notices to people and machines.
//!
//! ```ignore
//! use pingmon_plugin::{Info, http, notifier::{Context, Notice, Notifier, Result}};
//!
//! #[derive(serde::Deserialize)]
//! struct Board {
//!     url: String,
//! }
//!
//! impl Notifier for Board {
//!     const INFO: Info = Info::new("board", "0.1.0", "Writes notices on a board.").wants_http("to reach the board");
//!
//!     fn send(&self, notice: &Notice, _: &Context) -> Result {
//!         http::post(&self.url, "text/plain", &notice.headline)?.accepted()?;
//!         Ok(None)
//!     }
//! }
//!
//! pingmon_plugin::export_notifier!(Board);
//! ```

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Fault, Info, Status};

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../pingmon-checks/wit/check", "../../pingmon-checks/wit/notify"],
        world: "pingmon:notify/notifier",
        pub_export_macro: true,
        export_macro_name: "export_notifier_guest",
        with: {
            "pingmon:check/types@1.0.0": crate::bindings::pingmon::check::types,
            "pingmon:check/log@1.0.0": crate::bindings::pingmon::check::log,
            "pingmon:check/clock@1.0.0": crate::bindings::pingmon::check::clock,
            "pingmon:check/secret@1.0.0": crate::bindings::pingmon::check::secret,
            "pingmon:check/dns@1.0.0": crate::bindings::pingmon::check::dns,
            "pingmon:check/tcp@1.0.0": crate::bindings::pingmon::check::tcp,
            "pingmon:check/http@1.0.0": crate::bindings::pingmon::check::http,
        },
        generate_all,
    });
}

pub use self::bindings::exports::pingmon::notify::guest::{Context, Failure, Notice};

/// What an attempt comes to. What it answers is told again with the later notices of the incident.
pub type Result = std::result::Result<Option<String>, Failure>;

/// A channel, made of its config at each attempt.
pub trait Notifier: DeserializeOwned {
    /// What the plug-in is.
    const INFO: Info;

    /// Hands over one notice.
    ///
    /// # Errors
    /// When it wasn't taken.
    fn send(&self, notice: &Notice, context: &Context) -> Result;
}

impl Failure {
    /// A later attempt can't help.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: false, retry_after: None }
    }

    /// A later attempt can help.
    pub fn retryable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: true, retry_after: None }
    }

    /// Sets the shortest wait until then.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_millis() as u64);
        self
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        // What isn't granted, and what can't be sent, is the same the next time.
        match fault.status == Status::Unknown && matches!(fault.kind.as_str(), "not_granted" | "request_invalid") {
            true => Self::refused(fault.message),
            false => Self::retryable(fault.message),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::refused(error.to_string())
    }
}

/// Exports a channel as the plug-in.
#[macro_export]
macro_rules! export_notifier {
    ($notifier:ty) => {
        struct PingmonPlugin;

        impl $crate::notifier::bindings::exports::pingmon::notify::guest::Guest for PingmonPlugin {
            fn describe() -> $crate::notifier::bindings::exports::pingmon::notify::guest::Info {
                <$notifier as $crate::notifier::Notifier>::INFO.into()
            }

            fn send(
                config: ::std::string::String,
                notice: $crate::notifier::Notice,
                context: $crate::notifier::Context,
            ) -> $crate::notifier::Result {
                $crate::notifier::send::<$notifier>(&config, &notice, &context)
            }
        }

        $crate::notifier::bindings::export_notifier_guest!(PingmonPlugin with_types_in $crate::notifier::bindings);
    };
}

#[doc(hidden)]
pub fn send<N: Notifier>(config: &str, notice: &Notice, context: &Context) -> Result {
    let channel: N = serde_json::from_str(config)
        .map_err(|error| Failure::refused(format!("the plug-in can't use its config: {error}")))?;
    channel.send(notice, context)
}
