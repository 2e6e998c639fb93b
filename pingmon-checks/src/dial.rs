//! Resolving and connecting under the one dial policy: only addresses it permits are ever handed out or dialled. The
//! policy itself is `pingmon_core::dial`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use pingmon_core::dial::DialPolicy;
use tokio::net::lookup_host;

use crate::fault::{self, Fault};

/// Resolves names and vets addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dialer(Arc<DialPolicy>);

impl Dialer {
    /// A dialer that obeys `policy`.
    pub(crate) fn new(policy: DialPolicy) -> Self {
        Self(Arc::new(policy))
    }

    /// Refuses an address that may not be dialled. That it was forbidden is our configuration, hence `unknown`.
    pub(crate) fn vet(&self, address: IpAddr) -> Result<(), Fault> {
        if self.0.permits(address) {
            return Ok(());
        }
        Err(Fault::unknown("dial_forbidden", format!("the dial policy forbids {address}")))
    }

    /// The addresses of a name that may be dialled, in the order the system prefers; never an empty list.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        let found = lookup_host((host, port)).await.map_err(|error| fault::resolving(host, &error))?;
        self.permitted(host, found.collect()).map(with_route)
    }

    fn permitted(&self, host: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
        let Some(first) = found.first().copied() else {
            return Err(Fault::down("dns_not_found", format!("{host} has no address")));
        };
        found.retain(|address| self.0.permits(address.ip()));
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

/// Opens a connection to whichever address answers first. The next one is tried as soon as the one before failed or
/// took a while (RFC 8305, "happy eyeballs"). When all fail, a target's fault wins over one of ours.
#[cfg(any(feature = "tcp", feature = "postgres"))]
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<tokio::net::TcpStream, Fault> {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream::FuturesUnordered};
    use tokio::{net::TcpStream, time::sleep};

    const HEAD_START: Duration = Duration::from_millis(250);
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    attempts.extend(waiting.next().map(TcpStream::connect));
    let mut worst: Option<Fault> = None;
    loop {
        let more = waiting.len() > 0;
        tokio::select! {
            ended = attempts.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    let fault = fault::connecting(&error);
                    worst = worst.filter(|worst| worst.is_down() || !fault.is_down()).or(Some(fault));
                }
                None => return Err(worst.unwrap_or_else(|| Fault::unknown("dns_failed", "no address to dial"))),
            },
            () = sleep(HEAD_START), if more => {}
        }
        attempts.extend(waiting.next().map(TcpStream::connect));
    }
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

    #[cfg(any(feature = "tcp", feature = "postgres"))]
    #[tokio::test]
    async fn the_address_that_answers_is_found_behind_those_that_refuse() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            other.local_addr().unwrap()
        };
        let stream = connect(&[closed, closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(connect(&[closed, closed]).await.unwrap_err().is_down());
    }
}
