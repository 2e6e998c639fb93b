//! The `http` kind: sends a request over a connection of its own and judges the answer; or several, one after the other.
//!
//! What a run does, room by room: a `probe` is one request with its expectations, `steps` are several. `request` is
//! written once and filled in each run, `auth` says who asks, `exchange` sends it over a `transport` under the dial
//! policy, follows redirects (`redirect`, `cookies`) and reads the answer within its limits (`decode`); `expect` judges
//! it, `fault` explains what broke, `evidence` is kept for people.

mod answer;
mod auth;
mod config;
mod cookies;
mod decode;
mod document;
mod evidence;
mod exchange;
pub(crate) mod expect;
mod fault;
#[cfg(feature = "wasm")]
pub(crate) mod fetch;
mod last_good;
mod probe;
mod redact;
mod redirect;
mod request;
mod run;
mod steps;
mod trace;
mod transport;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::{DialPolicy, Preset},
    error::{Error, Result},
    outcome::Outcome,
    tls,
};
use rustls::ClientConfig;
use schemars::Schema;
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;

use self::{
    auth::{digest::Digest, oauth2::OAuth2},
    config::{Config, MAX_BODY, MAX_REDIRECTS},
    exchange::Sender,
    expect::Expect,
    last_good::LastGood,
    probe::{Probe, Session},
    redact::{Named, Redactor},
    request::{Place, Plan, sample},
    steps::Flow,
    transport::Transport,
};
use crate::{
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
};

/// The `http` kind. Its checks share one TLS configuration; none keeps a TLS session or a cookie from run to run.
#[derive(Debug)]
pub struct Http {
    tls: Arc<ClientConfig>,
    dialer: Dialer,
    /// Whether monitors may go where the dial policy can't look.
    local: bool,
    secrets: Named,
}

impl Http {
    /// The kind, dialling what `policy` permits: on the first hop and on each redirect.
    ///
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub fn new(policy: DialPolicy) -> Result<Self> {
        Self::with_resolver(policy, Resolver::system())
    }

    /// The same, asking `resolver` for the addresses of names.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Result<Self> {
        Self::with_tls(policy, resolver, tls::client_config()?)
    }

    fn with_tls(policy: DialPolicy, resolver: Resolver, tls: ClientConfig) -> Result<Self> {
        let local = policy.preset == Preset::Open;
        Ok(Self {
            tls: transport::tls::usual(tls),
            local,
            dialer: Dialer::new(policy, resolver),
            secrets: Named::new()?,
        })
    }

    fn sender(&self, config: &mut Config) -> Result<Sender> {
        let digest = config.digest.take().map(|login| Digest::new(login.username, login.password));
        let transport = Transport::compile(config, &self.dialer, self.local, &self.tls)?;
        Ok(Sender { transport, digest, redirects: config.redirects, max_body: config.max_body })
    }

    /// What asks and judges as `config` says, without its steps. `place` is where a step of a flow stands.
    fn probe(&self, mut config: Config, place: Option<&Place<'_>>) -> Result<Probe> {
        at_most("redirects", config.redirects, MAX_REDIRECTS)?;
        at_most("max_body", config.max_body, MAX_BODY)?;
        let authorization = auth::header(&config)?;
        let redactor = Redactor::new(self.secrets.clone(), secrets(&config));
        let oauth2 = config.oauth2.take().map(|config| self.oauth2(&config).map(Arc::new)).transpose()?;
        let sender = self.sender(&mut config)?;
        let plan = Plan::compile(&mut config, authorization, place)?;
        sender.transport.vet("url", &plan.request(&sample(place))?.url)?;
        Ok(Probe {
            plan,
            sender,
            oauth2,
            traceparent: config.traceparent,
            redactor,
            expect: Expect::compile(config.expect, config.redirects)?,
            last_good: LastGood::default(),
        })
    }

    fn oauth2(&self, config: &auth::config::OAuth2) -> Result<OAuth2> {
        let within = |error| match error {
            Error::Config { field, reason } if field == "url" => Error::config("oauth2.token_url", reason),
            other => other,
        };
        let mut request: Config = parse_config(&OAuth2::config(config)?)?;
        let sender = self.sender(&mut request)?;
        OAuth2::new(&Plan::compile(&mut request, None, None).map_err(within)?, sender)
    }
}

impl CheckKind for Http {
    fn name(&self) -> Cow<'static, str> {
        "http".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let parsed: Config = parse_config(config)?;
        if !parsed.steps.is_empty() {
            return Ok(Arc::new(Flow::build(self, config, parsed)?));
        }
        Ok(Arc::new(HttpCheck(self.probe(parsed, None)?)))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Cooperative
    }
}

fn at_most(field: &str, given: usize, most: usize) -> Result<()> {
    if given > most {
        return Err(Error::config(field, format!("{given} is more than {most}; lower it")));
    }
    Ok(())
}

/// What is sent that nobody is to see again.
fn secrets(config: &Config) -> Vec<SecretString> {
    let passwords = config.basic.iter().chain(&config.digest).map(|login| &login.password);
    let credentials = config.authorization.iter().map(|authorization| &authorization.credentials);
    let tokens = config.bearer.iter().chain(config.oauth2.iter().map(|oauth2| &oauth2.client_secret));
    let named = config.headers.iter().chain(&config.query).filter(|(name, _)| redact::names_a_secret(name));
    let named = named.flat_map(|(_, values)| &values.0);
    passwords.chain(credentials).chain(tokens).chain(named).cloned().collect()
}

/// A monitor of one request.
struct HttpCheck(Probe);

#[async_trait]
impl Check for HttpCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let deadline = Instant::now() + own_limit(cx.timeout);
        self.0.attempt(&mut Session::new(cx.started_at), &[], deadline, cx.started_at).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::Arc,
        time::Duration,
    };

    use pingmon_core::{id::MonitorId, outcome::Status, time::Timestamp};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, Stream, crypto::ring};
    use serde_json::json;

    use super::*;

    /// Both ends of TLS with a certificate that the client trusts.
    fn tls() -> (ClientConfig, ServerConfig) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        (client, server)
    }

    #[tokio::test]
    async fn over_tls_each_run_shows_a_full_handshake_as_a_phase_of_its_own() {
        let (client, server) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let server = std::thread::spawn(move || {
            let server = Arc::new(server);
            (0..2)
                .map(|_| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut session = ServerConnection::new(Arc::clone(&server)).unwrap();
                    session.complete_io(&mut stream).unwrap();
                    let kind = session.handshake_kind();
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    let mut stream = Stream::new(&mut session, &mut stream);
                    assert_ne!(stream.read(&mut [0; 1024]).unwrap(), 0);
                    stream.write_all(answer).unwrap();
                    kind
                })
                .collect::<Vec<_>>()
        });
        let check = Http::with_tls(DialPolicy::open(), Resolver::system(), client)
            .unwrap()
            .build(&json!({ "url": url }))
            .unwrap();
        let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
        for _ in 0..2 {
            let outcome = check.run(&cx).await.unwrap();
            assert_eq!(outcome.status, Status::Up, "{outcome:?}");
            let phases: Vec<_> = outcome.phases.iter().map(|(name, _)| name.as_ref()).collect();
            assert_eq!(phases, ["dns", "connect", "tls", "request", "first_byte", "transfer"]);
        }
        assert_eq!(server.join().unwrap(), [Some(rustls::HandshakeKind::Full); 2]);
    }
}
