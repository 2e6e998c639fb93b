//! What a plug-in may call, one interface a file: each asks the grant first, then the dial policy, and comes back by
//! the deadline. WASI is there too, since languages need it, but has no files, sockets, arguments or environment,
//! and its requests go the same way.

mod clock;
mod dns;
pub(super) mod http;
mod log;
mod metric;
mod secret;
mod state;
pub(super) mod tcp;
mod wasi_http;

use std::{sync::Arc, time::Duration};

use pingmon_core::{error::Result, outcome::Metric, time::Timestamp};
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};
use wasmtime_wasi_http::WasiHttpCtx;

use self::wasi_http::Sender;
use super::{
    bindings::pingmon::check::types,
    grant::Grant,
    limits::{Budget, Halt, Meter},
    redact::redact,
    settings::Settings,
    state::State,
};
use crate::{deadline::own_limit, dial::Dialer, fault::Fault, handshake::SystemTrust, http::fetch::Fetcher};

/// Most things of the host that a run holds at once.
const MAX_HANDLES: usize = 1_000;
/// Most random bytes of one call.
const MAX_RANDOM: u64 = 4 * 1024;
/// Most bytes of one read.
const MAX_READ: usize = 64 * 1024;

/// What the checks of a kind reach the world by.
pub(super) struct Services {
    pub(super) dialer: Dialer,
    pub(super) fetcher: Fetcher,
    pub(super) trust: SystemTrust,
}

impl Services {
    /// Services that dial by `dialer`.
    ///
    /// # Errors
    /// [`pingmon_core::error::Error::Config`] when the system's TLS roots can't be used.
    pub(super) fn new(dialer: Dialer) -> Result<Self> {
        Ok(Self { fetcher: Fetcher::new(&dialer)?, trust: SystemTrust::default(), dialer })
    }
}

/// What stays the same from run to run.
#[derive(Default)]
pub(super) struct Standing {
    /// The plug-in's name.
    pub(super) plugin: Arc<str>,
    pub(super) grant: Grant,
    /// None while a plug-in is asked what it is.
    pub(super) services: Option<Arc<Services>>,
}

/// When a run takes place.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// By the store's clock.
    pub(super) started_at: Timestamp,
    pub(super) started: Instant,
    /// When each call of the host comes back.
    pub(super) deadline: Instant,
    /// When the plug-in has to have ended.
    pub(super) end: Instant,
}

impl Span {
    /// From now on, ending a little before whoever calls would end it.
    pub(super) fn begin(started_at: Timestamp, timeout: Duration) -> Self {
        let (started, limit) = (Instant::now(), own_limit(timeout));
        Self { started_at, started, deadline: started + own_limit(limit), end: started + limit }
    }

    /// How long it may take.
    pub(super) fn limit(&self) -> Duration {
        self.end - self.started
    }

    /// The same as plug-ins are told it.
    pub(super) fn limit_millis(&self) -> u32 {
        u32::try_from(self.limit().as_millis()).unwrap_or(u32::MAX)
    }
}

/// What calls that wait need; WASI's part of a session can't be lent to them.
#[derive(Clone)]
struct Reach {
    standing: Arc<Standing>,
    span: Span,
}

/// The host's side of one run.
pub(super) struct Session {
    pub(super) meter: Meter,
    /// What went through `metric.add`.
    pub(super) metrics: Vec<Metric>,
    /// What languages write when they break.
    pub(super) errors: MemoryOutputPipe,
    /// What its monitor keeps.
    pub(super) state: State,
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    sender: Sender,
    reach: Reach,
    /// The monitor or the channel.
    user: Arc<str>,
    budget: Budget,
    log_left: usize,
}

impl Session {
    pub(super) fn new(standing: Arc<Standing>, user: Arc<str>, span: Span, settings: &Settings) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let errors = MemoryOutputPipe::new(settings.max_log);
        let wasi = WasiCtx::builder().max_random_size(MAX_RANDOM).stderr(errors.clone()).build();
        let (reach, budget) = (Reach { standing, span }, Budget::new(settings.max_calls, settings.max_traffic));
        Self {
            meter: Meter { max_memory: settings.max_memory, max_table: settings.max_table },
            metrics: Vec::new(),
            errors,
            state: State::default(),
            wasi,
            table,
            http: WasiHttpCtx::new(),
            sender: Sender { reach: reach.clone(), budget: budget.clone() },
            reach,
            user,
            budget,
            log_left: settings.max_log,
        }
    }

    /// One more call that reaches the world.
    fn call(&mut self) -> Result<(), Halt> {
        self.budget.call()
    }

    /// More bytes that were sent or received.
    fn traffic(&mut self, bytes: usize) -> Result<(), Halt> {
        self.budget.traffic(bytes)
    }

    fn redacted(&self, text: &str) -> String {
        redact(text, &self.reach.standing.grant)
    }
}

impl Reach {
    fn services(&self) -> Result<&Services, Fault> {
        let reason = "nothing is granted while a plug-in says what it is";
        self.standing.services.as_deref().ok_or_else(|| Fault::unknown("not_granted", reason))
    }

    /// Ends a call at the deadline.
    async fn in_time<T>(&self, what: &'static str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let limit = self.span.deadline.saturating_duration_since(Instant::now());
        let ended = tokio::time::timeout_at(self.span.deadline, work).await;
        ended.unwrap_or_else(|_| Err(Fault::timeout(what, limit)))
    }
}

impl WasiView for Session {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for Session {}

impl From<Fault> for types::Fault {
    fn from(fault: Fault) -> Self {
        let status = if fault.is_down() { types::Status::Down } else { types::Status::Unknown };
        Self { status, kind: fault.kind().to_owned(), message: fault.to_string() }
    }
}
