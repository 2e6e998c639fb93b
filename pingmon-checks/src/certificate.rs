//! What an X.509 certificate says, read from the wire and nothing verified: that is the business of rustls.

use std::net::IpAddr;

use pingmon_core::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    objects::{oid_registry, oid2sn},
    oid_registry::Oid,
    prelude::FromDer as _,
    public_key::PublicKey,
    time::ASN1Time,
    x509::SubjectPublicKeyInfo,
};

/// Most names shown as evidence; a certificate may have thousands.
const MAX_NAMES_SHOWN: usize = 32;
/// Most certificates of a chain that are shown as evidence.
const MAX_CHAIN_SHOWN: usize = 8;
/// Longest name of a subject or an issuer that is shown as evidence, in characters.
const MAX_NAME_SHOWN: usize = 256;

/// One certificate's facts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Certificate {
    /// Whom it is for, as a distinguished name: `CN=shop.example`.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// The DNS names and IP addresses it is valid for, in lower case; a common name isn't one of them (RFC 9525).
    pub(crate) names: Vec<String>,
    /// The issuer's number for it, in lower-case hexadecimal digits.
    pub(crate) serial: String,
    /// From when on it is valid.
    pub(crate) not_before: Timestamp,
    /// Until when it is valid.
    pub(crate) not_after: Timestamp,
    /// Its public key.
    pub(crate) key: Key,
    /// How it was signed: `sha256WithRSAEncryption`, `ecdsa-with-SHA256`; the number of an algorithm without a name.
    pub(crate) signature: String,
    /// SHA-256 of all of it, in lower-case hexadecimal digits.
    pub(crate) fingerprint: String,
}

/// A public key's kind and size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    /// `rsa`, `ecdsa`, `ed25519`; the number of an algorithm without a name.
    pub(crate) algorithm: String,
    /// Its size in bits; 0 when the algorithm isn't known.
    pub(crate) bits: u32,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, String> {
        let (_, read) = X509Certificate::from_der(der).map_err(|error| format!("it can't be read: {error}"))?;
        Ok(Self {
            subject: read.subject().to_string(),
            issuer: read.issuer().to_string(),
            names: names(&read),
            serial: hex::encode(read.raw_serial()),
            not_before: instant(read.validity().not_before),
            not_after: instant(read.validity().not_after),
            key: Key::of(read.public_key()),
            signature: word(&read.signature_algorithm.algorithm),
            fingerprint: hex::encode(Sha256::digest(der)),
        })
    }

    /// How many days it stays valid after `now`; below zero when it has expired.
    pub(crate) fn days_left(&self, now: Timestamp) -> f64 {
        const MICROS: f64 = 86_400_000_000.0;
        self.not_after.as_micros().saturating_sub(now.as_micros()) as f64 / MICROS
    }

    /// Whether subject and issuer are the same: a root, or a certificate that nobody vouches for.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// All of it for people.
    pub(crate) fn evidence(&self) -> Value {
        let names: Vec<_> = self.names.iter().take(MAX_NAMES_SHOWN).map(|name| shown(name)).collect();
        let mut evidence = self.summary();
        evidence["names"] = names.into();
        evidence["not_before"] = self.not_before.to_string().into();
        evidence["serial"] = self.serial.as_str().into();
        evidence["key"] = self.key.to_string().into();
        evidence["signature"] = self.signature.as_str().into();
        evidence
    }

    /// What tells it from the others of its chain.
    fn summary(&self) -> Value {
        json!({
            "subject": shown(&self.subject),
            "issuer": shown(&self.issuer),
            "not_after": self.not_after.to_string(),
            "fingerprint": self.fingerprint,
        })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.algorithm, self.bits)
    }
}

impl Key {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let (algorithm, bits) = match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => ("rsa".to_owned(), significant_bits(rsa.modulus)),
            // Both coordinates follow a byte that tells their form; those of P-521 are padded to whole bytes.
            Ok(PublicKey::EC(point)) => {
                let bits = u32::try_from(point.data().len().saturating_sub(1) / 2 * 8).unwrap_or(0);
                ("ecdsa".to_owned(), if bits == 528 { 521 } else { bits })
            }
            _ => match word(&key.algorithm.algorithm) {
                algorithm if algorithm == "ed25519" => (algorithm, 256),
                algorithm if algorithm == "ed448" => (algorithm, 456),
                algorithm => (algorithm, 0),
            },
        };
        Self { algorithm, bits }
    }
}

/// Of the certificates of a chain, the one that expires first.
pub(crate) fn first_to_expire(chain: &[Certificate]) -> Option<&Certificate> {
    chain.iter().min_by_key(|certificate| certificate.not_after)
}

/// A chain for people, leaf first.
pub(crate) fn chain_evidence(chain: &[Certificate]) -> Value {
    chain.iter().take(MAX_CHAIN_SHOWN).map(Certificate::summary).collect()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn instant(time: ASN1Time) -> Timestamp {
    Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000))
}

fn word(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}

fn significant_bits(number: &[u8]) -> u32 {
    let mut bytes = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = bytes.next() else { return 0 };
    u32::try_from(bytes.count() * 8).unwrap_or(0) + 8 - first.leading_zeros()
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn certificate(params: &CertificateParams, key: &KeyPair) -> Certificate {
        Certificate::parse(params.self_signed(key).unwrap().der()).unwrap()
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(["Shop.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "shop");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 3, 1);
        params.serial_number = Some(0xbeef_u64.into());
        params
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_until_when_and_how_it_was_signed() {
        let read = certificate(&params(), &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
        assert!(read.subject.contains("CN=shop") && read.is_self_issued(), "{}", read.subject);
        assert_eq!(read.names, ["shop.example", "192.0.2.1"]);
        assert!(read.serial.ends_with("beef") && read.fingerprint.len() == 64);
        assert_eq!(read.signature, "ecdsa-with-SHA256");
        assert_eq!(read.not_after, "2026-03-01T00:00:00Z".parse().unwrap());
        assert_eq!(read.days_left("2026-02-01T12:00:00Z".parse().unwrap()), 27.5);
        assert_eq!(read.days_left("2026-03-02T00:00:00Z".parse().unwrap()), -1.0);
    }

    #[test]
    fn a_key_has_a_kind_and_a_size() {
        for (kind, words) in [
            (&PKCS_ECDSA_P256_SHA256, "ecdsa 256"),
            (&PKCS_ECDSA_P384_SHA384, "ecdsa 384"),
            (&PKCS_ED25519, "ed25519 256"),
        ] {
            let read = certificate(&params(), &KeyPair::generate_for(kind).unwrap());
            assert_eq!(read.key.to_string(), words);
        }
        assert_eq!(significant_bits(&[&[0, 0x80][..], &[0; 255]].concat()), 2_048);
        assert_eq!(significant_bits(&[0, 1, 0]), 9);
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_a_thousand_names_are_cut_in_the_evidence() {
        assert!(Certificate::parse(b"-----BEGIN").unwrap_err().contains("can't be read"));
        let mut params = params();
        let more = CertificateParams::new((0..1_000).map(|n| format!("{n}.example")).collect::<Vec<_>>()).unwrap();
        params.subject_alt_names = more.subject_alt_names;
        let read = certificate(&params, &KeyPair::generate_for(&PKCS_ED25519).unwrap());
        assert_eq!(read.names.len(), 1_000);
        assert_eq!(read.evidence()["names"].as_array().unwrap().len(), MAX_NAMES_SHOWN);
    }
}
