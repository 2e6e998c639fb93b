//! The `tcp` kind: does the target accept a connection, and how fast. Nothing is sent.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    deadline::own_limit,
    dial::{self, Dialer, resolver::Resolver},
    fault::Fault,
    latency::Latency,
    stopwatch::{Phase, Stopwatch},
};

/// The `tcp` kind.
#[derive(Debug)]
pub struct Tcp {
    dialer: Dialer,
}

impl Tcp {
    /// The kind, dialling what `policy` permits.
    pub fn new(policy: DialPolicy) -> Self {
        Self { dialer: Dialer::new(policy) }
    }

    /// The same, asking `resolver` for the addresses of names.
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { dialer: Dialer::with_resolver(policy, resolver) }
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
        if let Some(latency) = &config.expect.latency {
            latency.validate("expect.latency")?;
        }
        let target = Target::parse(&config.address).map_err(|reason| Error::config("address", reason))?;
        if let Target::Address(address) = target {
            self.dialer.vet(address.ip()).map_err(|fault| Error::config("address", fault.to_string()))?;
        }
        Ok(Arc::new(TcpCheck { dialer: self.dialer.clone(), target, latency: config.expect.latency }))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Cooperative
    }
}

/// A TCP connection is opened and closed again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tcp")]
struct Config {
    /// Where to connect to: `"db.example:5432"`, `"192.0.2.1:22"`, `"[2001:db8::1]:443"`.
    address: String,
    /// What must hold besides that the connection is accepted.
    #[serde(default)]
    expect: Expect,
}

/// What must hold besides that the connection is accepted.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// How slow is too slow, resolving the name included: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    latency: Option<Latency>,
}

#[derive(Debug, PartialEq)]
enum Target {
    Address(SocketAddr),
    Name(Box<str>, u16),
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it as \"host:port\", an IPv6 address in brackets: \"[::1]:80\"";
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::with_port(Self::Address(address), address.port());
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("the port is missing; {FORM}"))?;
        let port = port.parse().map_err(|_| format!("{port:?} is no port between 1 and 65535; {FORM}"))?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(format!("the host is empty, too long or no host name; {FORM}"));
        }
        Self::with_port(Self::Name(host.into(), port), port)
    }

    fn with_port(self, port: u16) -> Result<Self, String> {
        if port == 0 { Err("port 0 can't be dialled; write one between 1 and 65535".to_owned()) } else { Ok(self) }
    }
}

struct TcpCheck {
    dialer: Dialer,
    target: Target,
    latency: Option<Latency>,
}

impl TcpCheck {
    async fn dial(&self, watch: &Stopwatch) -> Result<SocketAddr, Fault> {
        let addresses = match &self.target {
            Target::Address(address) => vec![*address],
            Target::Name(host, port) => self.dialer.resolve(host, *port).await?,
        };
        watch.enter(Phase::Connect);
        let stream = dial::connect(&addresses).await?;
        Ok(stream.peer_addr().unwrap_or(addresses[0]))
    }

    async fn dial_within(&self, watch: &Stopwatch, limit: Duration) -> Result<SocketAddr, Fault> {
        let ended = timeout(limit, self.dial(watch)).await;
        ended.unwrap_or_else(|_| Err(Fault::timeout(watch.current().as_str(), limit)))
    }

    fn judge(&self, address: SocketAddr, took: Duration) -> Outcome {
        let mut outcome = Outcome::up(format!("connected to {address}"));
        if let Some(latency) = &self.latency {
            latency.judge(took, &mut outcome);
        }
        if outcome.status == Status::Up { outcome } else { outcome.evidence("address", address.to_string()) }
    }
}

#[async_trait]
impl Check for TcpCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let watch = Stopwatch::start(match self.target {
            Target::Address(_) => Phase::Connect,
            Target::Name(..) => Phase::Dns,
        });
        let dialled = self.dial_within(&watch, own_limit(cx.timeout)).await;
        let phase = watch.current();
        let timing = watch.stop();
        let outcome = match dialled {
            Ok(address) => self.judge(address, timing.total),
            Err(fault) => fault.outcome().evidence("phase", phase.as_str()),
        };
        Ok(timing.stamp(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let name = |host: &str, port| Ok(Target::Name(host.into(), port));
        assert_eq!(Target::parse("db.example:5432"), name("db.example", 5432));
        assert_eq!(Target::parse("localhost:1"), name("localhost", 1));
        assert_eq!(Target::parse("192.0.2.1:22"), Ok(Target::Address("192.0.2.1:22".parse().unwrap())));
        assert_eq!(Target::parse("[2001:db8::1]:443"), Ok(Target::Address("[2001:db8::1]:443".parse().unwrap())));
    }

    #[test]
    fn anything_else_is_refused_with_the_form_that_would_be_right() {
        for (bad, reason) in [
            ("db.example", "port is missing"),
            ("db.example:", "no port"),
            ("db.example:0", "port 0"),
            ("db.example:70000", "no port"),
            (":80", "host is empty"),
            ("::1:80", "no host name"),
            ("tcp://db.example:80", "no host name"),
            ("a b:80", "no host name"),
            ("user@db.example:80", "no host name"),
        ] {
            let error = Target::parse(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }
}
