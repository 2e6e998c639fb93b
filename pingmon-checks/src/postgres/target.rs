//! Where a `postgres` check connects to: its URL, read once. Opens nothing.
//!
//! The URL is read here and not by sqlx, whose reader also takes the process's environment (`PGPASSWORD`, `PGHOST` …)
//! and `~/.pgpass`: a target that somebody entered must never be sent the operator's password. Of the environment,
//! sqlx still heeds `PGOPTIONS`, `PGSSLROOTCERT`, `PGSSLCERT` and `PGSSLKEY`, which its interface can't undo.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use percent_encoding::percent_decode_str;
use pingmon_core::error::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

const FORM: &str = "write it as postgres://user:password@host:5432/database";
const DEFAULT_PORT: u16 = 5432;

/// A server and how to log in. Holds the password: no `Debug`.
pub(super) struct Target {
    pub(super) address: Address,
    options: PgConnectOptions,
    sslmode: PgSslMode,
    /// Whether logging in reads files of this machine.
    pub(super) reads_files: bool,
}

/// Where a server listens.
pub(super) enum Address {
    /// At this address and port.
    Ip(SocketAddr),
    /// At whatever addresses the name has, and the port.
    Name(String, u16),
    /// On the Unix socket of this port in this directory.
    Socket(PathBuf, u16),
}

impl Target {
    /// Reads a URL. What is refused is described without repeating it, since it holds a password.
    ///
    /// # Errors
    /// [`Error::Config`] naming `url`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|reason| Error::config("url", reason))
    }

    fn read(text: &str) -> Result<Self, Cow<'static, str>> {
        let url = Url::parse(text).map_err(|e| format!("isn't a URL ({e}); {FORM}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(format!("must begin with postgres://; {FORM}").into());
        }
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(format!("names no user; {FORM}").into());
        }
        let path = decoded(url.path().trim_start_matches('/'))?;
        let database = if path.is_empty() { &user } else { &path };
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let parameters = Parameters::read(&url)?;
        let address = Address::read(&url, port)?;
        let sslmode = parameters.sslmode;
        let mut options = PgConnectOptions::new_without_pgpass()
            .username(&user)
            .password(&decoded(url.password().unwrap_or_default())?)
            .database(database)
            .port(port)
            .ssl_mode(sslmode)
            .application_name("pingmon")
            .statement_cache_capacity(0)
            // A pooler refuses startup parameters that it doesn't know.
            .extra_float_digits(None);
        if let Address::Socket(directory, _) = &address {
            options = options.socket(directory);
        }
        let reads_files = !parameters.files.is_empty();
        for (file, set) in parameters.files {
            options = set(options, file);
        }
        Ok(Self { address, options, sslmode, reads_files })
    }

    /// How to connect to an address of the target, or without one to its socket.
    ///
    /// To be sure of what is dialled, sqlx is given the address and no name, which leaves it nothing to resolve. With
    /// `verify-full` it needs the name and resolves it once more, which is why only a policy that is open has that;
    /// whatever is found then learns no more than that somebody wants TLS, unless its certificate proves it the server.
    pub(super) fn options(&self, address: Option<SocketAddr>) -> PgConnectOptions {
        let options = self.options.clone();
        match (&self.address, address) {
            (Address::Name(name, _), _) if self.verifies_name() => options.host(name),
            (_, Some(address)) => options.host(&address.ip().to_string()),
            (_, None) => options,
        }
    }

    /// Whether sqlx resolves the name in the URL by itself, since the server must prove that it has it.
    pub(super) fn is_resolved_again(&self) -> bool {
        matches!(self.address, Address::Name(..)) && self.verifies_name()
    }

    fn verifies_name(&self) -> bool {
        matches!(self.sslmode, PgSslMode::VerifyFull)
    }
}

impl Address {
    fn read(url: &Url, port: u16) -> Result<Self, Cow<'static, str>> {
        let host = decoded(url.host_str().unwrap_or_default())?;
        if host.is_empty() {
            return Err(format!("names no host; {FORM}").into());
        }
        if port == 0 {
            return Err("port 0 can't be dialled; write one between 1 and 65535".into());
        }
        if host.starts_with('/') {
            return Ok(Self::Socket(host.into(), port));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => Ok(Self::Ip((ip, port).into())),
            Err(_) => Ok(Self::Name(host, port)),
        }
    }
}

