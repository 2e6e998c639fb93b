//! What kind of address an address is: who it is meant for, and whose credentials it hands out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where cloud providers hand out credentials, in IPv4: AWS, Azure, Google, Oracle, OpenStack and most others; ECS and EKS;
/// Scaleway; Tencent; Alibaba; Oracle Classic; the host of an Azure machine.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The same in IPv6: AWS and EKS, Google, Scaleway, Oracle, OpenStack.
const METADATA_V6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// Whether cloud providers hand out credentials at an address, in whatever clothes.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match undressed(address) {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => METADATA_V6.contains(&v6),
    }
}

/// The IPv4 address that packets to an IPv6 one are meant for: mapped (RFC 4291), compatible, translated (RFC 2765, RFC
/// 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214).
pub(super) fn undressed(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, .., high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, .., high, low] => v4(!high, !low),
        [.., 0 | 0x200, 0x5efe, high, low] => v4(high, low),
        _ => address,
    }
}

/// Why an address isn't one of the public internet (IANA special-purpose registries, RFC 6890), in a word or two. None
/// for one that is. IPv4 in IPv6 clothes isn't, but for what a network's own NAT64 makes of a public address.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if is_metadata(address) => Some("a metadata address"),
        IpAddr::V4(v4) => v4_not_public(v4),
        IpAddr::V6(v6) => v6_not_public(v6),
    }
}

fn v4_not_public(v4: Ipv4Addr) -> Option<&'static str> {
    match v4.octets() {
        [0, ..] => Some("an address of this network"),
        [127, ..] => Some("a loopback address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("a shared address (CGNAT)"),
        [224..=239, ..] => Some("a multicast address"),
        [240..=255, ..] | [198, 18 | 19, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Some("a reserved address"),
        _ if v4.is_private() => Some("a private address"),
        _ if v4.is_documentation() => Some("an address for documentation"),
        _ => None,
    }
}

fn v6_not_public(v6: Ipv6Addr) -> Option<&'static str> {
    let undressed = undressed(v6.into());
    match (v6.segments(), undressed) {
        ([0x64, 0xff9b, 0, 0, 0, 0, ..], IpAddr::V4(v4)) => v4_not_public(v4),
        (_, IpAddr::V4(_)) => Some("an IPv4 address in IPv6 clothes"),
        ([0, 0, 0, 0, 0, 0, 0, 0], _) => Some("the unspecified address"),
        ([0, 0, 0, 0, 0, 0, 0, 1], _) => Some("a loopback address"),
        ([0xfe80..=0xfebf, ..], _) => Some("a link-local address"),
        ([0xfc00..=0xfdff | 0xfec0..=0xfeff, ..], _) => Some("a private address"),
        ([0xff00..=0xffff, ..], _) => Some("a multicast address"),
        ([0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..], _) => Some("an address for documentation"),
        // 2000::/3 is all that is handed out; of it, 2001::/23 is for protocols such as ORCHID and benchmarks.
        ([0x2001, 0..=0x1ff, ..] | [0..=0x1fff | 0x4000.., ..], _) => Some("a reserved address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn metadata_addresses_are_known_in_any_clothes() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2606:4700::5efe:169.254.169.254",
            "2606:4700::200:5efe:169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
        ] {
            assert!(is_metadata(ip(address)) && not_public(ip(address)) == Some("a metadata address"), "{address}");
        }
        for address in ["169.254.169.253", "::1", "::", "100.100.100.201", "93.184.216.34"] {
            assert!(!is_metadata(ip(address)), "{address}");
        }
    }

    #[test]
    fn an_address_that_is_not_public_says_what_it_is() {
        for (address, kind) in [
            ("0.0.0.0", "this network"),
            ("10.1.2.3", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "CGNAT"),
            ("127.0.0.1", "loopback"),
            ("169.254.1.1", "link-local"),
            ("192.0.0.1", "reserved"),
            ("192.88.99.1", "reserved"),
            ("192.0.2.1", "documentation"),
            ("198.18.0.1", "reserved"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "clothes"),
            ("::ffff:1.1.1.1", "clothes"),
            ("::ffff:0:1.1.1.1", "clothes"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b:1::1.1.1.1", "clothes"),
            ("2002:101:101::", "clothes"),
            ("2001::1", "clothes"),
            ("2606:4700::5efe:1.1.1.1", "clothes"),
            ("fe80::1", "link-local"),
            ("fc00::1", "private"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
            ("2001:db8::1", "documentation"),
            ("3fff::1", "documentation"),
            ("2001:10::1", "reserved"),
            ("100::1", "reserved"),
            ("4000::1", "reserved"),
        ] {
            let found = not_public(ip(address)).unwrap_or("public");
            assert!(found.contains(kind), "{address} is {found}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2001:200::1", "64:ff9b::1.1.1.1"] {
            assert_eq!(not_public(ip(address)), None, "{address}");
        }
    }
}
