//! What a `tcp` monitor may say. Reading and refusing only.

use pingmon_core::error::{Error, Result};
use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::octets::Octets;
use crate::{handshake::TlsSettings, latency::Latency, levels::Level, pattern};

/// Most of a reply that may be asked for, in bytes.
const MAX_REPLY: usize = 64 * 1024;

/// A TCP connection that is opened and closed again; something may be sent and a reply expected.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tcp")]
pub(super) struct Config {
    /// Where to connect to: `"db.example:5432"`, `"192.0.2.1:22"`, `"[2001:db8::1]:443"`.
    pub(super) address: String,
    /// Speaks TLS from the start, `{}` is enough. The certificate has to be trusted, before anything is sent.
    pub(super) tls: Option<TlsSettings>,
    /// What to send once connected: a text, `{ hex = "0d0a" }` or `{ base64 = "DQo=" }`.
    pub(super) send: Option<Octets>,
    /// Most of the reply to read, in bytes, at most 65,536; what comes after isn't looked at.
    #[serde(default = "max_reply")]
    #[schemars(range(min = 1, max = 65_536))]
    pub(super) max_reply: usize,
    /// What must hold besides that the connection is accepted.
    #[serde(default)]
    pub(super) expect: Expect,
}

const fn max_reply() -> usize {
    4 * 1024
}

/// What must hold besides that the connection is accepted.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// What the target has to say; it is read until all of it holds.
    pub(super) reply: Option<Reply>,
    /// How slow is too slow, from resolving the name to the expected reply: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
    /// Turns the check around: nothing may listen there. A connection that is accepted is down; one that is refused,
    /// or that nobody answers, is up.
    #[serde(default)]
    pub(super) invert: bool,
}

/// What the target has to say; all that is given must hold together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    /// What the reply has to begin with: a text, `{ hex = "…" }` or `{ base64 = "…" }`.
    pub(super) starts: Option<Octets>,
    /// What has to be found in the reply.
    pub(super) contains: Option<Octets>,
    /// A regular expression that has to be found in the reply: `"^220 .*ESMTP"`. Of bytes that aren't text,
    /// `(?-u:\xff)` is the byte 255.
    pub(super) matches: Option<String>,
    /// How bad another reply, or none, is: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

impl Config {
    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        if !(1..=MAX_REPLY).contains(&self.max_reply) {
            return Err(Error::config("max_reply", format!("{} isn't between 1 and {MAX_REPLY}", self.max_reply)));
        }
        if let Some(latency) = &self.expect.latency {
            latency.validate("expect.latency")?;
        }
        let more = self.tls.is_some() || self.send.is_some();
        let more = more || self.expect.reply.is_some() || self.expect.latency.is_some();
        if self.expect.invert && more {
            let reason = "where nothing may listen, nothing can be said; leave tls, send, reply and latency out";
            return Err(Error::config("expect.invert", reason));
        }
        Ok(())
    }
}

impl Reply {
    /// Compiles the regular expression.
    ///
    /// # Errors
    /// [`Error::Config`] when it is none, or when nothing is expected.
    pub(super) fn pattern(&self) -> Result<Option<Regex>> {
        if self.starts.is_none() && self.contains.is_none() && self.matches.is_none() {
            return Err(Error::config("expect.reply", "says nothing; add starts, contains or matches"));
        }
        let compile = |pattern: &String| {
            pattern::parse_bytes(pattern).map_err(|reason| Error::config("expect.reply.matches", reason))
        };
        self.matches.as_ref().map(compile).transpose()
    }
}
