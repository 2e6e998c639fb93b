//! Proxies: asks an HTTP proxy (RFC 9110, CONNECT) or a SOCKS5 proxy (RFC 1928, RFC 1929) for a way to the target. What
//! the proxy itself does wrong is `unknown`; that it can't reach the target is the target's fault.

use std::{io, net::IpAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use pingmon_core::error::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::{Host, Url};

use super::{route::Place, wire::Wire};
use crate::{dial::Dialer, fault::Fault};

/// Most of what a proxy may answer before the tunnel begins.
const MAX_HEAD: usize = 8 * 1024;
/// Most of a user's name and of a password: what SOCKS5 can hold.
const MAX_LOGIN: usize = 255;

/// A proxy.
pub(super) struct Proxy {
    kind: Kind,
    pub(super) place: Place,
    login: Option<(String, SecretString)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    /// We resolve names.
    Socks5,
    /// The proxy does.
    Socks5h,
}

/// What is asked of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tunnel {
    /// To forward requests.
    Forward,
    /// To connect to a host by its name.
    ToName,
    /// To connect to an address.
    ToAddress,
}

impl Proxy {
    /// Reads a proxy's URL. A proxy that resolves names by itself could be led to any address: it's refused where the
    /// policy wants to know (`local` is false).
    ///
    /// # Errors
    /// [`Error::Config`] when it can't be used.
    pub(super) fn parse(text: &SecretString, dialer: &Dialer, local: bool) -> Result<Self> {
        let refused = |reason: &str| Error::config("proxy", reason);
        let usage =
            "it isn't a proxy's URL; write one such as \"http://proxy.example:3128\" or \"socks5://10.0.0.1:1080\"";
        let url = Url::parse(text.expose_secret()).map_err(|_| refused(usage))?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5h, 1080),
            _ => return Err(refused("its scheme is none of http, socks5 and socks5h")),
        };
        if !local && kind != Kind::Socks5 {
            let reason = "the dial policy wants to vet addresses, which this proxy resolves by itself; use socks5";
            return Err(refused(reason));
        }
        let host = url.host_str().and_then(|host| Host::parse(host).ok()).ok_or_else(|| refused(usage))?;
        let place = Place { host, port: url.port().unwrap_or(port) };
        place.vet(dialer).map_err(|fault| refused(&fault.to_string()))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (username, password) => {
                let login = decoded(username).and_then(|name| Ok((name, decoded(password.unwrap_or(""))?)));
                let (name, password) = login.map_err(|_| refused("its credentials aren't valid UTF-8"))?;
                if name.len() > MAX_LOGIN || password.len() > MAX_LOGIN {
                    return Err(refused("its credentials are too long; a name and a password have 255 bytes at most"));
                }
                Some((name, password.into()))
            }
        };
        Ok(Self { kind, place, login })
    }

    /// What to ask it for, for a target with or without TLS.
    pub(super) const fn tunnel(&self, tls: bool) -> Tunnel {
        match (self.kind, tls) {
            (Kind::Http, false) => Tunnel::Forward,
            (Kind::Http, true) | (Kind::Socks5h, _) => Tunnel::ToName,
            (Kind::Socks5, _) => Tunnel::ToAddress,
        }
    }

    /// The value of `proxy-authorization`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (name, password) = self.login.as_ref()?;
        let pair = format!("{name}:{}", password.expose_secret());
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Has the proxy at the end of `wire` connect to the target, by its `address` if there is one.
    ///
    /// # Errors
    /// When it doesn't.
    pub(super) async fn open(&self, wire: &mut Wire, target: &Place, address: Option<IpAddr>) -> Result<(), Fault> {
        match self.kind {
            Kind::Http => self.connect(wire, target).await,
            Kind::Socks5 | Kind::Socks5h => self.login_and_connect(wire, target, address).await,
        }
    }

    async fn connect(&self, wire: &mut Wire, target: &Place) -> Result<(), Fault> {
        let to = format!("{}:{}", target.host, target.port);
        let authorization = self.authorization();
        let authorization = authorization.as_ref().and_then(|value| value.to_str().ok());
        let authorization = authorization.map_or_else(String::new, |value| format!("proxy-authorization: {value}\r\n"));
        let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{authorization}\r\n");
        wire.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte, since what follows belongs to the tunnel; it's short and read once a connection.
            if head.len() == MAX_HEAD {
                return Err(failed("its answer has too long a head"));
            }
            head.push(wire.read_u8().await.map_err(broken)?);
        }
        let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok());
        match status.and_then(|status| status.parse::<u16>().ok()) {
            Some(200..=299) => Ok(()),
            Some(status @ 502..=504) => Err(unreachable(&format!("it says {status}"))),
            Some(status) => Err(failed(&format!("it refused to connect to {to} and said {status}"))),
            None => Err(failed("its answer isn't HTTP")),
        }
    }

    async fn login_and_connect(&self, wire: &mut Wire, target: &Place, address: Option<IpAddr>) -> Result<(), Fault> {
        const NONE: u8 = 0;
        const LOGIN: u8 = 2;
        let method = if self.login.is_some() { LOGIN } else { NONE };
        wire.write_all(&[5, 1, method]).await.map_err(broken)?;
        let mut answer = [0; 2];
        wire.read_exact(&mut answer).await.map_err(broken)?;
        match (answer, &self.login) {
            ([5, NONE], None) => {}
            ([5, LOGIN], Some((name, password))) => {
                let message = [&[1], &pascal(name)[..], &pascal(password.expose_secret())].concat();
                wire.write_all(&message).await.map_err(broken)?;
                wire.read_exact(&mut answer).await.map_err(broken)?;
                if answer[1] != 0 {
                    return Err(failed("it refused the credentials"));
                }
            }
            ([5, _], _) => return Err(failed("it wants to be asked with other credentials")),
            _ => return Err(failed("it doesn't speak SOCKS5")),
        }
        let place = match (address, &target.host) {
            (Some(IpAddr::V4(v4)), _) | (None, &Host::Ipv4(v4)) => [&[1], &v4.octets()[..]].concat(),
            (Some(IpAddr::V6(v6)), _) | (None, &Host::Ipv6(v6)) => [&[4], &v6.octets()[..]].concat(),
            (None, Host::Domain(name)) => [&[3], &pascal(name)[..]].concat(),
        };
        let message = [&[5, 1, 0], &place[..], &target.port.to_be_bytes()].concat();
        wire.write_all(&message).await.map_err(broken)?;
        let mut reply = [0; 4];
        wire.read_exact(&mut reply).await.map_err(broken)?;
        let bound = match reply[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(wire.read_u8().await.map_err(broken)?),
        };
        wire.read_exact(&mut vec![0; bound + 2]).await.map_err(broken)?;
        replied(reply[1])
    }
}

