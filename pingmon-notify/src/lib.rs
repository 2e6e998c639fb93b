//! The channels that carry pingmon's notices to people and machines, one module each.
//!
//! | channel | feature | what it does |
//! |---|---|---|
//! | [`log`] | `log` | writes one `tracing` event |
//! | [`webhook`] | `webhook` | posts signed JSON to a URL |
//!
//! A channel hands one notice over and says what became of it. Queueing, retry, order and expiry are the engine's
//! dispatcher's business.

#[cfg(any(feature = "log", feature = "webhook"))]
mod text;

#[cfg(feature = "webhook")]
mod dial;
#[cfg(feature = "webhook")]
mod endpoint;
#[cfg(feature = "webhook")]
mod secret;

#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "webhook")]
pub mod webhook;

use std::sync::Arc;

use pingmon_core::{dial::DialPolicy, error::Result, notifier::NotifierKind};

/// Every kind of channel whose feature is on. Those that open connections dial only what `policy` permits.
///
/// # Errors
/// [`Error::Config`](pingmon_core::error::Error::Config) when the system's TLS roots can't be used.
#[cfg_attr(not(feature = "webhook"), allow(unused_variables, clippy::unnecessary_wraps))]
pub fn kinds(policy: &DialPolicy) -> Result<Vec<Arc<dyn NotifierKind>>> {
    Ok(vec![
        #[cfg(feature = "log")]
        Arc::new(log::LogKind),
        #[cfg(feature = "webhook")]
        Arc::new(webhook::WebhookKind::new(policy)?),
    ])
}
