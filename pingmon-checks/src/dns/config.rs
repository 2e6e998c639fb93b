//! What a `dns` monitor may say. Reading and refusing only.

use std::{borrow::Cow, fmt, net::IpAddr};

use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};
use pingmon_core::{
    error::{Error, Result},
    time::Span,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::record;
use crate::{handshake::TlsSettings, latency::Latency, levels::Level};

/// Most records that an expectation may list.
const MAX_LISTED: usize = 256;

/// The types of records that can be asked for.
const TYPES: [&str; 25] = [
    "A",
    "AAAA",
    "CAA",
    "CDNSKEY",
    "CDS",
    "CERT",
    "CNAME",
    "CSYNC",
    "DNAME",
    "DNSKEY",
    "DS",
    "HINFO",
    "HTTPS",
    "MX",
    "NAPTR",
    "NS",
    "OPENPGPKEY",
    "PTR",
    "SMIMEA",
    "SOA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
];

/// A question to a nameserver, and what its answer has to be. Nothing is cached.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "dns")]
pub(super) struct Config {
    /// The name to ask for: `"shop.example"`. With the type `PTR` it may be an IP address.
    pub(super) name: String,
    /// The type of records to ask for; `"A"` unless set.
    #[serde(default, rename = "type")]
    pub(super) kind: Kind,
    /// The nameserver to ask: `"192.0.2.53"`, `"dns.example:5353"`, `"[2001:db8::53]:53"`; port 53, 853 for `tls` and
    /// 443 for `https` unless given. Without it this machine's own nameservers are asked, one after the other until one
    /// answers; that none does is our trouble then, and the result unknown.
    pub(super) server: Option<String>,
    /// How to ask `server`: `"udp"` (the default; what doesn't fit is fetched over TCP), `"tcp"`, `"tls"` (RFC 7858)
    /// or `"https"` (RFC 8484).
    #[serde(default)]
    pub(super) transport: Transport,
    /// For `https`: where questions are posted to; `"/dns-query"` unless set.
    #[serde(default = "path")]
    pub(super) path: String,
    /// For `tls` and `https`: how to speak TLS. The certificate has to be trusted.
    pub(super) tls: Option<TlsSettings>,
    /// Whether the server is to ask other servers for what it doesn't know itself.
    #[serde(default = "yes")]
    pub(super) recursion: bool,
    /// Keys to trust for `expect.dnssec` instead of the root's: lines as `unbound` and others have them, each
    /// `zone. IN DNSKEY 257 3 8 AwEAAa…`.
    pub(super) trust_anchors: Option<String>,
    /// What the answer has to be. Unless it says otherwise, `NOERROR` and at least one record of the type.
    #[serde(default)]
    pub(super) expect: Expect,
}

fn path() -> String {
    "/dns-query".to_owned()
}

const fn yes() -> bool {
    true
}

/// How a nameserver is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Transport {
    /// UDP, and TCP for what doesn't fit.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484), HTTP/2.
    Https,
}

impl Transport {
    /// The usual port.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

/// A type of records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind(pub(super) RecordType);

impl Default for Kind {
    fn default() -> Self {
        Self(RecordType::A)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = TYPES.contains(&text.as_str()).then(|| text.parse().ok()).flatten();
        known
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("unknown type {text:?}; write one of {}", TYPES.join(", "))))
    }
}

impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "RecordType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": TYPES })
    }
}

/// What the answer has to be. Records are written as in a zone file (`"10 mail.example"`); their order doesn't count,
/// nor do a final dot and, but for texts and keys, the case of letters.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// How the server has to answer; `"NOERROR"` unless set.
    #[serde(default)]
    pub(super) rcode: Rcode,
    /// The records that have to be there, all of them and no others, at most 256.
    pub(super) equals: Option<Vec<String>>,
    /// Records that have to be among those there.
    #[serde(default)]
    pub(super) contains: Vec<String>,
    /// A regular expression that has to be found in one of the records: `"^v=spf1 "`.
    pub(super) matches: Option<String>,
    /// Whether there must be no record of the type.
    #[serde(default)]
    pub(super) none: bool,
    /// How many records there have to be: `2` or `{ min = 2, max = 4 }`.
    pub(super) count: Option<Count>,
    /// How long the records may be kept: `{ min = "60s", max = "1day" }`.
    pub(super) ttl: Option<Ttl>,
    /// Whether the server has to know the answer by itself (`true`) or from others (`false`).
    pub(super) authoritative: Option<bool>,
    /// Whether the answer has to be signed, and the signatures valid up to the root's keys (DNSSEC). The keys are
    /// fetched from the same server, which has to be one that asks others.
    #[serde(default)]
    pub(super) dnssec: bool,
    /// How slow is too slow, from resolving the server's name to the answer: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
    /// How bad it is when an expectation without levels of its own isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Rcode {
    /// All is well, also when there is no such record.
    #[default]
    NoError,
    /// The question isn't understood.
    FormErr,
    /// The server failed.
    ServFail,
    /// The name doesn't exist.
    NxDomain,
    /// The server doesn't know how.
    NotImp,
    /// The server doesn't want to.
    Refused,
}

