//! Which destinations an outgoing connection may go to. A pure decision on the address really connected to, never on
//! the text of a URL; whoever opens a connection (checks, channels, plug-ins) asks it first.

mod address;
mod rule;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::rule::Rule;

/// What is forbidden unless a list says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// Everything but the metadata addresses of cloud providers: for targets that an operator wrote down.
    #[default]
    Open,
    /// Public addresses only: for targets that somebody else may enter. Private, loopback, link-local, shared (CGNAT),
    /// multicast, mapped, translated and reserved addresses are forbidden.
    Public,
}

/// Where a connection is about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The name that led to the address, if a name did.
    pub name: Option<&'a str>,
    /// The address that is going to be dialled.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl<'a> Destination<'a> {
    /// An address that was given as such.
    pub const fn address(address: std::net::SocketAddr) -> Self {
        Self { name: None, address: address.ip(), port: address.port() }
    }

    /// An address that a name led to.
    pub const fn named(name: &'a str, address: std::net::SocketAddr) -> Self {
        Self { name: Some(name), address: address.ip(), port: address.port() }
    }
}

/// Which destinations may be dialled. What is protected never is; of the rest the allow list wins over the deny list, and
/// both win over the preset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialPolicy {
    /// What is forbidden unless a list says otherwise.
    pub preset: Preset,
    /// What may be dialled whatever the deny list and the preset say.
    pub allow: Vec<Rule>,
    /// What may not be dialled.
    pub deny: Vec<Rule>,
    /// What may not be dialled whatever else is said: the service's own store and API.
    pub protect: Vec<Rule>,
}

impl DialPolicy {
    /// Everything but metadata addresses.
    pub fn open() -> Self {
        Self::default()
    }

    /// Public addresses only.
    pub fn public() -> Self {
        Self { preset: Preset::Public, ..Self::default() }
    }

    /// Allows what a rule names, whatever the deny list and the preset say.
    #[must_use]
    pub fn allow(mut self, rule: Rule) -> Self {
        self.allow.push(rule);
        self
    }

    /// Forbids what a rule names.
    #[must_use]
    pub fn deny(mut self, rule: Rule) -> Self {
        self.deny.push(rule);
        self
    }

    /// Forbids what a rule names, whatever else is said.
    #[must_use]
    pub fn protect(mut self, rule: Rule) -> Self {
        self.protect.push(rule);
        self
    }

    /// Whether a destination may be dialled. IPv4 addresses in IPv6 clothes (mapped, translated, tunnelled) count as what
    /// they are.
    ///
    /// # Errors
    /// Why not, and what would allow it.
    pub fn permit(&self, to: &Destination<'_>) -> Result<(), Forbidden> {
        let forbidden = |reason| Err(Forbidden { address: to.address, reason });
        if self.protect.iter().any(|rule| rule.covers(to)) {
            return forbidden(Reason::Protected);
        }
        if self.allow.iter().any(|rule| rule.opens(to)) {
            return Ok(());
        }
        if let Some(rule) = self.deny.iter().find(|rule| rule.covers(to)) {
            return forbidden(Reason::Denied(rule.to_string()));
        }
        match (self.preset, address::not_public(to.address)) {
            (Preset::Public, Some(kind)) => forbidden(Reason::Preset(self.preset, kind)),
            (Preset::Open, Some(kind)) if address::is_metadata(to.address) => {
                forbidden(Reason::Preset(self.preset, kind))
            }
            _ => Ok(()),
        }
    }

    /// Of the addresses that one answer gives for the name `host`, those that may be dialled.
    ///
    /// # Errors
    /// Why the first may not be dialled, when none may.
    pub fn permitted(&self, host: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let mut refusal = None;
        found.retain(|address| match self.permit(&Destination::named(host, *address)) {
            Ok(()) => true,
            Err(forbidden) => {
                refusal.get_or_insert(forbidden);
                false
            }
        });
        match refusal {
            Some(forbidden) if found.is_empty() => Err(forbidden),
            _ => Ok(found),
        }
    }
}

