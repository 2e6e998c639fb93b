//! Resolving and connecting under the one dial policy: only addresses it permits are ever handed out or dialled. The
//! policy itself is `pingmon_core::dial`.

mod connect;
pub mod resolver;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use pingmon_core::dial::{Destination, DialPolicy};

#[cfg(any(feature = "handshake", feature = "postgres"))]
pub(crate) use self::connect::connect;
#[cfg(feature = "http")]
pub(crate) use self::connect::connect_from;
use self::resolver::Resolver;
use crate::fault::Fault;

/// Resolves names and vets addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    policy: Arc<DialPolicy>,
    resolver: Resolver,
}

impl Dialer {
    /// A dialer that obeys `policy` and asks `resolver`.
    pub(crate) fn new(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { policy: Arc::new(policy), resolver }
    }

    /// Refuses an address that may not be dialled. That it was forbidden is our configuration, hence `unknown`.
    pub(crate) fn vet(&self, address: SocketAddr) -> Result<(), Fault> {
        let permitted = self.policy.permit(&Destination::address(address));
        permitted.map_err(|forbidden| Fault::unknown("dial_forbidden", forbidden.to_string()))
    }

    /// Refuses a name that somebody else will resolve, as far as that can be told from the name and the port alone.
    #[cfg(feature = "http")]
    pub(crate) fn vet_name(&self, host: &str, port: u16) -> Result<(), Fault> {
        // An address that's nobody's: rules on names and ports cover it, and those on the whole network.
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let permitted = self.policy.permit(&Destination::named(host, nowhere));
        permitted.map_err(|_| {
            Fault::unknown("dial_forbidden", format!("the dial policy forbids {host}:{port}, by its name or its port"))
        })
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

    /// Of the addresses of one answer, those that may be dialled.
    fn permitted(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
        self.policy.permitted(host, found).map_err(|forbidden| {
            Fault::unknown("dial_forbidden", format!("{host} leads to forbidden addresses only: {forbidden}"))
        })
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
        let dialer = Dialer::new(DialPolicy::public(), Resolver::system());
        let kept = dialer.permitted("mixed.example", addresses(&["10.0.0.1", "1.1.1.1", "::1"])).unwrap();
        assert_eq!(kept, addresses(&["1.1.1.1"]));
    }

    #[test]
    fn a_name_with_forbidden_addresses_only_is_refused_and_the_message_says_which() {
        let dialer = Dialer::new(DialPolicy::public(), Resolver::system());
        let fault = dialer.permitted("internal.example", addresses(&["10.0.0.1"])).unwrap_err();
        assert!(!fault.is_down());
        let said =
            "internal.example leads to forbidden addresses only: the dial policy forbids 10.0.0.1: it is a private";
        assert!(fault.to_string().starts_with(said), "{fault}");
    }

    #[test]
    fn a_single_family_is_left_alone() {
        assert_eq!(with_route(addresses(&["203.0.113.1", "203.0.113.2"])).len(), 2);
    }
}
