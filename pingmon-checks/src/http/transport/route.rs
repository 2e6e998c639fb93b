//! The way to a target: straight, to another place than the URL says, over a Unix socket or through a proxy. Only
//! addresses that the dial policy permits are dialled, whatever the way.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use hyper::header::HeaderValue;
use pingmon_core::error::{Error, Result};
use tokio::net::UnixStream;
use url::{Host, Url};

use super::{
    config::Family,
    proxy::{Proxy, Tunnel},
    wire::Wire,
};
use crate::{
    dial::{self, Dialer},
    fault::{self, Fault},
    http::{config::Config, run::Run},
    stopwatch::Phase,
};

/// Most addresses that may be given.
const MAX_ADDRESSES: usize = 16;

/// How to get to a target.
pub(super) struct Route {
    dialer: Dialer,
    via: Via,
    family: Option<Family>,
    source: Option<IpAddr>,
}

enum Via {
    /// Straight to what the URL says.
    Url,
    /// To these addresses, at the URL's port.
    Addresses(Vec<IpAddr>),
    /// To another place.
    Place(Box<Place>),
    Socket(PathBuf),
    Proxy(Box<Proxy>),
}

/// A host and a port.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

/// What lies at the end of a route.
pub(super) struct Reached {
    pub(super) wire: Wire,
    pub(super) address: Option<SocketAddr>,
    /// Set when it is an HTTP proxy that forwards requests: what it wants to hear.
    pub(super) forwarded: Option<Option<HeaderValue>>,
}

impl Route {
    /// Works out the route.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be used, or what can't be used together.
    pub(super) fn compile(config: &mut Config, dialer: &Dialer, local: bool) -> Result<Self> {
        let given = [
            ("unix_socket", config.unix_socket.is_some()),
            ("connect_to", config.connect_to.is_some()),
            ("resolve_to", !config.resolve_to.is_empty()),
            ("proxy", config.proxy.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if let [one, other, ..] = given[..] {
            return Err(Error::config(one, format!("it can't be used together with {other}; keep one of them")));
        }
        let forbidden = |field: &'static str| move |fault: Fault| Error::config(field, fault.to_string());
        let via = if let Some(path) = config.unix_socket.take() {
            socket(path, local, config)?
        } else if let Some(place) = &config.connect_to {
            let place = Place::parse("connect_to", place)?;
            place.vet(dialer).map_err(forbidden("connect_to"))?;
            Via::Place(Box::new(place))
        } else if !config.resolve_to.is_empty() {
            if config.resolve_to.len() > MAX_ADDRESSES {
                return Err(Error::config("resolve_to", format!("more than {MAX_ADDRESSES} addresses; give fewer")));
            }
            // At the URL's port, and at run time again at that of the request.
            let port = Url::parse(&config.url).ok().and_then(|url| url.port_or_known_default()).unwrap_or_default();
            let mut addresses = config.resolve_to.iter().map(|address| SocketAddr::new(*address, port));
            addresses.try_for_each(|address| dialer.vet(address)).map_err(forbidden("resolve_to"))?;
            Via::Addresses(std::mem::take(&mut config.resolve_to))
        } else if let Some(proxy) = &config.proxy {
            Via::Proxy(Box::new(Proxy::parse(proxy, dialer, local)?))
        } else {
            Via::Url
        };
        Ok(Self { dialer: dialer.clone(), via, family: config.ip_family, source: config.source_address })
    }

    /// The phase that reaching `url` begins with.
    pub(super) fn first_phase(&self, url: &Url) -> Phase {
        let named = match &self.via {
            Via::Url => matches!(url.host(), Some(Host::Domain(_))),
            Via::Place(place) => matches!(place.host, Host::Domain(_)),
            Via::Proxy(proxy) => matches!(proxy.place.host, Host::Domain(_)),
            Via::Addresses(_) | Via::Socket(_) => false,
        };
        if named { Phase::Dns } else { Phase::Connect }
    }

    /// Opens a connection towards `url`; what was said of the target counts at `home` only, a proxy everywhere.
    ///
    /// # Errors
    /// When it can't be reached.
    pub(super) async fn reach(&self, url: &Url, home: bool, run: &mut Run) -> Result<Reached, Fault> {
        let target = Place::of(url)?;
        match &self.via {
            Via::Proxy(proxy) => self.through(proxy, &target, url.scheme() == "https", run).await,
            Via::Socket(path) if home => at_socket(path, run).await,
            Via::Addresses(addresses) if home => {
                let addresses = addresses.iter().map(|address| SocketAddr::new(*address, target.port));
                let addresses: Vec<_> = addresses.collect();
                addresses.iter().try_for_each(|address| self.dialer.vet(*address))?;
                self.dial(addresses, run).await
            }
            Via::Place(place) if home => self.dial(self.resolve(place, run).await?, run).await,
            _ => self.dial(self.resolve(&target, run).await?, run).await,
        }
    }

    async fn resolve(&self, place: &Place, run: &Run) -> Result<Vec<SocketAddr>, Fault> {
        let Host::Domain(name) = &place.host else {
            run.watch.enter(Phase::Connect);
            place.vet(&self.dialer)?;
            return Ok(place.address().into_iter().collect());
        };
        run.watch.enter(Phase::Dns);
        self.dialer.resolve(name, place.port).await
    }

    async fn dial(&self, addresses: Vec<SocketAddr>, run: &mut Run) -> Result<Reached, Fault> {
        let addresses = of_family(addresses, self.family)?;
        run.watch.enter(Phase::Connect);
        run.addresses.clone_from(&addresses);
        let stream = dial::connect_from(&addresses, self.source).await?;
        let address = stream.peer_addr().ok();
        // Small requests are not to wait for each other's acknowledgements.
        let _ = stream.set_nodelay(true);
        Ok(Reached { wire: Box::new(stream), address, forwarded: None })
    }

    async fn through(&self, proxy: &Proxy, target: &Place, tls: bool, run: &mut Run) -> Result<Reached, Fault> {
        let ours = |fault: Fault| Fault::unknown("proxy_failed", format!("the proxy can't be reached: {fault}"));
        let dialled = match proxy.tunnel(tls) {
            // Resolved here, so that the policy is asked about the address that the proxy is to connect to.
            Tunnel::ToAddress => of_family(self.resolve(target, run).await?, self.family)?,
            Tunnel::ToName | Tunnel::Forward => {
                match &target.host {
                    Host::Domain(name) => self.dialer.vet_name(name, target.port)?,
                    _ => target.vet(&self.dialer)?,
                }
                Vec::new()
            }
        };
        run.dialling_proxy = true;
        let addresses = self.resolve(&proxy.place, run).await.map_err(ours)?;
        let mut reached = self.dial(addresses, run).await.map_err(ours)?;
        run.dialling_proxy = false;
        match proxy.tunnel(tls) {
            Tunnel::Forward => reached.forwarded = Some(proxy.authorization()),
            _ => proxy.open(&mut reached.wire, target, dialled.first().map(SocketAddr::ip)).await?,
        }
        Ok(reached)
    }
}

fn socket(path: PathBuf, local: bool, config: &Config) -> Result<Via> {
    if !local {
        return Err(Error::config("unix_socket", "the dial policy forbids everything but public addresses"));
    }
    if !path.is_absolute() {
        return Err(Error::config("unix_socket", "it isn't the full path of a socket; begin it with `/`"));
    }
    if config.ip_family.is_some() || config.source_address.is_some() {
        return Err(Error::config("unix_socket", "it has no address; leave out ip_family and source_address"));
    }
    Ok(Via::Socket(path))
}

async fn at_socket(path: &Path, run: &Run) -> Result<Reached, Fault> {
    run.watch.enter(Phase::Connect);
    let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::down("connect_refused", "there is no such socket"),
        _ => fault::connecting(&error),
    })?;
    Ok(Reached { wire: Box::new(stream), address: None, forwarded: None })
}

