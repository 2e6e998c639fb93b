//! The `tls` kind: shakes hands with a target, in the clear or after STARTTLS, and judges its certificate and what was
//! agreed upon. The certificate is seen and judged even when it can't be trusted.

mod config;
mod judge;
mod ocsp;
mod starttls;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::Result,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use rustls::ProtocolVersion;
use schemars::Schema;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use self::{
    config::{Config, Protocol},
    judge::{Facts, judge},
};
use crate::{
    address::Address,
    certificate::{Certificate, chain_evidence},
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
    fault::{self, Fault},
    handshake::{Handshake, Presented, SystemTrust},
    stopwatch::{Phase, Stopwatch},
};

/// How long a target may take to take leave, within the run's own limit.
const FAREWELL: Duration = Duration::from_millis(500);

/// The `tls` kind.
#[derive(Debug)]
pub struct Tls {
    dialer: Dialer,
    system: SystemTrust,
}

impl Tls {
    /// The kind, dialling what `policy` permits.
    pub fn new(policy: DialPolicy) -> Self {
        Self::with_resolver(policy, Resolver::system())
    }

    /// The same, asking `resolver` for the addresses of names.
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { dialer: Dialer::new(policy, resolver), system: SystemTrust::default() }
    }
}

impl CheckKind for Tls {
    fn name(&self) -> Cow<'static, str> {
        "tls".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: Config = parse_config(config)?;
        config.validate()?;
        let port = config.starttls.map_or(443, config::Starttls::port);
        let address = Address::permitted("address", &config.address, Some(port), &self.dialer)?;
        let handshake = Handshake::build("", &config.settings(), &address.host(), &self.system)?;
        Ok(Arc::new(TlsCheck { dialer: self.dialer.clone(), address, handshake, config }))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Cooperative
    }
}

struct TlsCheck {
    dialer: Dialer,
    address: Address,
    handshake: Handshake,
    config: Config,
}

/// How far a run came: what was presented, and the session if there is one.
#[derive(Default)]
struct Reached {
    address: Option<String>,
    presented: Presented,
}

#[async_trait]
impl Check for TlsCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let watch = Stopwatch::start(self.address.first_phase());
        let limit = own_limit(cx.timeout);
        let mut reached = Reached::default();
        let ended = timeout(limit, self.shake(&watch, cx.started_at, &mut reached)).await;
        let ended = ended.unwrap_or_else(|_| Err(Fault::timeout(watch.current().as_str(), limit)));
        let phase = watch.current();
        let timing = watch.stop();
        let ended = match ended {
            Ok(stream) => farewell(stream, FAREWELL.min(limit.saturating_sub(timing.total))).await,
            Err(fault) => Err(fault),
        };
        let outcome = match ended {
            Ok(session) => self.judge(&reached.presented, &session, cx.started_at, timing.total),
            Err(fault) => self.explain(&fault, &reached.presented).evidence("phase", phase.as_str()),
        };
        let outcome = match reached.address {
            Some(address) => outcome.evidence("address", address),
            None => outcome,
        };
        Ok(timing.stamp(outcome))
    }
}

impl TlsCheck {
    async fn shake(
        &self,
        watch: &Stopwatch,
        now: Timestamp,
        reached: &mut Reached,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let mut stream = self.address.connect(&self.dialer, watch).await?;
        reached.address = stream.peer_addr().ok().map(|address| address.to_string());
        if let Some(protocol) = self.config.starttls {
            watch.enter(Phase::Starttls);
            starttls::ask(protocol, &mut stream, &self.handshake.name()).await?;
        }
        watch.enter(Phase::Tls);
        let (presented, ended) = self.handshake.over(stream, now).await;
        reached.presented = presented;
        ended
    }

    fn judge(&self, presented: &Presented, session: &Session, now: Timestamp, took: Duration) -> Outcome {
        let chain: Result<Vec<_>, _> = presented.chain.iter().map(|der| Certificate::parse(der)).collect();
        let chain = match chain {
            Ok(chain) => chain,
            Err(reason) => return Fault::down("tls_certificate_invalid", format!("a certificate: {reason}")).outcome(),
        };
        let facts = Facts {
            ders: &presented.chain,
            chain: &chain,
            ocsp: &presented.ocsp,
            protocol: session.protocol,
            alpn: session.alpn.clone(),
            now,
        };
        let mut outcome = Outcome::up(summary(&facts));
        let faults = presented.faults(&self.handshake.name());
        if self.config.verify {
            for fault in &faults {
                outcome.fail(Status::Down, "certificate", "trusted", fault.to_string());
            }
        }
        judge(&self.config.expect, &facts, &mut outcome);
        if let Some(latency) = &self.config.expect.latency {
            latency.judge(took, &mut outcome);
        }
        let outcome = outcome.evidence("protocol", session.protocol.to_string()).evidence("cipher", &*session.cipher);
        noted(outcome, &faults, &chain, self.config.verify)
    }

    /// A handshake that broke, with what was seen of the certificate before: if that can't be trusted, it is the reason.
    fn explain(&self, fault: &Fault, presented: &Presented) -> Outcome {
        let faults = presented.faults(&self.handshake.name());
        let fault = faults.first().filter(|_| self.config.verify && fault.is_down()).unwrap_or(fault);
        let chain: Vec<_> = presented.chain.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
        noted(fault.outcome(), &[], &chain, self.config.verify)
    }
}

/// Adds what is known of the certificates, and why they can't be trusted.
fn noted(mut outcome: Outcome, faults: &[Fault], chain: &[Certificate], verify: bool) -> Outcome {
    if let Some(first) = faults.first() {
        let name = if verify { "error" } else { "untrusted" };
        outcome = outcome.evidence(name, first.kind());
    }
    if let Some(leaf) = chain.first() {
        outcome = outcome.evidence("certificate", leaf.evidence());
    }
    let explains = outcome.status != Status::Up && chain.len() > 1;
    if explains { outcome.evidence("chain", chain_evidence(chain)) } else { outcome }
}

fn summary(facts: &Facts<'_>) -> String {
    let leaf = facts.chain.first();
    let days = leaf.map_or(0.0, |leaf| leaf.days_left(facts.now).floor());
    let issuer = leaf.map_or("", |leaf| leaf.issuer.as_str());
    format!("{}, certificate good for {days} days, issued by {issuer}", facts.protocol)
}

/// What was agreed upon.
struct Session {
    protocol: Protocol,
    cipher: String,
    alpn: Option<String>,
}

impl Session {
    fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, session) = stream.get_ref();
        let newest = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        Self {
            protocol: if newest { Protocol::V13 } else { Protocol::V12 },
            cipher: session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        }
    }
}

/// Takes leave and waits a little for the target to do so too: with TLS 1.3 a target that refuses our certificate, or
/// that we have none, says so only after the handshake.
async fn farewell(mut stream: TlsStream<TcpStream>, within: Duration) -> Result<Session, Fault> {
    let session = Session::of(&stream);
    let parting = async {
        stream.shutdown().await?;
        let mut rest = [0; 1_024];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    if let Ok(Err(error)) = timeout(within, parting).await
        && let Some(alert @ rustls::Error::AlertReceived(_)) = error.get_ref().and_then(|cause| cause.downcast_ref())
    {
        return Err(fault::tls(alert));
    }
    Ok(session)
}