/// Why a destination may not be dialled, as one line for whoever may change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    address: IpAddr,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Protected,
    Denied(String),
    Preset(Preset, &'static str),
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        write!(f, "the dial policy forbids {address}: ")?;
        match &self.reason {
            Reason::Protected => f.write_str("it belongs to this service itself"),
            Reason::Denied(rule) => {
                write!(f, "dial.deny has {rule:?}; take it out, or add \"{address}\" to dial.allow")
            }
            Reason::Preset(preset, kind) => {
                let preset = match preset {
                    Preset::Open => "open",
                    Preset::Public => "public",
                };
                write!(
                    f,
                    "it is {kind}, which the preset {preset:?} excludes; to allow it, add \"{address}\" to dial.allow"
                )
            }
        }
    }
}

impl std::error::Error for Forbidden {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    fn permits(policy: &DialPolicy, address: &str) -> bool {
        policy.permit(&Destination { name: None, address: address.parse().unwrap(), port: 80 }).is_ok()
    }

    #[test]
    fn the_open_preset_forbids_metadata_addresses_only() {
        let policy = DialPolicy::open();
        for bad in ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"] {
            assert!(!permits(&policy, bad), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.1", "::1", "93.184.216.34", "::ffff:10.0.0.1"] {
            assert!(permits(&policy, good), "{good}");
        }
    }

    #[test]
    fn the_public_preset_forbids_every_address_that_is_not_public() {
        let policy = DialPolicy::public();
        for bad in ["10.1.2.3", "127.0.0.1", "169.254.169.254", "::1", "::ffff:1.1.1.1", "2002:a00:1::"] {
            assert!(!permits(&policy, bad), "{bad}");
        }
        for good in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"] {
            assert!(permits(&policy, good), "{good}");
        }
    }

    #[test]
    fn lists_win_over_the_preset_allow_wins_over_deny_and_nothing_over_protection() {
        let policy = DialPolicy::public().allow(rule("10.1.0.0/16")).deny(rule("1.1.1.0/24")).deny(rule("10.1.0.0/24"));
        assert!(permits(&policy, "10.1.2.3") && permits(&policy, "::ffff:10.1.2.3") && permits(&policy, "10.1.0.1"));
        assert!(!permits(&policy, "10.2.0.1") && !permits(&policy, "1.1.1.1"));
        let policy = policy.protect(rule("10.1.2.3:80"));
        assert!(!permits(&policy, "10.1.2.3") && permits(&policy, "10.1.2.4"));
    }

    #[test]
    fn a_name_opens_what_it_leads_to_but_never_a_metadata_address() {
        let policy = DialPolicy::public().allow(rule("*.corp.example")).allow(rule("*:443"));
        let permits = |name, address: &str, port| {
            policy.permit(&Destination { name, address: address.parse().unwrap(), port }).is_ok()
        };
        assert!(permits(Some("db.corp.example"), "10.0.0.1", 80) && !permits(Some("db.example"), "10.0.0.1", 80));
        assert!(permits(None, "10.0.0.1", 443));
        assert!(!permits(Some("db.corp.example"), "169.254.169.254", 443));
        assert!(self::permits(&DialPolicy::public().allow(rule("169.254.169.254")), "169.254.169.254"));
    }

    #[test]
    fn a_refusal_says_what_is_forbidden_and_what_would_allow_it() {
        let said = |policy: DialPolicy| {
            let to = Destination::address("10.0.0.1:5432".parse().unwrap());
            policy.permit(&to).unwrap_err().to_string()
        };
        assert_eq!(
            said(DialPolicy::public()),
            "the dial policy forbids 10.0.0.1: it is a private address, which the preset \"public\" excludes; to allow it, \
             add \"10.0.0.1\" to dial.allow"
        );
        assert_eq!(
            said(DialPolicy::open().deny(rule("*:5432"))),
            "the dial policy forbids 10.0.0.1: dial.deny has \"*:5432\"; take it out, or add \"10.0.0.1\" to dial.allow"
        );
        assert_eq!(
            said(DialPolicy::open().protect(rule("10.0.0.0/8"))),
            "the dial policy forbids 10.0.0.1: it belongs to this service itself"
        );
    }
}
