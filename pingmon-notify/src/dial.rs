//! The HTTP client of all channels that post: it goes only where the dial policy lets it, straight there (no proxy, no
//! redirect), and never repeats a request by itself, which is the dispatcher's business.

use std::{net::IpAddr, sync::Arc};

use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    tls,
};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use url::{Host, Url};

/// A client together with the policy it obeys. Channels share one, and with it its connections.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    client: Client,
    policy: Arc<DialPolicy>,
}

impl Dialer {
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub(crate) fn new(policy: &DialPolicy) -> Result<Self> {
        let policy = Arc::new(policy.clone());
        let mut tls = tls::client_config()?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = Client::builder()
            .user_agent(concat!("pingmon/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .dns_resolver(Guard(Arc::clone(&policy)))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .build()
            .map_err(|e| Error::config("tls", format!("the HTTP client can't be built: {e}")))?;
        Ok(Self { client, policy })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Refuses a URL whose host is an address that may not be dialled: no resolver is asked for those.
    pub(crate) fn permits(&self, url: &Url) -> Result<()> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.policy.permits(address) {
            return Ok(());
        }
        Err(Error::config("url", format!("the dial policy forbids {address}")))
    }
}

/// Resolves names as the system does and keeps the addresses that may be dialled.
struct Guard(Arc<DialPolicy>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let first = found.first().map(|address| address.ip());
            let permitted: Vec<_> = found.into_iter().filter(|address| policy.permits(address.ip())).collect();
            match first {
                Some(first) if permitted.is_empty() => Err(format!("the dial policy forbids {first}").into()),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}
