//! What a monitor or a channel lets its plug-in do. Pure decisions; the dial policy is asked as well, right before each connection.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use pingmon_core::{
    dial::{Destination, DialPolicy, Rule},
    error::{Error, Result},
};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::bindings::pingmon::check::types::Capability;
use crate::fault::Fault;

/// Most entries of each list.
const MAX_ENTRIES: usize = 64;

/// What is granted; nothing unless it's given.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Grant")]
pub(super) struct GrantConfig {
    /// Origins it may send requests to, redirects included: `["https://api.example.com", "http://*.corp.example:8080"]`, or
    /// `["*"]`. At most 64.
    http: Vec<String>,
    /// What it may connect to, written as in `dial.allow`: `["db.example:5432", "10.0.0.0/8:22"]`. A network stands for
    /// addresses, not for names that lead there. At most 64.
    tcp: Vec<Rule>,
    /// Names it may look up: `["example.com", "*.corp.example"]`, or `["*"]`. At most 64.
    dns: Vec<Rule>,
    /// Secrets it may have, by name: `{ API_KEY = "${API_KEY}" }`. They're taken out of all that it says. At most 64.
    #[schemars(with = "BTreeMap<String, String>")]
    secrets: BTreeMap<String, SecretString>,
}

/// A grant made ready for use.
#[derive(Default)]
pub(super) struct Grant {
    any_origin: bool,
    origins: Vec<(String, Places)>,
    tcp: Option<Places>,
    dns: Option<Places>,
    secrets: BTreeMap<String, SecretString>,
}

/// Hosts and ports.
struct Places(DialPolicy);

impl Places {
    fn new(rules: Vec<Rule>) -> Result<Self> {
        let all: Rule = "*".parse().map_err(|reason: String| Error::config("grant", reason))?;
        Ok(Self(rules.into_iter().fold(DialPolicy::open().deny(all), DialPolicy::allow)))
    }

    fn has(&self, host: &Host<&str>, port: u16) -> bool {
        let to = match host {
            // The address doesn't count: which one it leads to is the dial policy's business.
            Host::Domain(name) => Destination { name: Some(name), address: Ipv4Addr::UNSPECIFIED.into(), port },
            Host::Ipv4(v4) => Destination::address(SocketAddr::new(IpAddr::V4(*v4), port)),
            Host::Ipv6(v6) => Destination::address(SocketAddr::new(IpAddr::V6(*v6), port)),
        };
        self.0.permit(&to).is_ok()
    }
}

impl Grant {
    /// Makes a grant ready.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be read.
    pub(super) fn compile(config: GrantConfig) -> Result<Self> {
        let GrantConfig { http, tcp, dns, secrets } = config;
        let lengths = [("http", http.len()), ("tcp", tcp.len()), ("dns", dns.len()), ("secrets", secrets.len())];
        if let Some((field, count)) = lengths.iter().find(|(_, count)| *count > MAX_ENTRIES) {
            return Err(Error::config(
                format!("grant.{field}"),
                format!("{count} entries are more than {MAX_ENTRIES}"),
            ));
        }
        let mut grant = Self { secrets, ..Self::default() };
        for (index, text) in http.iter().enumerate() {
            match text.as_str() {
                "*" => grant.any_origin = true,
                text => grant.origins.push(origin(&format!("grant.http[{index}]"), text)?),
            }
        }
        let places = |rules: Vec<Rule>| (!rules.is_empty()).then(|| Places::new(rules)).transpose();
        (grant.tcp, grant.dns) = (places(tcp)?, places(dns)?);
        Ok(grant)
    }

    /// Whether anything of a capability is granted.
    pub(super) fn gives(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http => self.any_origin || !self.origins.is_empty(),
            Capability::Tcp => self.tcp.is_some(),
            Capability::Dns => self.dns.is_some(),
            Capability::Secret => !self.secrets.is_empty(),
        }
    }

    /// Refuses a URL that isn't granted.
    pub(super) fn url(&self, url: &Url) -> Result<(), Fault> {
        let granted = self.any_origin
            || url.host().zip(url.port_or_known_default()).is_some_and(|(host, port)| {
                self.origins.iter().any(|(scheme, places)| scheme == url.scheme() && places.has(&host, port))
            });
        let origin = url.origin().ascii_serialization();
        granted.then_some(()).ok_or_else(|| not_granted("requests to", &origin, "http"))
    }

    /// Refuses a connection that isn't granted.
    pub(super) fn connection(&self, host: &Host<&str>, port: u16) -> Result<(), Fault> {
        let granted = self.tcp.as_ref().is_some_and(|places| places.has(host, port));
        granted.then_some(()).ok_or_else(|| not_granted("connections to", &format!("{host}:{port}"), "tcp"))
    }

    /// Refuses a lookup that isn't granted.
    pub(super) fn lookup(&self, name: &str) -> Result<(), Fault> {
        let granted = self.dns.as_ref().is_some_and(|places| places.has(&Host::Domain(name), 0));
        granted.then_some(()).ok_or_else(|| not_granted("lookups of", name, "dns"))
    }

    /// A secret.
    pub(super) fn secret(&self, name: &str) -> Result<&SecretString, Fault> {
        self.secrets.get(name).ok_or_else(|| not_granted("the secret", name, "secrets"))
    }

    /// All that is to be taken out of what the plug-in says.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().map(|secret| secret.expose_secret())
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").finish_non_exhaustive()
    }
}

