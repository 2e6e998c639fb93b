//! The `http` kind: sends one request over a connection of its own and judges the answer.
//!
//! What a run does, room by room: `request` is written once and filled in each run, `auth` says who asks, `exchange`
//! sends it over a `transport` under the dial policy, follows redirects (`redirect`, `cookies`) and reads the answer
//! within its limits (`decode`); `expect` judges it, `fault` explains what broke, `evidence` is kept for people.

mod answer;
mod auth;
mod config;
mod cookies;
mod decode;
mod document;
mod evidence;
mod exchange;
mod expect;
mod fault;
mod last_good;
mod redact;
mod redirect;
mod request;
mod run;
mod trace;
mod transport;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use hyper::{StatusCode, header::AUTHORIZATION};
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::{DialPolicy, Preset},
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::Timestamp,
    tls,
};
use rustls::ClientConfig;
use schemars::Schema;
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use self::{
    auth::{digest::Digest, oauth2::OAuth2},
    config::{Config, MAX_BODY, MAX_REDIRECTS},
    document::Document,
    exchange::{Exchange, Sender},
    expect::Expect,
    last_good::LastGood,
    redact::{Named, Redactor},
    request::{
        Plan,
        template::{REQUEST_ID, Variables},
    },
    run::Run,
    transport::Transport,
};
use crate::{
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
    stopwatch::Phase,
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

    fn oauth2(&self, config: &auth::config::OAuth2) -> Result<OAuth2> {
        let within = |error| match error {
            Error::Config { field, reason } if field == "url" => Error::config("oauth2.token_url", reason),
            other => other,
        };
        let mut request: Config = parse_config(&OAuth2::config(config)?)?;
        let sender = self.sender(&mut request)?;
        OAuth2::new(&Plan::compile(&mut request, None).map_err(within)?, sender)
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
        let mut config: Config = parse_config(config)?;
        at_most("redirects", config.redirects, MAX_REDIRECTS)?;
        at_most("max_body", config.max_body, MAX_BODY)?;
        let authorization = auth::header(&config)?;
        let redactor = Redactor::new(self.secrets.clone(), secrets(&config));
        let oauth2 = config.oauth2.take().map(|config| self.oauth2(&config).map(Box::new)).transpose()?;
        let sender = self.sender(&mut config)?;
        let plan = Plan::compile(&mut config, authorization)?;
        sender.transport.vet("url", &plan.request(&Variables::fresh())?.url)?;
        Ok(Arc::new(HttpCheck {
            plan,
            sender,
            oauth2,
            traceparent: config.traceparent,
            redactor,
            expect: Expect::compile(config.expect, config.redirects)?,
            last_good: LastGood::default(),
        }))
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

struct HttpCheck {
    plan: Plan,
    sender: Sender,
    oauth2: Option<Box<OAuth2>>,
    traceparent: bool,
    redactor: Redactor,
    expect: Expect,
    last_good: LastGood,
}

#[async_trait]
impl Check for HttpCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let deadline = Instant::now() + own_limit(cx.timeout);
        loop {
            let variables = Variables::fresh();
            let mut request = self.plan.request(&variables)?;
            let mut kept_token = None;
            if let Some(oauth2) = &self.oauth2 {
                match oauth2.token(deadline - Instant::now(), cx.started_at).await {
                    Ok(token) => {
                        request.headers.insert(AUTHORIZATION, token.header);
                        kept_token = (!token.fresh).then_some(oauth2);
                    }
                    Err(fault) => return Ok(fault.outcome().evidence("phase", "token")),
                }
            }
            let trace = self.traceparent.then(|| trace::begin(&mut request));
            let url = request.url.clone();
            let mut run = Run::start(self.sender.transport.first_phase(&url), cx.started_at);
            let exchange = self.sender.exchange(request, &mut run, deadline - Instant::now()).await;
            // A token that was good until now may have been revoked: once more with a new one.
            if let (Some(oauth2), Exchange::Complete(answer)) = (kept_token, &exchange)
                && answer.status == StatusCode::UNAUTHORIZED
            {
                oauth2.forget();
                continue;
            }
            let mut outcome = self.conclude(exchange, &url, &run, cx.started_at);
            if outcome.status != Status::Up {
                let request_id = variables.get(REQUEST_ID).filter(|_| self.plan.varies()).map(str::to_owned);
                for (name, id) in [("request_id", request_id), ("trace_id", trace)] {
                    if let Some(id) = id {
                        outcome = outcome.evidence(name, id);
                    }
                }
            }
            return Ok(outcome);
        }
    }
}

impl HttpCheck {
    fn conclude(&self, exchange: Exchange, url: &Url, run: &Run, started_at: Timestamp) -> Outcome {
        let phase = run.watch.current();
        let timing = run.watch.stop();
        let mut outcome = match exchange {
            _ if self.expect.invert => inverted(exchange, phase),
            Exchange::Complete(answer) => {
                let mut outcome = Outcome::up(answer.status.to_string());
                let body = Document::new(&answer);
                let now = started_at + timing.total;
                self.expect.judge(&answer, &body, now, &mut outcome);
                if outcome.status == Status::Up {
                    self.last_good.remember(&answer, now);
                    outcome
                } else {
                    let outcome = evidence::of_answer(&answer, &self.redactor, outcome);
                    self.last_good.compare(Some(&answer), &timing, outcome)
                }
            }
            Exchange::Broken { fault, answer } => {
                let outcome = fault.outcome().evidence("phase", phase.as_str());
                let outcome = self.last_good.compare(answer.as_ref(), &timing, outcome);
                match answer {
                    Some(answer) => evidence::of_answer(&answer, &self.redactor, outcome),
                    None => evidence::of_attempt(url, run, outcome),
                }
            }
        };
        if outcome.status != Status::Up {
            self.redactor.outcome(&mut outcome);
        }
        timing.stamp(outcome)
    }
}

/// The verdict on what must not be reachable. A connection that came about is one too many, whatever became of it.
fn inverted(exchange: Exchange, phase: Phase) -> Outcome {
    let (reached, actual) = match exchange {
        Exchange::Complete(answer) => (answer.address, format!("the answer {}", answer.status)),
        Exchange::Broken { fault, .. } if !fault.is_down() => return fault.outcome(),
        Exchange::Broken { fault, .. } if matches!(phase, Phase::Dns | Phase::Connect) => {
            return Outcome::up(format!("not reachable, as it should be: {fault}"));
        }
        Exchange::Broken { fault, answer } => {
            (answer.and_then(|answer| answer.address), format!("a connection, then in {}: {fault}", phase.as_str()))
        }
    };
    let mut outcome = Outcome::up("");
    outcome.fail(Status::Down, "invert", "no connection", actual);
    match reached {
        Some(address) => outcome.evidence("address", address.to_string()),
        None => outcome,
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

    use pingmon_core::{id::MonitorId, time::Timestamp};
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
