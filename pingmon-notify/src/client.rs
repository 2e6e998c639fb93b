//! The HTTP client of a channel: it goes only where the dial policy lets it, straight there (no proxy, no redirect), and
//! never repeats a request by itself, which is the dispatcher's business.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use pingmon_core::{
    dial::{Destination, DialPolicy},
    error::{Error, Result},
};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use url::{Host, Url};

use crate::dial::{self, Dialer};

/// A client that goes to the host and port of `url`, which `field` holds, and nowhere else. Each channel has its own,
/// since whether a name's addresses may be dialled is a matter of the port too.
///
/// # Errors
/// [`Error::Config`] when the host of the URL is an address that may not be dialled: no resolver is asked for those.
pub(crate) fn client(dialer: &Dialer, field: &str, url: &Url) -> Result<Client> {
    let port = url.port_or_known_default().unwrap_or_default();
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(v4)) => Some(v4.into()),
        Some(Host::Ipv6(v6)) => Some(v6.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(address) = literal {
        let to = Destination::address(SocketAddr::new(address, port));
        dialer.policy().permit(&to).map_err(|forbidden| Error::config(field, forbidden.to_string()))?;
    }
    let mut tls = dialer.tls();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Client::builder()
        .user_agent(concat!("pingmon/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .dns_resolver(Guard { policy: Arc::clone(dialer.policy()), port })
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .build()
        .map_err(|e| Error::config("tls", format!("the HTTP client can't be built: {e}")))
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
            let permitted = dial::addresses(&policy, name.as_str(), port).await?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
