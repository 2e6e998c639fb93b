//! The `dns` kind: asks a nameserver one question and judges its answer. Caches nothing; the names of targets that the
//! other kinds dial are resolved by `dial`.

mod config;
mod dnssec;
mod exchange;
mod https;
mod judge;
mod record;

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use hickory_resolver::proto::{
    dnssec::TrustAnchors,
    op::{Edns, Message, Query},
};
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::Timestamp,
};
use schemars::Schema;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use self::{
    config::{Config, Transport},
    exchange::Way,
    judge::Judge,
};
use crate::{
    address::Address,
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
    fault::Fault,
    handshake::{Handshake, SystemTrust},
    pattern,
    stopwatch::{Phase, Stopwatch},
};

/// What we are ready to take over UDP, in bytes: what passes every network unbroken (RFC 9715).
const PAYLOAD: u16 = 1_232;

/// The `dns` kind.
#[derive(Debug)]
pub struct Dns {
    dialer: Dialer,
    system: SystemTrust,
}

impl Dns {
    /// The kind, asking the nameservers that `policy` permits. This host's own ones are asked in any case.
    pub fn new(policy: DialPolicy) -> Self {
        Self::with_resolver(policy, Resolver::system())
    }

    /// The same, asking `resolver` for the addresses of names.
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { dialer: Dialer::new(policy, resolver), system: SystemTrust::default() }
    }

    fn server(&self, config: &Config) -> Result<Option<Server>> {
        let Some(text) = &config.server else { return Ok(None) };
        let address = Address::permitted("server", text, Some(config.transport.port()), &self.dialer)?;
        let mut settings = config.tls.clone().unwrap_or_default();
        let handshake = match config.transport {
            Transport::Udp | Transport::Tcp => None,
            Transport::Tls | Transport::Https => {
                let protocol = if config.transport == Transport::Tls { "dot" } else { "h2" };
                if settings.alpn.is_empty() {
                    settings.alpn.push(protocol.to_owned());
                }
                Some(Arc::new(Handshake::build("tls.", &settings, &address.host(), &self.system)?))
            }
        };
        Ok(Some(Server { address, handshake }))
    }
}

impl CheckKind for Dns {
    fn name(&self) -> Cow<'static, str> {
        "dns".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: Config = parse_config(config)?;
        config.validate()?;
        let (name, server) = (config.name()?, self.server(&config)?);
        let anchors = match &config.trust_anchors {
            None => TrustAnchors::default(),
            Some(text) => {
                if !text.contains("DNSKEY") {
                    return Err(Error::config(
                        "trust_anchors",
                        "they hold no key, \"zone. IN DNSKEY 257 3 8 AwEAAa…\"",
                    ));
                }
                text.parse().map_err(|e| Error::config("trust_anchors", format!("they can't be read: {e}")))?
            }
        };
        let matches = config.expect.matches.as_deref();
        let matches = matches.map(|regex| pattern::compile("expect.matches", regex)).transpose()?;
        Ok(Arc::new(DnsCheck {
            dialer: self.dialer.clone(),
            server,
            transport: config.transport,
            path: config.path.into(),
            recursion: config.recursion,
            anchors: Arc::new(anchors),
            judge: Judge { expect: config.expect, kind: config.kind.0, name, matches },
        }))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Cooperative
    }
}

/// A nameserver that was chosen.
struct Server {
    address: Address,
    handshake: Option<Arc<Handshake>>,
}

struct DnsCheck {
    dialer: Dialer,
    server: Option<Server>,
    transport: Transport,
    path: Arc<str>,
    recursion: bool,
    anchors: Arc<TrustAnchors>,
    judge: Judge,
}

/// A question, who was asked, and the answer.
struct Reply {
    way: Way,
    question: Message,
    answer: Message,
}

#[async_trait]
impl Check for DnsCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let watch = Arc::new(Stopwatch::start(self.first_phase()));
        let limit = own_limit(cx.timeout);
        let ends_at = Instant::now() + limit;
        let ended = timeout_at(ends_at, self.ask(&watch, cx.started_at, ends_at)).await;
        let ended = ended.unwrap_or_else(|_| Err(self.late(&watch, limit)));
        let phase = watch.current();
        let timing = watch.stop();
        let outcome = match ended {
            Ok(reply) => self.conclude(reply, timing.total, ends_at).await,
            Err(fault) => fault.outcome().evidence("phase", phase.as_str()),
        };
        Ok(timing.stamp(outcome))
    }
}

