//! Holds what a handshake showed against what is expected of it. Pure: all facts are given.

use pingmon_core::{
    outcome::{Metric, Outcome, Status},
    time::Timestamp,
};
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

use super::{
    config::{Expect, Protocol},
    ocsp,
};
use crate::certificate::{Certificate, first_to_expire};

/// What a handshake showed.
pub(super) struct Facts<'a> {
    /// The certificates as they were sent, the target's own first.
    pub(super) ders: &'a [CertificateDer<'static>],
    /// The same, read.
    pub(super) chain: &'a [Certificate],
    /// The stapled OCSP response; empty when there is none.
    pub(super) ocsp: &'a [u8],
    /// The version that was agreed upon.
    pub(super) protocol: Protocol,
    /// The protocol that was chosen by ALPN.
    pub(super) alpn: Option<String>,
    /// The time of the run.
    pub(super) now: Timestamp,
}

/// Judges all expectations; what the certificate says becomes metrics.
pub(super) fn judge(expect: &Expect, facts: &Facts<'_>, outcome: &mut Outcome) {
    let Some(leaf) = facts.chain.first() else {
        outcome.fail(Status::Down, "certificate", "a certificate", "none");
        return;
    };
    validity(expect, facts, leaf, outcome);
    let mut fail = |name: &str, expected: String, actual: String| {
        outcome.fail(expect.level.into(), name, expected, actual);
    };
    for name in expect.names.iter().filter(|name| !covers(&facts.ders[0], name)) {
        fail("names", format!("valid for {name}"), shown(&leaf.names));
    }
    if let Some(part) = expect.issuer.as_deref().filter(|part| !leaf.issuer.contains(part)) {
        fail("issuer", format!("with {part:?}"), leaf.issuer.clone());
    }
    if let Some(kinds) = &expect.keys
        && kinds.get(&leaf.key.algorithm).is_none_or(|bits| leaf.key.bits < *bits)
    {
        let kinds: Vec<_> = kinds.iter().map(|(kind, bits)| format!("{kind} {bits}")).collect();
        fail("keys", format!("at least {}", kinds.join(" or ")), leaf.key.to_string());
    }
    if !expect.signatures.is_empty() && !expect.signatures.contains(&leaf.signature) {
        fail("signatures", expect.signatures.join(" or "), leaf.signature.clone());
    }
    let known = |print: &String| fingerprint(print).is_some_and(|print| print == leaf.fingerprint);
    if !expect.fingerprints.is_empty() && !expect.fingerprints.iter().any(known) {
        fail("fingerprints", "one of those listed".to_owned(), leaf.fingerprint.clone());
    }
    if expect.ocsp_staple
        && let Err(reason) = ocsp::judge(facts.ocsp, facts.ders, facts.now)
    {
        fail("ocsp_staple", "good and in date".to_owned(), reason);
    }
    if let Some(oldest) = expect.protocol.filter(|oldest| facts.protocol < *oldest) {
        fail("protocol", format!("{oldest} or newer"), facts.protocol.to_string());
    }
    if let Some(expected) = expect.alpn.as_ref().filter(|expected| facts.alpn.as_ref() != Some(expected)) {
        fail("alpn", format!("{expected:?}"), facts.alpn.clone().map_or("none".to_owned(), |got| format!("{got:?}")));
    }
}

fn validity(expect: &Expect, facts: &Facts<'_>, leaf: &Certificate, outcome: &mut Outcome) {
    let left = leaf.days_left(facts.now);
    let of_chain = first_to_expire(facts.chain).map_or(left, |first| first.days_left(facts.now));
    for (name, days) in [("certificate_days_left", left), ("chain_days_left", of_chain)] {
        outcome.metrics.push(Metric::new(name, (days * 1_000.0).floor() / 1_000.0, "days"));
    }
    if let Some(levels) = &expect.days_left {
        levels.judge("days_left", left, outcome);
    }
    if let Some(levels) = &expect.chain_days_left {
        levels.judge("chain_days_left", of_chain, outcome);
    }
}

/// A fingerprint without the colons that some programs write, in lower case.
pub(super) fn fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    (digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit())).then(|| digits.to_ascii_lowercase())
}

/// Whether a certificate is valid for a name, wildcards considered.
fn covers(leaf: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, &name)).is_ok()
}

fn shown(names: &[String]) -> String {
    if names.is_empty() { "valid for no name".to_owned() } else { names.join(", ") }
}
