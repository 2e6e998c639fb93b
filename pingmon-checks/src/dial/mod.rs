//! Resolving and connecting under the one dial policy: only addresses it permits are ever handed out or dialled. The
//! policy itself is `pingmon_core::dial`.

mod connect;
pub mod resolver;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use pingmon_core::dial::DialPolicy;

#[cfg(any(feature = "handshake", feature = "postgres"))]
pub(crate) use self::connect::connect;
use self::resolver::Resolver;
use crate::fault::Fault;

/// Resolves names and vets addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    policy: Arc<DialPolicy>,
    resolver: Resolver,
}

impl Dialer {
    /// A dialer that obeys `policy`.
    pub(crate) fn new(policy: DialPolicy) -> Self {
        Self::with_resolver(policy, Resolver::system())
    }

    /// A dialer that obeys `policy` and asks `resolver`.
    pub(crate) fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { policy: Arc::new(policy), resolver }
    }

    /// Refuses an address that may not be dialled. That it was forbidden is our configuration, hence `unknown`.
    pub(crate) fn vet(&self, address: IpAddr) -> Result<(), Fault> {
        if self.policy.permits(address) {
            return Ok(());
        }
        Err(Fault::unknown("dial_forbidden", format!("the dial policy forbids {address}")))
    }

    /// The addresses of a name that may be dialled, of both families in turns; never an empty list.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        let found = self.resolver.lookup(host).await?;
        let found = found.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        self.permitted(host, found).map(with_route)
    }

    /// The name servers that this host asks.
    #[cfg(feature = "dns")]
    pub(crate) fn name_servers(&self) -> Result<Vec<SocketAddr>, Fault> {
        self.resolver.servers()
    }

    fn permitted(&self, host: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
        let Some(first) = found.first().copied() else {
            return Err(Fault::down("dns_not_found", format!("{host} has no address")));
        };
        found.retain(|address| self.policy.permits(address.ip()));
        if found.is_empty() {
            let reason = format!("the dial policy forbids {}, which is what {host} resolves to", first.ip());
            return Err(Fault::unknown("dial_forbidden", reason));
        }
        Ok(found)
    }
}

/// Drops the family that this machine has no route to, if there is another one: the failure to dial it would hide what
/// the other family's dial found.
fn with_route(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let one_family = addresses.iter().all(SocketAddr::is_ipv4) || addresses.iter().all(SocketAddr::is_ipv6);
    if one_family {
        return addresses;
    }
    let routed: Vec<_> = addresses.iter().copied().filter(|address| has_route(address.ip()).is_ok()).collect();
    if routed.is_empty() { addresses } else { routed }
}

/// Asks the system for a route by connecting a UDP socket, which sends nothing.
fn has_route(address: IpAddr) -> io::Result<()> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0))?.connect((address, 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 80)).collect()
    }

    #[test]
    fn a_name_with_one_forbidden_address_is_dialled_at_the_others_only() {
        let dialer = Dialer::new(DialPolicy::public());
        let kept = dialer.permitted("mixed.example", addresses(&["10.0.0.1", "1.1.1.1", "::1"])).unwrap();
        assert_eq!(kept, addresses(&["1.1.1.1"]));
    }

    #[test]
    fn a_name_with_forbidden_addresses_only_is_refused_and_the_message_says_which() {
        let dialer = Dialer::new(DialPolicy::public());
        let fault = dialer.permitted("internal.example", addresses(&["10.0.0.1"])).unwrap_err();
        assert!(!fault.is_down());
        assert_eq!(fault.to_string(), "the dial policy forbids 10.0.0.1, which is what internal.example resolves to");
    }

    #[test]
    fn a_single_family_is_left_alone() {
        assert_eq!(with_route(addresses(&["203.0.113.1", "203.0.113.2"])).len(), 2);
    }
}
