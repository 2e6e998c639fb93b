//! The `tcp` kind: does the target accept a connection, how fast, and does it say what it should. What is sent is the
//! config's alone.

mod config;
mod octets;
mod reply;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::Result,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use schemars::Schema;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use self::{config::Config, octets::Octets, reply::ExpectedReply};
use crate::{
    address::Address,
    deadline::own_limit,
    dial::{Dialer, resolver::Resolver},
    fault::{self, Fault},
    handshake::{Handshake, SystemTrust},
    latency::Latency,
    stopwatch::{Phase, Stopwatch, Timing},
};

/// The `tcp` kind.
#[derive(Debug)]
pub struct Tcp {
    dialer: Dialer,
    system: SystemTrust,
}

impl Tcp {
    /// The kind, dialling what `policy` permits.
    pub fn new(policy: DialPolicy) -> Self {
        Self::with_resolver(policy, Resolver::system())
    }

    /// The same, asking `resolver` for the addresses of names.
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { dialer: Dialer::new(policy, resolver), system: SystemTrust::default() }
    }
}

impl CheckKind for Tcp {
    fn name(&self) -> Cow<'static, str> {
        "tcp".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: Config = parse_config(config)?;
        config.validate()?;
        let address = Address::permitted("address", &config.address, None, &self.dialer)?;
        let handshake = |tls| Handshake::build("tls.", tls, &address.host(), &self.system);
        let most = config.max_reply;
        Ok(Arc::new(TcpCheck {
            dialer: self.dialer.clone(),
            handshake: config.tls.as_ref().map(handshake).transpose()?,
            address,
            send: config.send,
            reply: config.expect.reply.map(|reply| ExpectedReply::compile(reply, most)).transpose()?,
            latency: config.expect.latency,
            invert: config.expect.invert,
        }))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Cooperative
    }
}

struct TcpCheck {
    dialer: Dialer,
    address: Address,
    handshake: Option<Handshake>,
    send: Option<Octets>,
    reply: Option<ExpectedReply>,
    latency: Option<Latency>,
    invert: bool,
}

/// How far a run came.
#[derive(Default)]
struct Reached {
    address: String,
    heard: Vec<u8>,
}

#[async_trait]
impl Check for TcpCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let watch = Stopwatch::start(self.address.first_phase());
        let limit = own_limit(cx.timeout);
        let mut reached = Reached::default();
        let ended = timeout(limit, self.probe(&watch, cx.started_at, &mut reached)).await;
        let ended = ended.unwrap_or_else(|_| Err(Fault::timeout(watch.current().as_str(), limit)));
        let phase = watch.current();
        let timing = watch.stop();
        let outcome = match ended {
            Ok(()) if self.invert => Outcome::down(format!("{} accepts connections", reached.address)),
            Ok(()) => self.judge(&reached, &timing),
            Err(fault) if self.invert && fault.is_down() => Outcome::up(format!("nothing listens there: {fault}")),
            // A reply that doesn't come is another one than expected.
            Err(fault) if phase == Phase::Reply && self.reply.is_some() && fault.kind() == "timeout" => {
                self.judge(&reached, &timing).evidence("error", fault.kind()).evidence("phase", phase.as_str())
            }
            Err(fault) => fault.outcome().evidence("phase", phase.as_str()),
        };
        let tell = outcome.status != Status::Up && !reached.address.is_empty();
        Ok(timing.stamp(if tell { outcome.evidence("address", reached.address) } else { outcome }))
    }
}

impl TcpCheck {
    async fn probe(&self, watch: &Stopwatch, now: Timestamp, reached: &mut Reached) -> Result<(), Fault> {
        let stream = self.address.connect(&self.dialer, watch).await?;
        reached.address = stream.peer_addr().map_or_else(|_| self.address.to_string(), |address| address.to_string());
        match &self.handshake {
            None => self.talk(stream, watch, reached).await,
            Some(handshake) => {
                watch.enter(Phase::Tls);
                let stream = handshake.trusted(stream, now).await?;
                self.talk(stream, watch, reached).await
            }
        }
    }

    async fn talk<S>(&self, mut stream: S, watch: &Stopwatch, reached: &mut Reached) -> Result<(), Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.send.is_none() && self.reply.is_none() {
            return Ok(());
        }
        watch.enter(Phase::Reply);
        if let Some(send) = &self.send {
            stream.write_all(send.as_slice()).await.map_err(|error| fault::talking(&error))?;
            stream.flush().await.map_err(|error| fault::talking(&error))?;
        }
        match &self.reply {
            Some(reply) => reply.hear(&mut stream, &mut reached.heard).await,
            None => Ok(()),
        }
    }

    fn judge(&self, reached: &Reached, timing: &Timing) -> Outcome {
        let mut outcome = Outcome::up(format!("connected to {}", reached.address));
        if let Some(reply) = &self.reply {
            reply.judge(&reached.heard, &mut outcome);
        }
        if let Some(latency) = &self.latency {
            latency.judge(timing.total, &mut outcome);
        }
        outcome
    }
}
