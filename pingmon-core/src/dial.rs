//! The dial policy: which addresses an outgoing connection may go to. A pure decision on the address really connected
//! to, never on the text of a URL; whoever opens a connection (checks, channels, plug-ins) asks it first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is forbidden unless a list says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// Everything but the metadata addresses of cloud providers: for targets that an operator wrote down.
    #[default]
    Open,
    /// Public addresses only: for targets that somebody else may enter.
    Public,
}

/// Which addresses may be dialled. The allow list wins over the deny list, both win over the preset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialPolicy {
    /// What is forbidden unless a list says otherwise.
    pub preset: Preset,
    /// Networks that may be dialled whatever else is said.
    pub allow: Vec<IpNet>,
    /// Networks that may not be dialled.
    pub deny: Vec<IpNet>,
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

    /// Allows a network whatever else is said.
    #[must_use]
    pub fn allow(mut self, network: IpNet) -> Self {
        self.allow.push(network);
        self
    }

    /// Forbids a network.
    #[must_use]
    pub fn deny(mut self, network: IpNet) -> Self {
        self.deny.push(network);
        self
    }

    /// Whether `address` may be dialled. IPv4 addresses in IPv6 clothes (mapped, NAT64, 6to4) count as what they are.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = undressed(address);
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        if within(&self.allow) {
            return true;
        }
        !within(&self.deny)
            && match self.preset {
                Preset::Open => !is_metadata(address),
                Preset::Public => is_public(address),
            }
    }
}

/// The IPv4 address inside an IPv6 one, where there is one: `::ffff:0:0/96`, `64:ff9b::/96` (RFC 6052), `2002::/16`
/// (RFC 3056).
fn undressed(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// The address at which cloud providers hand out credentials.
fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4 == Ipv4Addr::new(169, 254, 169, 254) || v4 == Ipv4Addr::new(100, 100, 100, 200),
        IpAddr::V6(v6) => v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    }
}

/// Whether an address is meant for the public internet (IANA special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(a == 0
                || a >= 240
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation()
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || is_metadata(address))
        }
        // 2000::/3 is all that is handed out; of it, documentation, benchmarking, Teredo and ORCHID are not public.
        IpAddr::V6(v6) => {
            let s = v6.segments();
            s[0] & 0xe000 == 0x2000
                && !(s[0] == 0x2001 && (s[1] == 0xdb8 || s[1] < 0x200))
                && !(s[0] == 0x3fff && s[1] < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_open_preset_forbids_metadata_addresses_in_any_clothes() {
        let policy = DialPolicy::open();
        for bad in
            ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "2002:a9fe:a9fe::1"]
        {
            assert!(!policy.permits(ip(bad)), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.1", "::1", "93.184.216.34"] {
            assert!(policy.permits(ip(good)), "{good}");
        }
    }

    #[test]
    fn the_public_preset_forbids_every_address_that_is_not_public() {
        let policy = DialPolicy::public();
        for bad in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!policy.permits(ip(bad)), "{bad}");
        }
        for good in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"] {
            assert!(policy.permits(ip(good)), "{good}");
        }
    }

    #[test]
    fn lists_win_over_the_preset_and_allow_wins_over_deny() {
        let policy = DialPolicy::public().allow("10.1.0.0/16".parse().unwrap()).deny("1.1.1.0/24".parse().unwrap());
        assert!(policy.permits(ip("10.1.2.3")) && policy.permits(ip("::ffff:10.1.2.3")));
        assert!(!policy.permits(ip("10.2.0.1")) && !policy.permits(ip("1.1.1.1")));
    }
}
