//! Where channels may connect to: each looks names up as the system does and dials what the policy lets it.

use std::sync::Arc;

use pingmon_core::{dial::DialPolicy, error::Result};

/// What channels need to reach the network.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    policy: Arc<DialPolicy>,
    #[cfg(feature = "_http")]
    tls: rustls::ClientConfig,
}

impl Dialer {
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) when the system's TLS roots can't be used.
    #[cfg_attr(not(feature = "_http"), allow(clippy::unnecessary_wraps, reason = "without HTTP nothing is read"))]
    pub(crate) fn new(policy: &DialPolicy) -> Result<Self> {
        Ok(Self {
            policy: Arc::new(policy.clone()),
            #[cfg(feature = "_http")]
            tls: pingmon_core::tls::client_config()?,
        })
    }

    /// What may be dialled.
    pub(crate) fn policy(&self) -> &Arc<DialPolicy> {
        &self.policy
    }

    /// The trust in the system's roots that HTTP clients share.
    #[cfg(feature = "_http")]
    pub(crate) fn tls(&self) -> rustls::ClientConfig {
        self.tls.clone()
    }
}

/// The addresses of `host` that may be dialled on `port`; `host` may be an address itself.
///
/// # Errors
/// What the resolver said, or why none of the addresses may be dialled.
#[cfg(any(feature = "_http", feature = "email"))]
pub(crate) async fn addresses(
    policy: &DialPolicy,
    host: &str,
    port: u16,
) -> Result<Vec<std::net::SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found = tokio::net::lookup_host((host, port)).await?.collect();
    Ok(policy.permitted(host, found)?)
}
