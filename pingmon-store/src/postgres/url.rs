//! From a URL to the servers it names, as libpq has them: `postgres://user:password@a:5432,b:5432/database`. Strict: what
//! would be passed over is refused. Never repeats what it was given, which holds a password.

use std::str::FromStr as _;

use pingmon_core::error::{Error, Result};
use sqlx::postgres::PgConnectOptions;

const FORM: &str = "write it as \"postgres://user:password@host:5432/database\"";
/// Most hosts in one URL: a primary and its standbys, not a fleet.
const MAX_HOSTS: usize = 8;
/// What a URL may ask of the driver, beside `options[…]`: libpq's words and their other spellings.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];
/// Those that name a server.
const SERVER: [&str; 3] = ["host", "hostaddr", "port"];

/// What a URL says.
pub(super) struct Url {
    /// The servers, in their order; at least one.
    pub(super) hosts: Vec<PgConnectOptions>,
    /// Whether it says that a pooler hands each transaction to whatever server connection is free.
    pub(super) pooled: bool,
}

/// Reads a URL. What it leaves out is taken from libpq's environment variables and `.pgpass`, as every PostgreSQL
/// program does.
///
/// # Errors
/// [`Error::Config`] naming `store.url`.
pub(super) fn parse(url: &str) -> Result<Url> {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return Err(refused(format!("is to begin with \"postgres://\": {FORM}")));
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    let hosts: Vec<_> = hosts.split(',').collect();
    let (parameters, pooled) = parameters(query, hosts.len())?;
    if hosts.len() > MAX_HOSTS {
        return Err(refused(format!("names {} hosts: name {MAX_HOSTS} at most", hosts.len())));
    }
    let options = |host: &&str| {
        let at = if login.is_empty() { "" } else { "@" };
        options(&format!("postgres://{login}{at}{host}/{database}?{}", parameters.join("&")))
    };
    match hosts.as_slice() {
        [_] => Ok(Url { hosts: hosts.iter().map(options).collect::<Result<_>>()?, pooled }),
        several if several.contains(&"") => Err(refused("has an empty host between two commas: leave it out")),
        several => Ok(Url { hosts: several.iter().map(options).collect::<Result<_>>()?, pooled }),
    }
}

/// The parameters that are the driver's, and whether a pooler stands between.
fn parameters(query: &str, hosts: usize) -> Result<(Vec<&str>, bool)> {
    let mut others = Vec::new();
    let mut pooled = false;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name, value) {
            ("pooler", "transaction") => pooled = true,
            ("pooler", _) => return Err(refused("has a pooler that isn't known: write \"pooler=transaction\"")),
            // Nothing else would do for a store, so nothing else is looked for.
            ("target_session_attrs", "read-write" | "primary") => {}
            ("target_session_attrs", _) => {
                return Err(refused(
                    "asks for a server that a store can't use: write \"target_session_attrs=read-write\"",
                ));
            }
            (name, value) if SERVER.contains(&name) && (hosts > 1 || value.contains(',')) => {
                return Err(refused("names several hosts and a parameter about one: write them as \"a:5432,b:5432\""));
            }
            (name, _) if PARAMETERS.contains(&name) || name.starts_with("options[") => others.push(parameter),
            (name, _) => return Err(refused(format!("has the parameter {name:?}, which isn't known: leave it out"))),
        }
    }
    Ok((others, pooled))
}

/// The driver's own reading of a URL with one host.
fn options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|_| refused(format!("can't be read: {FORM}")))?;
    // The brackets of an IPv6 address belong to the URL and not to the address.
    match options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned) {
        Some(host) => Ok(options.host(&host)),
        None => Ok(options),
    }
}

pub(super) fn refused(reason: impl Into<String>) -> Error {
    Error::config("store.url", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        for (url, reason) in [
            ("sqlite:pingmon.db", "is to begin with \"postgres://\""),
            ("postgres://me:secret@host:port/x", "can't be read"),
            ("postgres://me:secret@a:5432,b:port/x", "can't be read"),
            ("postgres://me:secret@a,,b/x", "an empty host"),
            ("postgres://me:secret@a,/x", "an empty host"),
            ("postgres://me:secret@a,b,c,d,e,f,g,h,i/x", "names 9 hosts: name 8 at most"),
            ("postgres://me:secret@a,b/x?port=5433", "a parameter about one"),
            ("postgres://me:secret@/x?host=a,b", "write them as \"a:5432,b:5432\""),
            ("postgres://me:secret@host/x?pooler=session", "write \"pooler=transaction\""),
            ("postgres://me:secret@host/x?target_session_attrs=any", "write \"target_session_attrs=read-write\""),
            ("postgres://me:secret@host/x?keepalives=1", "the parameter \"keepalives\""),
            ("postgres://me:secret@host/x?sslmode=sometimes", "can't be read"),
        ] {
            let error = parse(url).err().unwrap().to_string();
            assert!(error.starts_with("invalid store.url: ") && error.contains(reason), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn every_host_gets_the_login_the_database_and_the_parameters() {
        let url =
            parse("postgresql://me:s%40cret@a:5433,[::1],c:5434/watch?application_name=x&target_session_attrs=primary");
        let url = url.unwrap();
        let places: Vec<_> = url.hosts.iter().map(|host| (host.get_host(), host.get_port())).collect();
        assert_eq!(places, [("a", 5433), ("::1", 5432), ("c", 5434)]);
        for host in &url.hosts {
            assert_eq!((host.get_username(), host.get_database()), ("me", Some("watch")));
            assert_eq!(host.get_application_name(), Some("x"));
        }
        assert!(!url.pooled);
    }

    #[test]
    fn the_pooler_is_ours_and_the_other_parameters_are_the_driver_s() {
        for (url, pooled) in [
            ("postgres://me@host/x", false),
            ("postgres://me@host/x?sslmode=disable", false),
            ("postgres://me@host/x?pooler=transaction", true),
            ("postgres:///x?host=/run/postgresql&pooler=transaction&user=me", true),
        ] {
            assert_eq!(parse(url).unwrap().pooled, pooled, "{url}");
        }
        let socket = parse("postgres:///x?host=/run/postgresql&user=me").unwrap();
        assert_eq!(socket.hosts[0].get_socket().unwrap().to_str(), Some("/run/postgresql"));
    }
}
