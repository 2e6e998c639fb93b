//! The `postgres` kind: does the server let us in and answer, and is what it says as expected. Writes nothing.

mod config;
mod figures;
mod query;
mod refusal;
mod session;
mod target;

use std::{borrow::Cow, net::SocketAddr, path::Path, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, parse_config},
    dial::{DialPolicy, Preset},
    error::{Error, Result},
    outcome::Outcome,
};
use schemars::Schema;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::{
    net::UnixStream,
    time::{Instant, timeout_at},
};

use crate::{
    deadline::own_limit,
    dial::{self, Dialer, resolver::Resolver},
    fault::{self, Fault},
    judgement::Judgement,
    postgres::{
        config::Config,
        refusal::Refusal,
        session::Session,
        target::{Address, Target},
    },
    stopwatch::{Phase, Stopwatch},
};

/// The `postgres` kind.
///
/// Runs keep to a thread of their own ([`Isolation::Thread`](pingmon_core::check::Isolation)), the default: to verify
/// a certificate, the driver reads the system's roots from disk for each connection, which takes milliseconds.
#[derive(Debug)]
pub struct Postgres {
    dialer: Dialer,
    /// Whether monitors may go where the dial policy can't look.
    open: bool,
}

impl Postgres {
    /// The kind, dialling what `policy` permits. Unix sockets and files for TLS are this machine's, and a name that TLS is
    /// to prove is resolved by the driver: only the open preset permits them.
    pub fn new(policy: DialPolicy) -> Self {
        Self::with_resolver(policy, Resolver::system())
    }

    /// The same, asking `resolver` for the addresses of names.
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver) -> Self {
        Self { open: policy.preset == Preset::Open, dialer: Dialer::new(policy, resolver) }
    }

    fn permit(&self, target: &Target) -> Result<()> {
        let forbidden = |reason: String| Error::config("url", reason);
        if let Address::Ip(address) = target.address {
            self.dialer.vet(address).map_err(|fault| forbidden(fault.to_string()))?;
        }
        if !self.open && target.is_resolved_again() {
            return Err(forbidden(
                "the dial policy forbids sslmode=verify-full with a name, which the driver resolves by itself: only the \
                 preset \"open\" has it; write the server's address, or sslmode=require"
                    .to_owned(),
            ));
        }
        if !self.open && (matches!(target.address, Address::Socket(..)) || target.reads_files) {
            return Err(forbidden(
                "the dial policy forbids Unix sockets and files for TLS: only the preset \"open\" has them".to_owned(),
            ));
        }
        Ok(())
    }
}

impl CheckKind for Postgres {
    fn name(&self) -> Cow<'static, str> {
        "postgres".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: Config = parse_config(config)?;
        config.validate()?;
        let target = Target::parse(config.url.expose_secret())?;
        self.permit(&target)?;
        Ok(Arc::new(PostgresCheck { config, target, dialer: self.dialer.clone() }))
    }
}

struct PostgresCheck {
    config: Config,
    target: Target,
    dialer: Dialer,
}

#[async_trait]
impl Check for PostgresCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let limit = own_limit(cx.timeout);
        let probe = Probe { check: self, ends_at: Instant::now() + limit };
        let watch = Stopwatch::start(match self.target.address {
            Address::Name(..) => Phase::Dns,
            Address::Ip(_) | Address::Socket(..) => Phase::Connect,
        });
        let (mut judgement, mut session) = (Judgement::new(), None);
        let ended = timeout_at(probe.ends_at, probe.run(&watch, &mut judgement, &mut session)).await;
        let ended = ended.unwrap_or_else(|_| Err(Fault::timeout(watch.current().as_str(), limit).into()));
        let phase = watch.current();
        let timing = watch.stop();
        if let Some(session) = session {
            // Whatever was found stands, however the server takes the goodbye.
            let _ = timeout_at(probe.ends_at, session.end()).await;
        }
        if let (Ok(_), Some(latency)) = (&ended, self.config.latency) {
            judgement.latency(&latency, timing.total);
        }
        let outcome = match ended {
            Ok(server) => judgement.finish(server),
            Err(refusal) => judgement.cut_short(refusal.outcome().evidence("phase", phase.as_str())),
        };
        Ok(timing.stamp(outcome))
    }
}

/// One run.
struct Probe<'a> {
    check: &'a PostgresCheck,
    ends_at: Instant,
}

impl Probe<'_> {
    /// Goes through all phases and answers with a line about the server. What was found before a refusal stays in
    /// `judgement`, a session that was begun in `session`.
    async fn run(
        &self,
        watch: &Stopwatch,
        judgement: &mut Judgement,
        session: &mut Option<Session>,
    ) -> Result<String, Refusal> {
        let address = self.reach(watch).await?;
        if let Some(address) = address {
            judgement.evidence("address", address.to_string());
        }
        watch.enter(Phase::Auth);
        let connection = self.check.target.options(address).connect().await.map_err(Refusal::connecting)?;
        watch.enter(Phase::Query);
        let session = session.insert(Session::begin(connection, self.ends_at).await?);
        self.ask(session.connection(), judgement).await
    }

    /// The address that answers, found by a connection that is closed again at once: sqlx connects by itself and would
    /// neither say how long that took nor which address it was. PostgreSQL doesn't log a connection that says nothing.
    async fn reach(&self, watch: &Stopwatch) -> Result<Option<SocketAddr>, Refusal> {
        let addresses = match &self.check.target.address {
            Address::Socket(directory, port) => return open_socket(directory, *port).await.map(|()| None),
            Address::Ip(address) => vec![*address],
            Address::Name(name, port) => self.check.dialer.resolve(name, *port).await?,
        };
        watch.enter(Phase::Connect);
        let stream = dial::connect(&addresses).await?;
        Ok(Some(stream.peer_addr().unwrap_or(addresses[0])))
    }

    async fn ask(&self, connection: &mut PgConnection, judgement: &mut Judgement) -> Result<String, Refusal> {
        let config = &self.check.config;
        let server = figures::server(connection, judgement).await?;
        if let Some(levels) = &config.connections {
            figures::connections(connection, levels, judgement).await?;
        }
        if let Some(levels) = &config.longest_transaction {
            figures::longest_transaction(connection, levels, judgement).await?;
        }
        if let Some(levels) = &config.blocked_locks {
            figures::blocked_locks(connection, levels, judgement).await?;
        }
        // Last, since a statement that fails ends the transaction.
        if let Some(query) = &config.query {
            query::ask(connection, query, server.clock, judgement).await?;
        }
        Ok(server.summary)
    }
}

async fn open_socket(directory: &Path, port: u16) -> Result<(), Refusal> {
    let path = directory.join(format!(".s.PGSQL.{port}"));
    match UnixStream::connect(&path).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Fault::down("connect_refused", format!("no server listens at {}", path.display())).into())
        }
        Err(error) => Err(fault::connecting(&error).into()),
    }
}