impl DnsCheck {
    fn first_phase(&self) -> Phase {
        match (&self.server, self.transport) {
            (Some(Server { address: Address::Name(..), .. }), _) => Phase::Dns,
            (Some(_), Transport::Tcp | Transport::Tls | Transport::Https) => Phase::Connect,
            _ => Phase::Query,
        }
    }

    async fn ask(&self, watch: &Arc<Stopwatch>, now: Timestamp, ends_at: Instant) -> Result<Reply, Fault> {
        let way = Way {
            addresses: Arc::default(),
            transport: self.transport,
            handshake: None,
            path: Arc::clone(&self.path),
            now,
            watch: Arc::clone(watch),
        };
        let Some(server) = &self.server else {
            return self.ask_our_own(&self.dialer.name_servers()?, way, ends_at).await;
        };
        let addresses = server.address.resolve(&self.dialer).await?.into();
        let way = Way { addresses, handshake: server.handshake.clone(), ..way };
        let question = self.question();
        let answer = way.ask(&question).await?;
        Ok(Reply { way, question, answer })
    }

    /// Asks this machine's nameservers one after the other, each within its share of the time that is left.
    async fn ask_our_own(&self, servers: &[SocketAddr], way: Way, ends_at: Instant) -> Result<Reply, Fault> {
        let mut last = Fault::unknown("dns_failed", "this machine has no nameserver");
        for (nth, address) in servers.iter().enumerate() {
            let (now, left) = (Instant::now(), u32::try_from(servers.len() - nth).unwrap_or(1));
            let share = now + ends_at.saturating_duration_since(now) / left;
            let (way, question) = (Way { addresses: Arc::new([*address]), ..way.clone() }, self.question());
            last = match timeout_at(share, way.ask(&question)).await {
                Ok(Ok(answer)) if !self.judge.is_trouble(&answer) => return Ok(Reply { way, question, answer }),
                Ok(Ok(answer)) => {
                    let code = config::rcode_word(answer.metadata.response_code);
                    Fault::unknown("dns_failed", format!("our nameserver {address} answered {code}"))
                }
                Ok(Err(fault)) => Fault::unknown("dns_failed", format!("our nameserver {address} failed: {fault}")),
                Err(_) => Fault::unknown("dns_timeout", format!("our nameserver {address} didn't answer")),
            };
        }
        Err(last)
    }

    fn late(&self, watch: &Stopwatch, limit: Duration) -> Fault {
        match self.server {
            Some(_) => Fault::timeout(watch.current().as_str(), limit),
            None => Fault::timeout("dns", limit),
        }
    }

    fn question(&self) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(self.judge.name.clone(), self.judge.kind));
        question.metadata.recursion_desired = self.recursion;
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD).set_dnssec_ok(self.judge.expect.dnssec);
        question.set_edns(edns);
        question
    }

    async fn conclude(&self, reply: Reply, took: Duration, ends_at: Instant) -> Outcome {
        let found = self.judge.find(&reply.answer);
        let mut outcome = Outcome::up(found.summary());
        self.judge.judge(&found, &mut outcome);
        let server = reply.way.addresses[0].to_string();
        if self.judge.expect.dnssec {
            let validating = dnssec::validate(reply.way, &reply.question, &reply.answer, &self.anchors);
            let ended = timeout_at(ends_at, validating).await;
            if let Err(reason) = ended.unwrap_or_else(|_| Err("the keys didn't come in time".to_owned())) {
                outcome.fail(self.judge.expect.level.into(), "dnssec", "secure", reason);
            }
        }
        if let Some(latency) = &self.judge.expect.latency {
            latency.judge(took, &mut outcome);
        }
        if outcome.status == Status::Up {
            return outcome;
        }
        outcome.evidence("server", server).evidence("rcode", found.code()).evidence("records", found.shown())
    }
}