fn not_granted(what: &str, which: &str, field: &str) -> Fault {
    let which: String = which.chars().take(200).collect();
    Fault::unknown("not_granted", format!("not granted: {what} {which}; add it to grant.{field} if it may"))
}

/// Reads `scheme://host:port`, where the host may begin with `*.`.
fn origin(field: &str, text: &str) -> Result<(String, Places)> {
    let refused = || {
        let form = "write scheme and host, with the port if it isn't the usual one: \"https://api.example.com\"";
        Error::config(field, format!("{:?} is no origin; {form}", text.chars().take(200).collect::<String>()))
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(refused)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(refused());
    }
    let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or_else(refused)?;
    let rule = format!("{host}:{port}").parse().map_err(|_| refused())?;
    Ok((url.scheme().to_owned(), Places::new(vec![rule])?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn grant(config: Value) -> Result<Grant> {
        Grant::compile(pingmon_core::check::parse_config(&config)?)
    }

    #[test]
    fn nothing_is_granted_unless_it_is_given() {
        let nothing = grant(json!({})).unwrap();
        assert!(nothing.url(&Url::parse("http://a.example").unwrap()).is_err());
        assert!(nothing.connection(&Host::Domain("a.example"), 80).is_err());
        assert!(nothing.lookup("a.example").is_err() && nothing.secret("KEY").is_err());
    }

    #[test]
    fn a_request_is_granted_by_scheme_host_and_port() {
        let origins = json!({ "http": ["https://a.example", "http://*.corp.example:8080", "http://127.0.0.1:9", "http://[::1]"] });
        let granted = grant(origins).unwrap();
        for (url, expected) in [
            ("https://a.example/x?y", true),
            ("https://A.example:443/", true),
            ("https://a.example.:443/", true),
            ("http://a.example/", false),
            ("https://a.example:8443/", false),
            ("https://b.a.example/", false),
            ("http://x.corp.example:8080/", true),
            ("http://corp.example:8080/", false),
            ("http://x.corp.example/", false),
            ("http://127.0.0.1:9/", true),
            ("http://2130706433:9/", true),
            ("http://127.0.0.1:10/", false),
            ("http://[::1]/", true),
            ("https://a.example@b.example/", false),
        ] {
            assert_eq!(granted.url(&Url::parse(url).unwrap()).is_ok(), expected, "{url}");
        }
        assert!(grant(json!({ "http": ["*"] })).unwrap().url(&Url::parse("http://z.example").unwrap()).is_ok());
    }

    #[test]
    fn a_network_grants_addresses_and_a_name_grants_names() {
        let granted = grant(json!({ "tcp": ["10.0.0.0/8:22", "db.example:5432"], "dns": ["*.corp.example"] })).unwrap();
        let address = |text: &str| Host::Ipv4(text.parse().unwrap());
        assert!(granted.connection(&address("10.1.2.3"), 22).is_ok());
        assert!(granted.connection(&address("10.1.2.3"), 23).is_err());
        assert!(granted.connection(&Host::Domain("ten.example"), 22).is_err());
        assert!(granted.connection(&Host::Domain("DB.example"), 5432).is_ok());
        assert!(granted.lookup("x.corp.example").is_ok() && granted.lookup("secret.evil.example").is_err());
    }

    #[test]
    fn what_is_no_origin_is_refused_and_named() {
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://a.example/path",
            "https://u@a.example",
            "https://",
            "",
            "https://**",
        ] {
            let error = grant(json!({ "http": ["https://ok.example", bad] })).unwrap_err().to_string();
            assert!(error.contains("grant.http[1]") && error.contains("https://api.example.com"), "{bad}: {error}");
        }
    }
}
