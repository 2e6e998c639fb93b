//! Where a probe connects to: a host and a port as they are written, read once. Resolving and the dial policy are
//! `dial`'s work.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use pingmon_core::error::{Error, Result};
#[cfg(any(feature = "tcp", feature = "tls"))]
use tokio::net::TcpStream;

#[cfg(any(feature = "tcp", feature = "tls"))]
use crate::{
    dial,
    stopwatch::{Phase, Stopwatch},
};
use crate::{dial::Dialer, fault::Fault};

/// A host and a port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Address {
    /// An IP address.
    Socket(SocketAddr),
    /// A name that is resolved at each run.
    Name(Box<str>, u16),
}

impl Address {
    /// Reads `host:port`; without a port it is `port`, if there is one to take.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub(crate) fn parse(text: &str, port: Option<u16>) -> Result<Self, String> {
        const FORM: &str = "write it as \"host:port\", an IPv6 address in brackets: \"[::1]:80\"";
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::with_port(Self::Socket(address), address.port());
        }
        if let Some(port) = port {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            if let Ok(address) = bare.parse::<IpAddr>() {
                return Ok(Self::Socket(SocketAddr::new(address, port)));
            }
        }
        let (host, port) = match (text.rsplit_once(':'), port) {
            (Some((host, port)), _) => {
                (host, port.parse().map_err(|_| format!("{port:?} is no port between 1 and 65535; {FORM}"))?)
            }
            (None, Some(port)) => (text, port),
            (None, None) => return Err(format!("the port is missing; {FORM}")),
        };
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(format!("the host is empty, too long or no host name; {FORM}"));
        }
        Self::with_port(Self::Name(host.into(), port), port)
    }

    fn with_port(self, port: u16) -> Result<Self, String> {
        if port == 0 { Err("port 0 can't be dialled; write one between 1 and 65535".to_owned()) } else { Ok(self) }
    }

    /// Reads the address of `field` and refuses one that may not be dialled.
    ///
    /// # Errors
    /// [`Error::Config`] naming `field`.
    pub(crate) fn permitted(field: &str, text: &str, port: Option<u16>, dialer: &Dialer) -> Result<Self> {
        let address = Self::parse(text, port).map_err(|reason| Error::config(field, reason))?;
        if let Self::Socket(address) = address {
            dialer.vet(address).map_err(|fault| Error::config(field, fault.to_string()))?;
        }
        Ok(address)
    }

    /// The name or the IP address, without the port.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Socket(address) => address.ip().to_string(),
            Self::Name(host, _) => host.to_string(),
        }
    }

    /// The phase a run begins with.
    #[cfg(any(feature = "tcp", feature = "tls"))]
    pub(crate) const fn first_phase(&self) -> Phase {
        match self {
            Self::Socket(_) => Phase::Connect,
            Self::Name(..) => Phase::Dns,
        }
    }

    /// The addresses that may be dialled; never an empty list.
    pub(crate) async fn resolve(&self, dialer: &Dialer) -> Result<Vec<SocketAddr>, Fault> {
        match self {
            Self::Socket(address) => Ok(vec![*address]),
            Self::Name(host, port) => dialer.resolve(host, *port).await,
        }
    }

    /// Opens a TCP connection.
    #[cfg(any(feature = "tcp", feature = "tls"))]
    pub(crate) async fn connect(&self, dialer: &Dialer, watch: &Stopwatch) -> Result<TcpStream, Fault> {
        let addresses = self.resolve(dialer).await?;
        watch.enter(Phase::Connect);
        dial::connect(&addresses).await
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let name = |host: &str, port| Ok(Address::Name(host.into(), port));
        let socket = |text: &str| Ok(Address::Socket(text.parse().unwrap()));
        assert_eq!(Address::parse("db.example:5432", None), name("db.example", 5432));
        assert_eq!(Address::parse("localhost:1", Some(443)), name("localhost", 1));
        assert_eq!(Address::parse("shop.example", Some(443)), name("shop.example", 443));
        assert_eq!(Address::parse("192.0.2.1:22", None), socket("192.0.2.1:22"));
        assert_eq!(Address::parse("[2001:db8::1]:443", None), socket("[2001:db8::1]:443"));
        for text in ["2001:db8::1", "[2001:db8::1]"] {
            assert_eq!(Address::parse(text, Some(853)), socket("[2001:db8::1]:853"));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_form_that_would_be_right() {
        for (bad, reason) in [
            ("db.example", "port is missing"),
            ("db.example:", "no port"),
            ("db.example:0", "port 0"),
            ("db.example:70000", "no port"),
            (":80", "host is empty"),
            ("::1:80", "no host name"),
            ("tcp://db.example:80", "no host name"),
            ("a b:80", "no host name"),
            ("user@db.example:80", "no host name"),
        ] {
            let error = Address::parse(bad, None).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }
}