/// The addresses of the family that is wanted, or in its order.
fn of_family(mut addresses: Vec<SocketAddr>, family: Option<Family>) -> Result<Vec<SocketAddr>, Fault> {
    let missing = |family: &str| Fault::down("dns_not_found", format!("the host has no {family} address"));
    match family {
        None => return Ok(addresses),
        Some(Family::Ipv4) => addresses.retain(SocketAddr::is_ipv4),
        Some(Family::Ipv6) => addresses.retain(SocketAddr::is_ipv6),
        Some(Family::PreferIpv4) => addresses.sort_by_key(SocketAddr::is_ipv6),
        Some(Family::PreferIpv6) => addresses.sort_by_key(SocketAddr::is_ipv4),
    }
    match family {
        Some(Family::Ipv4) if addresses.is_empty() => Err(missing("IPv4")),
        Some(Family::Ipv6) if addresses.is_empty() => Err(missing("IPv6")),
        _ => Ok(addresses),
    }
}

impl Place {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// [`Error::Config`] naming `field`.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self> {
        let parts = text.rsplit_once(':');
        let place =
            parts.and_then(|(host, port)| Some((Host::parse(host).ok()?, port.parse().ok().filter(|p| *p > 0)?)));
        let (host, port) =
            place.ok_or_else(|| Error::config(field, format!("{text:?} isn't host:port, as in \"10.0.0.7:8443\"")))?;
        Ok(Self { host, port })
    }

    /// Where a URL leads.
    pub(super) fn of(url: &Url) -> Result<Self, Fault> {
        let place = url.host().zip(url.port_or_known_default());
        let (host, port) = place.ok_or_else(|| Fault::down("redirect_invalid", "the URL names no host"))?;
        Ok(Self { host: host.to_owned(), port })
    }

    /// Refuses an address that may not be dialled; a name is resolved first, which vets it.
    pub(super) fn vet(&self, dialer: &Dialer) -> Result<(), Fault> {
        self.address().map_or(Ok(()), |address| dialer.vet(address))
    }

    fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ipv4(v4) => Some((v4, self.port).into()),
            Host::Ipv6(v6) => Some((v6, self.port).into()),
            Host::Domain(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_wanted_family_are_kept_or_come_first() {
        let all: Vec<SocketAddr> = ["[::1]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap()).into();
        for (family, expected) in [
            (None, vec![all[0], all[1]]),
            (Some(Family::Ipv4), vec![all[1]]),
            (Some(Family::Ipv6), vec![all[0]]),
            (Some(Family::PreferIpv4), vec![all[1], all[0]]),
            (Some(Family::PreferIpv6), vec![all[0], all[1]]),
        ] {
            assert_eq!(of_family(all.clone(), family).unwrap(), expected);
        }
        assert!(of_family(all[..1].to_vec(), Some(Family::Ipv4)).unwrap_err().is_down());
    }

    #[test]
    fn a_place_is_a_host_and_a_port() {
        for good in ["a.example:80", "10.0.0.7:8443", "[::1]:80"] {
            assert!(Place::parse("connect_to", good).is_ok(), "{good}");
        }
        for bad in ["a.example", "a.example:", "a.example:0", "a.example:65536", ":80", "::1:80", "a b:80", ""] {
            assert!(Place::parse("connect_to", bad).is_err(), "{bad}");
        }
    }
}