/// A text after its length.
fn pascal(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], &text.as_bytes()[..usize::from(length)]].concat()
}

/// What the reply codes of RFC 1928 mean.
fn replied(code: u8) -> Result<(), Fault> {
    match code {
        0 => Ok(()),
        1 => Err(unreachable("it failed to connect")),
        3 => Err(unreachable("it says that the network can't be reached")),
        4 => Err(unreachable("it says that the host can't be reached")),
        5 => Err(unreachable("it says that the connection was refused")),
        6 => Err(unreachable("it got no answer")),
        2 => Err(failed("its rules forbid the target")),
        _ => Err(failed(&format!("it refused with code {code}"))),
    }
}

fn broken(error: io::Error) -> Fault {
    failed(&format!("the connection to it broke: {error}"))
}

fn failed(reason: &str) -> Fault {
    Fault::unknown("proxy_failed", format!("the proxy didn't help: {reason}"))
}

fn unreachable(reason: &str) -> Fault {
    Fault::down("proxy_target_unreachable", format!("the proxy can't reach the target: {reason}"))
}

#[cfg(test)]
mod tests {
    use pingmon_core::dial::DialPolicy;

    use super::*;
    use crate::dial::resolver::Resolver;

    fn parse(text: &str, local: bool) -> Result<Proxy> {
        let policy = if local { DialPolicy::open() } else { DialPolicy::public() };
        Proxy::parse(&text.to_owned().into(), &Dialer::new(policy, Resolver::system()), local)
    }

    #[test]
    fn a_proxy_is_given_as_a_url() {
        for (text, port, login) in [
            ("http://proxy.example", 80, None),
            ("http://u%40x:p%3A@10.0.0.1:3128", 3128, Some("u@x:p:")),
            ("socks5://proxy.example", 1080, None),
            ("socks5h://u@[::1]:9", 9, Some("u:")),
        ] {
            let proxy = parse(text, true).unwrap();
            let found = proxy.login.map(|(name, password)| format!("{name}:{}", password.expose_secret()));
            assert_eq!((proxy.place.port, found.as_deref()), (port, login), "{text}");
        }
        for (text, local, words) in [
            ("proxy.example:3128", true, "its scheme is none of"),
            ("https://proxy.example", true, "its scheme is none of"),
            ("s3cret", true, "isn't a proxy's URL"),
            ("http://169.254.169.254", true, "the dial policy forbids 169.254.169.254"),
            ("http://1.1.1.1", false, "which this proxy resolves by itself"),
            ("socks5://10.0.0.1", false, "the dial policy forbids 10.0.0.1"),
        ] {
            let error = parse(text, local).err().expect("it is refused").to_string();
            assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
