//! One line of an allow or deny list: a network, an address, a name or all of them, and perhaps ports.

use std::{borrow::Cow, fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Destination, address};

const FORMS: &str = "write a network (\"10.0.0.0/8\", \"fd00::/8\"), an address, a name (\"db.corp.example\", \
                     \"*.corp.example\") or \"*\", with ports if only those are meant (\"10.0.0.0/8:443\", \
                     \"[fd00::/8]:443\", \"*:8000-8999\")";

/// What an allow or deny list names: `10.0.0.0/8`, `fd00::/8`, `192.0.2.1`, `db.corp.example`, `*.corp.example` (all names
/// below it, not itself) or `*`, each with a port or a range of ports after a colon where only those are meant; IPv6 then
/// stands in brackets.
///
/// A name stands for whatever addresses it leads to. A rule without a network never stands for a metadata address.
///
/// ```
/// use pingmon_core::dial::Rule;
///
/// let rule: Rule = "*.corp.example:443".parse()?;
/// assert_eq!(rule.to_string(), "*.corp.example:443");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    host: Host,
    ports: Option<RangeInclusive<u16>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Network(IpNet),
    /// In lower case, without a final dot.
    Name(Box<str>),
    /// The same, with a dot in front.
    Suffix(Box<str>),
}

impl Rule {
    /// Whether the rule speaks of a destination.
    pub(super) fn covers(&self, to: &Destination<'_>) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(&to.port)) && self.host.covers(to)
    }

    /// Whether the rule may open what is otherwise forbidden. To open a metadata address takes a network.
    pub(super) fn opens(&self, to: &Destination<'_>) -> bool {
        self.covers(to) && (matches!(self.host, Host::Network(_)) || !address::is_metadata(to.address))
    }
}

impl Host {
    fn covers(&self, to: &Destination<'_>) -> bool {
        let name = || to.name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        match self {
            Self::Any => true,
            Self::Network(network) => {
                network.contains(&to.address) || network.contains(&address::undressed(to.address))
            }
            Self::Name(wanted) => name().is_some_and(|name| *name == **wanted),
            Self::Suffix(wanted) => name().is_some_and(|name| name.ends_with(&**wanted)),
        }
    }
}

impl From<IpNet> for Rule {
    fn from(network: IpNet) -> Self {
        Self { host: Host::Network(network), ports: None }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, ports) = split(text).ok_or_else(|| format!("isn't complete; {FORMS}"))?;
        let ports = ports.map(|ports| read_ports(ports).ok_or_else(|| format!("names no ports in {ports:?}; {FORMS}")));
        let host =
            read_host(host).ok_or_else(|| format!("is not a network such as \"10.0.0.0/8\", nor a name; {FORMS}"));
        Ok(Self { host: host?, ports: ports.transpose()? })
    }
}

/// The part that names a host, and the part after its colon.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(ports) => Some((host, Some(ports))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, ports)) => Some((host, Some(ports))),
        None => Some((text, None)),
    }
}

fn read_host(text: &str) -> Option<Host> {
    if let Some(network) = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
        return Some(Host::Network(network));
    }
    let lower = text.trim_end_matches('.').to_ascii_lowercase();
    match lower.strip_prefix('*') {
        Some("") => (text == "*").then_some(Host::Any),
        Some(suffix) => suffix.strip_prefix('.').is_some_and(is_name).then(|| Host::Suffix(suffix.into())),
        None => is_name(&lower).then(|| Host::Name(lower.into())),
    }
}

/// Whether a text may be a host's name in the form in which names are looked up: of ASCII, the last part not a number.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.split('.').all(|label| (1..=63).contains(&label.len()) && label.chars().all(plain))
        && !last.chars().all(|c| c.is_ascii_digit())
}

fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let ports = port(from)?..=port(to)?;
    (!ports.is_empty()).then_some(ports)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.ports) {
            (Host::Any, _) => f.write_str("*"),
            (Host::Network(IpNet::V6(network)), Some(_)) => write!(f, "[{network}]"),
            (Host::Network(network), _) => write!(f, "{network}"),
            (Host::Name(name), _) => f.write_str(name),
            (Host::Suffix(suffix), _) => write!(f, "*{suffix}"),
        }?;
        match &self.ports {
            None => Ok(()),
            Some(ports) if ports.start() == ports.end() => write!(f, ":{}", ports.start()),
            Some(ports) => write!(f, ":{}-{}", ports.start(), ports.end()),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> Cow<'static, str> {
        "DialRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a network, an address, a name, `*.` and a name, or `*`; with `:` and a port or a range of ports where only those are meant",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(rule: &str, name: Option<&str>, address: &str, port: u16) -> bool {
        let address = address.parse().unwrap();
        rule.parse::<Rule>().unwrap().covers(&Destination { name, address, port })
    }

    #[test]
    fn a_rule_covers_what_it_names_and_nothing_else() {
        let name = Some("Db.Corp.Example.");
        for (rule, yes, no) in [
            ("10.0.0.0/8", (None, "10.1.2.3", 80), (None, "11.1.2.3", 80)),
            ("10.0.0.0/8", (None, "::ffff:10.1.2.3", 80), (None, "::ffff:11.1.2.3", 80)),
            ("64:ff9b::/96", (None, "64:ff9b::a00:1", 80), (None, "10.0.0.1", 80)),
            ("192.0.2.1:22", (None, "192.0.2.1", 22), (None, "192.0.2.1", 23)),
            ("::1", (None, "::1", 80), (None, "::2", 80)),
            ("[fd00::/8]:80-90", (None, "fd00::1", 90), (None, "fd00::1", 91)),
            ("DB.corp.example", (name, "192.0.2.1", 80), (Some("corp.example"), "192.0.2.1", 80)),
            ("*.corp.example.", (name, "192.0.2.1", 80), (Some("corp.example"), "192.0.2.1", 80)),
            ("*.corp.example", (Some("a.b.corp.example"), "192.0.2.1", 80), (Some("xcorp.example"), "192.0.2.1", 80)),
            ("db.corp.example:5432", (name, "192.0.2.1", 5432), (None, "192.0.2.1", 5432)),
            ("*:25", (None, "192.0.2.1", 25), (name, "192.0.2.1", 26)),
        ] {
            assert!(covers(rule, yes.0, yes.1, yes.2), "{rule} covers {yes:?}");
            assert!(!covers(rule, no.0, no.1, no.2), "{rule} doesn't cover {no:?}");
        }
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in
            ["10.0.0.0/8", "fd00::/8", "[fd00::/8]:443", "10.0.0.0/8:1-1023", "a.example", "*.example:80", "*", "*:25"]
        {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_forms_that_would_be_right() {
        for bad in [
            "",
            " ",
            "10.0.0.0/40",
            "10.0.0",
            "1.2.3.4.5",
            "a..b",
            "a b",
            "münchen.example",
            "*corp",
            "*.",
            "*.*.example",
            "a.*.example",
            "[::1",
            "[::1]x",
            "a.example:0",
            "a.example:70000",
            "a.example:",
            "*:9-8",
            ":25",
            "http://a/",
        ] {
            let error = bad.parse::<Rule>().unwrap_err();
            assert!(error.contains("\"10.0.0.0/8\""), "{bad}: {error}");
        }
    }
}
