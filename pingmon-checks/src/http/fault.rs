//! What broke while speaking HTTP or TLS, read from the chain of causes of an error. Only what no cause explains is
//! called an invalid response.

use std::{error::Error as StdError, io};

use rustls::Error as TlsError;

use crate::{
    fault::{self, Fault},
    stopwatch::Phase,
};

/// The fault behind hyper's error that came up in `phase`.
pub(super) fn of(error: &hyper::Error, phase: Phase) -> Fault {
    let known = of_http(error);
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(fault) = certain(error, phase) {
            return fault;
        }
        last = error.to_string();
        cause = error.source();
    }
    known.unwrap_or_else(|| unexplained(phase, &last))
}

/// The fault behind a handshake that failed.
pub(super) fn of_handshake(error: &io::Error) -> Fault {
    certain(error, Phase::Tls).unwrap_or_else(|| unexplained(Phase::Tls, &error.to_string()))
}

/// The fault behind an established connection that broke.
pub(super) fn of_wire(error: &io::Error) -> Fault {
    certain(error, Phase::FirstByte).unwrap_or_else(|| crate::fault::talking(error))
}

fn certain(error: &(dyn StdError + 'static), phase: Phase) -> Option<Fault> {
    if let Some(tls) = error.downcast_ref::<TlsError>() {
        return Some(fault::tls(tls));
    }
    let io = error.downcast_ref::<io::Error>()?;
    // A cause that was wrapped into an I/O error isn't in the chain of sources: it has to be taken out.
    if let Some(inner) = io.get_ref() {
        let inner: &(dyn StdError + 'static) = inner;
        return certain(inner, phase).or_else(|| of_wrapped(io, phase));
    }
    Some(of_io(io, phase))
}

fn of_io(error: &io::Error, phase: Phase) -> Fault {
    match phase {
        Phase::Dns | Phase::Connect => fault::connecting(error),
        _ => fault::talking(error),
    }
}

/// An I/O error that a library made: only its kind says something.
fn of_wrapped(error: &io::Error, phase: Phase) -> Option<Fault> {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => None,
        _ => Some(of_io(error, phase)),
    }
}

fn of_http(error: &hyper::Error) -> Option<Fault> {
    if error.is_parse_too_large() {
        Some(Fault::down("response_too_large", "the head of the response has too many or too long headers"))
    } else if error.is_parse() {
        Some(Fault::down("invalid_response", format!("the response isn't HTTP: {error}")))
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Some(Fault::down("connection_closed", "the target closed the connection too early"))
    } else {
        None
    }
}

fn unexplained(phase: Phase, said: &str) -> Fault {
    let said = if said.is_empty() { "no reason given" } else { said };
    match phase {
        Phase::Transfer => Fault::down("invalid_body", format!("the body can't be read: {said}")),
        Phase::Tls => Fault::down("tls_failed", format!("TLS failed: {said}")),
        _ => Fault::down("invalid_response", format!("no valid response: {said}")),
    }
}