impl Rcode {
    /// Whether `code` is this one.
    pub(super) fn is(self, code: ResponseCode) -> bool {
        self.code() == code
    }

    const fn code(self) -> ResponseCode {
        match self {
            Self::NoError => ResponseCode::NoError,
            Self::FormErr => ResponseCode::FormErr,
            Self::ServFail => ResponseCode::ServFail,
            Self::NxDomain => ResponseCode::NXDomain,
            Self::NotImp => ResponseCode::NotImp,
            Self::Refused => ResponseCode::Refused,
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rcode_word(self.code()))
    }
}

/// The word for an answer's code, or its number.
pub(super) fn rcode_word(code: ResponseCode) -> Cow<'static, str> {
    match code {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        other => u16::from(other).to_string().into(),
    }
}

/// A number of records.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number, or { min = 1, max = 4 }")]
pub(super) enum Count {
    /// Exactly so many.
    Exactly(usize),
    /// Within bounds.
    Within(Bounds),
}

/// Bounds of a number.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    /// Fewest.
    pub(super) min: Option<usize>,
    /// Most.
    pub(super) max: Option<usize>,
}

/// How long records may be kept.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ttl {
    /// Shortest.
    pub(super) min: Option<Span>,
    /// Longest.
    pub(super) max: Option<Span>,
}

impl Config {
    /// The name to ask for, complete.
    ///
    /// # Errors
    /// [`Error::Config`] when it is none.
    pub(super) fn name(&self) -> Result<Name> {
        if let (RecordType::PTR, Ok(address)) = (self.kind.0, self.name.parse::<IpAddr>()) {
            return Ok(Name::from(address));
        }
        let mut name = Name::from_utf8(&self.name)
            .map_err(|e| Error::config("name", format!("{:?} is no domain name: {e}", self.name)))?;
        if self.name.is_empty() {
            return Err(Error::config("name", "it is empty; write \".\" for the root"));
        }
        name.set_fqdn(true);
        Ok(name)
    }

    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        let encrypted = matches!(self.transport, Transport::Tls | Transport::Https);
        if self.server.is_none() && self.transport != Transport::Udp {
            return Err(Error::config("transport", "it needs a server to be asked that way; add server"));
        }
        if self.tls.is_some() && !encrypted {
            return Err(Error::config("tls", "it is for the transports tls and https; set transport"));
        }
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '{' | '}' | '"' | '<' | '>' | '\\' | '^');
        if !self.path.starts_with('/') || self.path.len() > 1_024 || !self.path.chars().all(plain) {
            return Err(Error::config("path", "it begins with \"/\" and has at most 1024 plain characters"));
        }
        self.expect.validate(self.kind.0)
    }
}

impl Expect {
    fn validate(&self, kind: RecordType) -> Result<()> {
        if let Some(latency) = &self.latency {
            latency.validate("expect.latency")?;
        }
        for (field, records) in [("equals", self.equals.as_deref()), ("contains", Some(&*self.contains))] {
            let records = records.unwrap_or_default();
            if records.len() > MAX_LISTED {
                return Err(Error::config(format!("expect.{field}"), format!("more than {MAX_LISTED}; list fewer")));
            }
            for text in records {
                record::normal(kind, text).map_err(|reason| Error::config(format!("expect.{field}"), reason))?;
            }
        }
        let others = self.equals.is_some() || !self.contains.is_empty() || self.matches.is_some();
        if self.none && (others || self.count.is_some() || self.ttl.is_some()) {
            return Err(Error::config(
                "expect.none",
                "where no record may be, none can be expected; leave the rest out",
            ));
        }
        match (self.count, self.ttl) {
            (Some(Count::Within(Bounds { min: None, max: None })), _) => {
                Err(Error::config("expect.count", "says nothing; add min or max"))
            }
            (Some(Count::Within(Bounds { min: Some(min), max: Some(max) })), _) if max < min => {
                Err(Error::config("expect.count.max", format!("{max} is below min, which is {min}")))
            }
            (_, Some(Ttl { min: None, max: None })) => Err(Error::config("expect.ttl", "says nothing; add min or max")),
            (_, Some(Ttl { min: Some(min), max: Some(max) })) if max < min => {
                Err(Error::config("expect.ttl.max", format!("{max} is below min, which is {min}")))
            }
            _ => Ok(()),
        }
    }
}
