//! The HTTP client of all channels that post: it goes only where the dial policy lets it, straight there (no proxy, no
//! redirect), and never repeats a request by itself, which is the dispatcher's business.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use pingmon_core::{
    dial::{Destination, DialPolicy},
    error::{Error, Result},
    tls,
};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use rustls::ClientConfig;
use url::{Host, Url};

/// Makes the clients of channels: one each, since whether a name's addresses may be dialled is a matter of the port too.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    policy: Arc<DialPolicy>,
    tls: ClientConfig,
}

impl Dialer {
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub(crate) fn new(policy: &DialPolicy) -> Result<Self> {
        let mut tls = tls::client_config()?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { policy: Arc::new(policy.clone()), tls })
    }

    /// A client that posts to `url` and nowhere else.
    ///
    /// # Errors
    /// [`Error::Config`] when the host of the URL is an address that may not be dialled: no resolver is asked for those.
    pub(crate) fn client(&self, url: &Url) -> Result<Client> {
        let port = url.port_or_known_default().unwrap_or_default();
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal {
            let to = Destination::address(SocketAddr::new(address, port));
            self.policy.permit(&to).map_err(|forbidden| Error::config("url", forbidden.to_string()))?;
        }
        Client::builder()
            .user_agent(concat!("pingmon/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Guard { policy: Arc::clone(&self.policy), port })
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .build()
            .map_err(|e| Error::config("tls", format!("the HTTP client can't be built: {e}")))
    }
}

/// Resolves names as the system does and keeps the addresses that may be dialled.
struct Guard {
    policy: Arc<DialPolicy>,
    port: u16,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, port) = (Arc::clone(&self.policy), self.port);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), port)).await?.collect();
            Ok(Box::new(policy.permitted(name.as_str(), found)?.into_iter()) as Addrs)
        })
    }
}