type SetFile = fn(PgConnectOptions, String) -> PgConnectOptions;

/// What a URL says after its `?`.
struct Parameters {
    sslmode: PgSslMode,
    files: Vec<(String, SetFile)>,
}

impl Parameters {
    fn read(url: &Url) -> Result<Self, Cow<'static, str>> {
        let mut found = Self { sslmode: PgSslMode::Prefer, files: Vec::new() };
        for (key, value) in url.query_pairs() {
            let value = value.into_owned();
            match &*key {
                "sslmode" => {
                    found.sslmode = value
                        .parse()
                        .map_err(|_| "sslmode is disable, allow, prefer, require, verify-ca or verify-full")?
                }
                "sslrootcert" => found.files.push((value, |options, file| options.ssl_root_cert(file))),
                "sslcert" => found.files.push((value, |options, file| options.ssl_client_cert(file))),
                "sslkey" => found.files.push((value, |options, file| options.ssl_client_key(file))),
                other => {
                    let known = "sslmode, sslrootcert, sslcert and sslkey";
                    return Err(
                        format!("has the parameter {other:?}, which isn't supported; these are: {known}").into()
                    );
                }
            }
        }
        Ok(found)
    }
}

fn decoded(text: &str) -> Result<String, Cow<'static, str>> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "has percent-encoded bytes that aren't UTF-8")?;
    if text.contains('\0') { Err("has a NUL character".into()) } else { Ok(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Target::parse(url).err().expect("the URL is refused").to_string()
    }

    #[test]
    fn a_url_says_where_and_as_whom() {
        let target = Target::parse("postgresql://us%40er:p%3Aw@db.example:6432/shop?sslmode=require").unwrap();
        assert!(matches!(&target.address, Address::Name(name, 6432) if name == "db.example"));
        let options = target.options(Some("192.0.2.1:6432".parse().unwrap()));
        assert_eq!((options.get_host(), options.get_port()), ("192.0.2.1", 6432));
        assert_eq!((options.get_username(), options.get_database()), ("us@er", Some("shop")));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Require));
    }

    #[test]
    fn what_is_left_out_gets_the_usual_defaults() {
        let target = Target::parse("postgres://shop@[::1]").unwrap();
        assert!(matches!(target.address, Address::Ip(address) if address == "[::1]:5432".parse().unwrap()));
        let options = target.options(None);
        assert_eq!(options.get_database(), Some("shop"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Prefer));
    }

    #[test]
    fn only_a_verified_name_is_left_to_the_driver_to_resolve() {
        let vetted = Some("192.0.2.1:5432".parse().unwrap());
        for (sslmode, host) in [("prefer", "192.0.2.1"), ("verify-ca", "192.0.2.1"), ("verify-full", "db.example")] {
            let target = Target::parse(&format!("postgres://shop@db.example/shop?sslmode={sslmode}")).unwrap();
            assert_eq!(target.options(vetted).get_host(), host, "{sslmode}");
        }
    }

    #[test]
    fn a_directory_in_place_of_the_host_is_a_socket() {
        let target = Target::parse("postgres://shop@%2Frun%2Fpostgresql:6432/shop").unwrap();
        assert!(matches!(&target.address, Address::Socket(at, 6432) if at.as_os_str() == "/run/postgresql"));
        assert!(target.options(None).get_socket().is_some_and(|at| at.as_os_str() == "/run/postgresql"));
    }

    #[test]
    fn a_refused_url_names_the_fix_and_never_the_password() {
        for (url, reason) in [
            ("postgres//user:hunter2@db", "isn't a URL"),
            ("mysql://user:hunter2@db/x", "must begin with postgres://"),
            ("postgres://:hunter2@db/x", "names no user"),
            ("postgres:/user:hunter2/x", "names no user"),
            ("postgres://user:hunter2@/x", "isn't a URL (empty host)"),
            ("postgres://user:hunter2@db:0/x", "port 0"),
            ("postgres://user:hunter2@db/x?sslmode=maybe", "sslmode is disable"),
            ("postgres://user:hunter2@db/x?channel_binding=require", "\"channel_binding\", which isn't supported"),
            ("postgres://user:hunter2%FF@db/x", "aren't UTF-8"),
            ("postgres://user:hunter2@db:port/x", "isn't a URL"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.starts_with("invalid url: ") && refusal.contains(reason), "{url}: {refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
