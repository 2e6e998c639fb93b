//! What kept a probe from its target: whose fault it is, a stable kind and one line for people. `down` is what the
//! target did; `unknown` is what our own machine, network, resolver or configuration did. No retry, no logging.

use std::{error::Error as StdError, fmt, io, time::Duration};

use pingmon_core::outcome::{Outcome, Status};

#[cfg(feature = "handshake")]
use crate::certificate::Certificate;

/// EMFILE and ENFILE, which have the same numbers on every Unix and no [`io::ErrorKind`].
const NO_FILE_HANDLES: [i32; 2] = [24, 23];

/// Why a probe ended before there was anything to judge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    status: Status,
    kind: &'static str,
    message: String,
}

impl Fault {
    /// The target's fault.
    pub(crate) fn down(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: Status::Down, kind, message: message.into() }
    }

    /// Ours.
    pub(crate) fn unknown(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: Status::Unknown, kind, message: message.into() }
    }

    /// The probe's time ran out in the named phase. Names are resolved by us, the rest is up to the target.
    pub(crate) fn timeout(phase: &'static str, limit: Duration) -> Self {
        match phase {
            "dns" => Self::unknown("dns_timeout", format!("our resolver didn't answer within {limit:?}")),
            _ => Self::down("timeout", format!("no end within {limit:?}, stuck in {phase}")),
        }
    }

    /// Whether the target is to blame.
    pub(crate) fn is_down(&self) -> bool {
        self.status == Status::Down
    }

    /// The stable word for it.
    #[cfg(any(feature = "tcp", feature = "tls", feature = "wasm"))]
    pub(crate) const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether the target closed the connection.
    #[cfg(feature = "http")]
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.kind, "connection_closed" | "connection_reset")
    }

    /// The verdict, with the kind as the evidence `error`.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::new(self.status, &self.message).evidence("error", self.kind)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Fault {}

/// A connection that didn't come about.
pub(crate) fn connecting(error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let (kind, message) = match error.kind() {
        Kind::ConnectionRefused => ("connect_refused", "connection refused"),
        Kind::ConnectionReset | Kind::ConnectionAborted => ("connect_reset", "connection reset while connecting"),
        Kind::TimedOut => ("connect_timeout", "no answer to the attempt to connect"),
        Kind::HostUnreachable => ("host_unreachable", "the network says that the host can't be reached"),
        _ => {
            return ours(error).unwrap_or_else(|| Fault::down("connect_failed", format!("connecting failed: {error}")));
        }
    };
    Fault::down(kind, message)
}

/// An established connection that broke.
#[cfg(any(feature = "http", feature = "postgres", feature = "handshake"))]
pub(crate) fn talking(error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let (kind, message) = match error.kind() {
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            ("connection_reset", "the target reset the connection")
        }
        Kind::UnexpectedEof => ("connection_closed", "the target closed the connection too early"),
        Kind::TimedOut => ("connection_timeout", "the connection went silent"),
        _ => return ours(error).unwrap_or_else(|| Fault::down("connection_failed", format!("it broke: {error}"))),
    };
    Fault::down(kind, message)
}

/// A handshake that failed.
#[cfg(any(feature = "http", feature = "postgres", feature = "handshake"))]
pub(crate) fn tls(error: &rustls::Error) -> Fault {
    use rustls::{AlertDescription as Alert, Error as Tls, InvalidMessage as Bad, PeerIncompatible as Peer};
    let kind = match error {
        Tls::InvalidCertificate(reason) => of_certificate(reason),
        Tls::NoCertificatesPresented => "tls_certificate_missing",
        Tls::AlertReceived(Alert::ProtocolVersion)
        | Tls::PeerIncompatible(Peer::ServerDoesNotSupportTls12Or13 | Peer::ServerTlsVersionIsDisabledByOurConfig) => {
            "tls_protocol_too_old"
        }
        Tls::AlertReceived(Alert::CertificateRequired) => "tls_client_certificate_required",
        Tls::AlertReceived(Alert::UnrecognisedName) => "tls_name_unknown",
        Tls::AlertReceived(_) => "tls_refused",
        Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol => "tls_incompatible",
        Tls::InvalidMessage(Bad::InvalidContentType | Bad::UnknownProtocolVersion) => "not_tls",
        Tls::InvalidMessage(_) | Tls::PeerMisbehaved(_) | Tls::InappropriateMessage { .. } => "tls_invalid",
        _ => "tls_failed",
    };
    Fault::down(kind, format!("TLS failed: {error}"))
}

#[cfg(any(feature = "http", feature = "postgres", feature = "handshake"))]
fn of_certificate(reason: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as Bad;
    match reason {
        Bad::Expired | Bad::ExpiredContext { .. } => "tls_certificate_expired",
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "tls_certificate_not_yet_valid",
        Bad::UnknownIssuer => "tls_certificate_unknown_issuer",
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "tls_certificate_wrong_name",
        Bad::BadSignature => "tls_certificate_bad_signature",
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "tls_certificate_wrong_purpose",
        Bad::Revoked => "tls_certificate_revoked",
        _ => "tls_certificate_invalid",
    }
}

