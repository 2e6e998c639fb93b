//! What a `tls` monitor may say. Reading and refusing only.

use std::{collections::BTreeMap, fmt};

use pingmon_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    days_left::DaysLeft,
    handshake::{ClientCertificate, TlsSettings},
    latency::Latency,
    levels::Level,
};

/// Most entries in a list of an expectation.
const MAX_LISTED: usize = 64;

/// A TLS handshake, in the clear or after STARTTLS, and what the certificate and the connection have to be. The
/// certificate has to be in date, valid for the name and issued below a trusted root, whatever else is expected.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tls")]
pub(super) struct Config {
    /// Where to connect to: `"shop.example"`, `"mail.example:993"`, `"[2001:db8::1]:443"`. Without a port it is the
    /// one of `starttls`, or 443.
    pub(super) address: String,
    /// The protocol that is spoken in the clear before TLS begins.
    pub(super) starttls: Option<Starttls>,
    /// The name that is asked for (SNI) and that the certificate has to be valid for; the host of `address` unless set.
    server_name: Option<String>,
    /// Root certificates in PEM to trust instead of the system's: `{ file = "ca.pem" }`.
    ca: Option<String>,
    /// The certificate that is shown to a target that asks for one, once its own turned out to be trusted.
    client: Option<ClientCertificate>,
    /// Protocols to offer by ALPN, the best first, at most 16: `["h2", "http/1.1"]`.
    #[serde(default)]
    alpn: Vec<String>,
    /// Whether the certificate has to be trusted. With `false` why it isn't is only noted, and the expectations alone
    /// decide.
    #[serde(default = "yes")]
    pub(super) verify: bool,
    /// What must hold besides.
    #[serde(default)]
    pub(super) expect: Expect,
}

const fn yes() -> bool {
    true
}

/// The protocol that is spoken in the clear before TLS begins.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Starttls {
    /// RFC 3207; port 25 unless set.
    Smtp,
    /// RFC 9051; port 143 unless set.
    Imap,
    /// RFC 2595; port 110 unless set.
    Pop3,
    /// PostgreSQL's SSLRequest; port 5432 unless set.
    Postgres,
    /// RFC 6120, as a client; port 5222 unless set.
    Xmpp,
}

impl Starttls {
    /// The protocol's usual port.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Postgres => 5432,
            Self::Xmpp => 5222,
        }
    }
}

/// What must hold besides that the certificate can be trusted.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// How few days the certificate may stay valid: `30` (degraded below it), or `{ degraded = 30, down = 7 }`.
    pub(super) days_left: Option<DaysLeft>,
    /// The same of the certificate that expires first among all that the target presents.
    pub(super) chain_days_left: Option<DaysLeft>,
    /// Names that the certificate has to be valid for, at most 64.
    #[serde(default)]
    pub(super) names: Vec<String>,
    /// What has to be found in the issuer's name: `"Let's Encrypt"`.
    pub(super) issuer: Option<String>,
    /// Which kinds of keys are good enough, each with its least size in bits: `{ rsa = 2048, ecdsa = 256, ed25519 = 256 }`.
    pub(super) keys: Option<BTreeMap<String, u32>>,
    /// Ways to sign a certificate of which the target's has to have one: `["sha256WithRSAEncryption",
    /// "ecdsa-with-SHA256"]`.
    #[serde(default)]
    pub(super) signatures: Vec<String>,
    /// SHA-256 fingerprints, in hexadecimal digits, of which the certificate has to have one.
    #[serde(default)]
    pub(super) fingerprints: Vec<String>,
    /// Whether the target has to staple an OCSP response: of its issuer, for this certificate, good and in date.
    #[serde(default)]
    pub(super) ocsp_staple: bool,
    /// The oldest version of TLS that is good enough: `"1.2"` or `"1.3"`. Older ones are never spoken.
    pub(super) protocol: Option<Protocol>,
    /// The protocol that has to be chosen by ALPN: `"h2"`. It is offered if `alpn` isn't set.
    pub(super) alpn: Option<String>,
    /// How slow is too slow, from resolving the name to the end of the handshake: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
    /// How bad it is when an expectation without levels of its own isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub(super) enum Protocol {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V12 => "TLS 1.2",
            Self::V13 => "TLS 1.3",
        })
    }
}

impl Config {
    /// How to speak TLS; what is expected of ALPN is offered.
    pub(super) fn settings(&self) -> TlsSettings {
        let mut alpn = self.alpn.clone();
        if let Some(expected) = self.expect.alpn.clone().filter(|_| alpn.is_empty()) {
            alpn.push(expected);
        }
        TlsSettings { server_name: self.server_name.clone(), ca: self.ca.clone(), client: self.client.clone(), alpn }
    }

    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        let expect = &self.expect;
        if let Some(days) = &expect.days_left {
            days.validate("expect.days_left")?;
        }
        if let Some(days) = &expect.chain_days_left {
            days.validate("expect.chain_days_left")?;
        }
        if let Some(latency) = &expect.latency {
            latency.validate("expect.latency")?;
        }
        for (field, list) in
            [("names", &expect.names), ("signatures", &expect.signatures), ("fingerprints", &expect.fingerprints)]
        {
            if list.len() > MAX_LISTED {
                return Err(Error::config(format!("expect.{field}"), format!("more than {MAX_LISTED}; list fewer")));
            }
        }
        if let Some(bad) = expect.fingerprints.iter().find(|print| super::judge::fingerprint(print).is_none()) {
            let reason = format!("{bad:?} isn't a SHA-256 fingerprint of 64 hexadecimal digits");
            return Err(Error::config("expect.fingerprints", reason));
        }
        if expect.issuer.as_deref() == Some("") {
            return Err(Error::config("expect.issuer", "it is empty, which any name contains; write something"));
        }
        match &expect.alpn {
            Some(expected) if !self.alpn.is_empty() && !self.alpn.contains(expected) => {
                Err(Error::config("expect.alpn", format!("{expected:?} isn't offered; add it to alpn")))
            }
            _ => Ok(()),
        }
    }
}
