//! The `http` kind: sends one request over a connection of its own and judges the answer.
//!
//! What a run does, room by room: `request` is built once, `client` sends it under the dial policy and tells the
//! stopwatch where it is, `probe` reads the answer within its limits, `expect` judges it, `fault` explains what broke.

mod answer;
mod client;
mod config;
mod document;
mod evidence;
mod expect;
mod fault;
mod last_good;
mod probe;
mod redact;
mod request;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::Timestamp,
    tls,
};
use reqwest::{Client, Request};
use schemars::Schema;
use secrecy::SecretString;
use serde_json::Value;

use self::{
    client::{RUN, Run},
    config::{Config, MAX_BODY, MAX_REDIRECTS},
    document::Document,
    expect::Expect,
    last_good::LastGood,
    probe::{Exchange, exchange},
    redact::Redactor,
};
use crate::{
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
    stopwatch::Phase,
};

/// The `http` kind. Its checks share one client, which keeps no connection, no TLS session and no cookie.
#[derive(Debug)]
pub struct Http {
    client: Client,
    dialer: Dialer,
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
        Self::with_tls(Dialer::with_resolver(policy, resolver), tls::client_config()?)
    }

    fn with_tls(dialer: Dialer, tls: rustls::ClientConfig) -> Result<Self> {
        Ok(Self { client: client::build(&dialer, tls)?, dialer })
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
        let config: Config = parse_config(config)?;
        at_most("redirects", config.redirects, MAX_REDIRECTS)?;
        at_most("max_body", config.max_body, MAX_BODY)?;
        let request = request::build(&self.client, &config)?;
        if let Some(address) = client::literal(request.url()) {
            self.dialer.vet(address).map_err(|fault| Error::config("url", fault.to_string()))?;
        }
        Ok(Arc::new(HttpCheck {
            client: self.client.clone(),
            request,
            redirects: config.redirects,
            max_body: config.max_body,
            redactor: Redactor::new(secrets(&config))?,
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
    let password = config.basic.iter().map(|basic| &basic.password);
    let headers = config.headers.iter().filter(|(name, _)| redact::names_a_secret(name));
    let headers = headers.flat_map(|(_, values)| &values.0);
    password.chain(&config.bearer).chain(headers).cloned().collect()
}

struct HttpCheck {
    client: Client,
    request: Request,
    redirects: usize,
    max_body: usize,
    redactor: Redactor,
    expect: Expect,
    last_good: LastGood,
}

#[async_trait]
impl Check for HttpCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let request = self.request.try_clone().ok_or_else(|| Error::probe("the request can't be sent twice"))?;
        let literal = client::literal(request.url()).is_some();
        let run = Run::start(if literal { Phase::Connect } else { Phase::Dns }, request.url(), self.redirects);
        let limit = own_limit(cx.timeout);
        let exchange = exchange(&self.client, request, &run, self.max_body, limit);
        let exchange = RUN.scope(Arc::clone(&run), exchange).await;
        Ok(self.conclude(exchange, &run, cx.started_at))
    }
}

impl HttpCheck {
    fn conclude(&self, exchange: Exchange, run: &Run, started_at: Timestamp) -> Outcome {
        let phase = run.watch.current();
        let timing = run.watch.stop();
        let mut outcome = match exchange {
            _ if self.expect.invert => inverted(exchange, phase),
            Exchange::Complete(mut answer) => {
                answer.timing = timing;
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
                    None => evidence::of_attempt(self.request.url(), run, outcome),
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
        let check =
            Http::with_tls(Dialer::new(DialPolicy::open()), client).unwrap().build(&json!({ "url": url })).unwrap();
        let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
        for _ in 0..2 {
            let outcome = check.run(&cx).await.unwrap();
            assert_eq!(outcome.status, Status::Up, "{outcome:?}");
            let phases: Vec<_> = outcome.phases.iter().map(|(name, _)| name.as_ref()).collect();
            assert_eq!(phases, ["dns", "connect", "tls", "first_byte", "transfer"]);
        }
        assert_eq!(server.join().unwrap(), [Some(rustls::HandshakeKind::Full); 2]);
    }
}