/// A certificate that can't be trusted for `name`, in words that say what it is instead.
#[cfg(feature = "handshake")]
pub(crate) fn certificate(error: &rustls::Error, leaf: Option<&Certificate>, name: &str) -> Fault {
    let Fault { status, kind, message } = tls(error);
    let Some(leaf) = leaf else { return Fault { status, kind, message } };
    let (kind, message) = match kind {
        "tls_certificate_wrong_name" if leaf.names.is_empty() => {
            (kind, format!("the certificate isn't valid for {name}: it is for no name at all"))
        }
        "tls_certificate_wrong_name" => {
            let names: Vec<_> = leaf.names.iter().take(5).map(String::as_str).collect();
            let more = if leaf.names.len() > names.len() { " and others" } else { "" };
            (kind, format!("the certificate isn't valid for {name} but for {}{more}", names.join(", ")))
        }
        "tls_certificate_unknown_issuer" if leaf.is_self_issued() => {
            ("tls_certificate_self_signed", "the certificate is signed by itself and isn't trusted".to_owned())
        }
        "tls_certificate_unknown_issuer" => {
            (kind, format!("no trusted root stands behind the certificate, which {} issued", leaf.issuer))
        }
        _ => (kind, outdated(error, leaf).unwrap_or(message)),
    };
    Fault { status, kind, message }
}

/// When it is about dates: whose. Besides the leaf's own it can be those of any other certificate of the chain.
#[cfg(feature = "handshake")]
fn outdated(error: &rustls::Error, leaf: &Certificate) -> Option<String> {
    use rustls::{CertificateError as Bad, Error::InvalidCertificate};
    let at = |seconds: rustls::pki_types::UnixTime| {
        let micros = i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        pingmon_core::time::Timestamp::from_micros(micros)
    };
    let whose = |own: bool| if own { "the certificate" } else { "a certificate of its chain" };
    match error {
        InvalidCertificate(Bad::ExpiredContext { not_after, .. }) => {
            let end = at(*not_after);
            Some(format!("{} expired at {end}", whose(end == leaf.not_after)))
        }
        InvalidCertificate(Bad::NotValidYetContext { not_before, .. }) => {
            let start = at(*not_before);
            Some(format!("{} is valid from {start} on only", whose(start == leaf.not_before)))
        }
        _ => None,
    }
}

/// Trouble on our side of the wire, whatever was being done.
pub(crate) fn ours(error: &io::Error) -> Option<Fault> {
    use io::ErrorKind as Kind;
    let (kind, message) = match error.kind() {
        Kind::NetworkUnreachable | Kind::NetworkDown => ("network_unreachable", "we have no route to the target"),
        Kind::AddrNotAvailable | Kind::AddrInUse => ("no_local_port", "we have no free local port or address"),
        Kind::PermissionDenied => ("not_permitted", "this machine doesn't permit us to connect"),
        Kind::OutOfMemory => ("no_memory", "we have no memory for a connection"),
        _ if error.raw_os_error().is_some_and(|number| NO_FILE_HANDLES.contains(&number)) => {
            ("no_file_handles", "we have no free file handle")
        }
        _ => return None,
    };
    Some(Fault::unknown(kind, format!("{message}: {error}")))
}

#[cfg(all(test, any(feature = "http", feature = "postgres")))]
mod tests {
    use super::*;

    fn of(fault: Fault) -> (Status, &'static str) {
        (fault.status, fault.kind)
    }

    #[test]
    fn what_our_own_machine_does_is_unknown_and_never_down() {
        for (number, kind) in [
            (24, "no_file_handles"),
            (23, "no_file_handles"),
            (libc::ENETUNREACH, "network_unreachable"),
            (libc::ENETDOWN, "network_unreachable"),
            (libc::EADDRNOTAVAIL, "no_local_port"),
            (libc::EACCES, "not_permitted"),
            (libc::EPERM, "not_permitted"),
            (libc::ENOMEM, "no_memory"),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(of(connecting(&error)), (Status::Unknown, kind), "{error}");
            assert_eq!(of(talking(&error)), (Status::Unknown, kind), "{error}");
        }
    }

    #[test]
    fn what_the_target_does_is_down() {
        for (number, kind) in [
            (libc::ECONNREFUSED, "connect_refused"),
            (libc::ECONNRESET, "connect_reset"),
            (libc::ETIMEDOUT, "connect_timeout"),
            (libc::EHOSTUNREACH, "host_unreachable"),
        ] {
            assert_eq!(of(connecting(&io::Error::from_raw_os_error(number))), (Status::Down, kind));
        }
        assert_eq!(of(talking(&io::Error::from_raw_os_error(libc::EPIPE))), (Status::Down, "connection_reset"));
    }

    #[test]
    fn time_that_our_resolver_took_is_ours() {
        assert_eq!(of(Fault::timeout("dns", Duration::from_secs(1))), (Status::Unknown, "dns_timeout"));
        assert_eq!(of(Fault::timeout("connect", Duration::from_secs(1))), (Status::Down, "timeout"));
    }
}
