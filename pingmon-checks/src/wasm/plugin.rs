//! A plug-in that is ready to run: compiled, linked, and asked what it is. Each run gets an instance of its own.

use std::{sync::Arc, time::Duration};

use pingmon_core::{
    check::CheckContext,
    error::{Error, Result},
    outcome::Outcome,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};
use wasmtime::{Store, component::Component};

use super::{
    bindings::{
        CheckPre,
        pingmon::check::types::{self, Capability},
    },
    engine::Engine,
    host::{Session, Span, Standing},
    redact,
    state::State,
    verdict::{self, Broken},
};
use crate::{deadline::own_limit, http::expect::schema::Schema};

/// Longest text in what a plug-in says of itself, in bytes.
const MAX_TEXT: usize = 4_000;

/// What a plug-in is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Info {
    /// What it's called here.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// Its own version.
    pub version: String,
    /// What it checks.
    pub description: String,
    /// What it can't do without, and what for.
    pub wants: Vec<Want>,
    /// The JSON Schema of its config.
    pub config_schema: Value,
    /// SHA-256 of the component, in hexadecimal digits.
    pub sha256: String,
    /// Size of the component, in bytes.
    pub size: usize,
}

/// Something a plug-in can't do without.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Want {
    /// `http`, `tcp`, `dns` or `secrets`, as in a monitor's `grant`.
    pub capability: &'static str,
    /// What for.
    pub reason: String,
}

/// A plug-in that is ready to run.
pub struct Plugin {
    info: Info,
    wanted: Vec<Capability>,
    schema: Schema,
    instances: CheckPre<Session>,
    engine: Arc<Engine>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Plugin {
    /// What it is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Links compiled code and asks it what it is.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) async fn prepare(
        name: &str,
        wasm: &[u8],
        component: &Component,
        engine: &Arc<Engine>,
    ) -> Result<Self, String> {
        let missing = |error: wasmtime::Error| {
            format!("it doesn't fit this pingmon's interface (pingmon:check 1.0): {error:#}").replace('\n', " ")
        };
        let instances = engine.linker.instantiate_pre(component).and_then(CheckPre::new).map_err(missing)?;
        let said = describe(name, &instances, engine).await.map_err(|broken| match broken {
            // That a record is another one shows when the first instance is made.
            Broken::Trapped(error) if !verdict::is_trap(&error) => missing(error),
            broken => broken.explain().1,
        })?;
        let texts = [&said.name, &said.version, &said.description];
        if texts.iter().any(|text| text.len() > MAX_TEXT) {
            return Err(format!("its name, version or description has more than {MAX_TEXT} bytes"));
        }
        let config_schema: Value = serde_json::from_str(&said.config_schema)
            .map_err(|error| format!("the schema of its config isn't JSON: {error}"))?;
        let schema =
            Schema::compile("config-schema", Value::String(said.config_schema)).map_err(|error| error.to_string())?;
        let wanted = said.wants.iter().map(|want| want.capability).collect();
        let wants = said.wants.into_iter();
        let info = Info {
            name: name.to_owned(),
            title: said.name,
            version: said.version,
            description: said.description,
            wants: wants.map(|want| Want { capability: field(want.capability), reason: want.reason }).collect(),
            config_schema,
            sha256: hex_sha256(wasm),
            size: wasm.len(),
        };
        Ok(Self { info, wanted, schema, instances, engine: Arc::clone(engine) })
    }

    /// Refuses a config or a grant that the plug-in can't do with.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn accept(&self, config: &Value, standing: &Standing) -> Result<()> {
        if let Some((place, reason)) = self.schema.misfit(config) {
            return Err(Error::config(dotted(&place), reason));
        }
        let missing = self.wanted.iter().position(|capability| !standing.grant.gives(*capability));
        match missing.and_then(|index| self.info.wants.get(index)) {
            Some(want) => {
                let reason = format!("the plug-in can't do without: {}; grant it what it may reach", want.reason);
                Err(Error::config(format!("grant.{}", want.capability), reason))
            }
            None => Ok(()),
        }
    }

    /// Why the plug-in refuses a monitor's table of the kind `wasm`, if it does: the field and what is wrong with it. What
    /// is granted isn't looked at.
    pub fn refuses(&self, table: &Value) -> Option<String> {
        let (place, reason) = self.schema.misfit(table.get("config").unwrap_or(&json!({})))?;
        Some(format!("{}: {reason}", dotted(&place)))
    }

    /// Runs once, in an instance of its own. Always ends a little before the timeout.
    pub(super) async fn run(&self, standing: &Arc<Standing>, config: &str, cx: &CheckContext) -> Outcome {
        let started = Instant::now();
        let limit = own_limit(cx.timeout);
        let span = Span { started_at: cx.started_at, started, deadline: started + own_limit(limit) };
        let mut session = Session::new(Arc::clone(standing), Arc::clone(&cx.name), span, &self.engine.settings);
        session.state = State::of(cx);
        let context = types::Context {
            monitor: cx.name.to_string(),
            slot: u64::try_from(cx.slot.as_micros()).unwrap_or_default(),
            timeout: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
        };
        let mut store = self.engine.store(session);
        let ended = match timeout_at(started + limit, self.engine.slots.acquire()).await {
            Err(_) | Ok(Err(_)) => Err(Broken::Crowded(limit)),
            Ok(Ok(_slot)) => {
                let _ticking = self.engine.ticker.run();
                let call = async {
                    let instance = self.instances.instantiate_async(&mut store).await?;
                    instance.pingmon_check_guest().call_run(&mut store, config, &context).await
                };
                flatten(timeout_at(started + limit, call).await, limit)
            }
        };
        let Session { metrics, errors, state, .. } = store.into_data();
        let mut outcome = match ended {
            Ok(Ok(found)) => {
                let mut outcome = verdict::outcome(found);
                outcome.keep = state.into_keep();
                outcome
            }
            Ok(Err(error)) => verdict::unknown(&Broken::Refused(error), ""),
            Err(broken) => verdict::unknown(&broken, &String::from_utf8_lossy(&errors.contents())),
        };
        outcome.metrics.splice(..0, metrics);
        redact::outcome(outcome, &standing.grant)
    }
}

/// Asks a plug-in what it is, with nothing granted.
async fn describe(name: &str, instances: &CheckPre<Session>, engine: &Engine) -> Result<types::Info, Broken> {
    let limit = Duration::from_secs(engine.settings.describe_seconds.into());
    let started = Instant::now();
    let span = Span { started_at: Timestamp::default(), started, deadline: started + limit };
    let standing = Standing { plugin: name.into(), ..Standing::default() };
    let mut store = engine.store(Session::new(Arc::new(standing), "".into(), span, &engine.settings));
    let _ticking = engine.ticker.run();
    let call = async {
        let instance = instances.instantiate_async(&mut store).await?;
        instance.pingmon_check_guest().call_describe(&mut store).await
    };
    flatten(timeout_at(started + limit, call).await, limit)
}

fn flatten<T>(ended: Result<wasmtime::Result<T>, tokio::time::error::Elapsed>, limit: Duration) -> Result<T, Broken> {
    ended.map_err(|_| Broken::Late(limit))?.map_err(Broken::Trapped)
}

impl Engine {
    /// The memory and the limits of one run.
    fn store(&self, session: Session) -> Store<Session> {
        let mut store = Store::new(&self.wasmtime, session);
        store.limiter(|session| &mut session.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(self.settings.max_output);
        if let Some(fuel) = self.settings.fuel {
            // Fuel is counted when it's given, so it can be set.
            let _ = store.set_fuel(fuel);
        }
        store
    }
}

/// Where a monitor grants a capability.
const fn field(capability: Capability) -> &'static str {
    match capability {
        Capability::Http => "http",
        Capability::Tcp => "tcp",
        Capability::Dns => "dns",
        Capability::Secret => "secrets",
    }
}

/// A JSON pointer into a plug-in's config as the path of the field: `config.queues[0].name`.
fn dotted(pointer: &str) -> String {
    let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    steps.fold("config".to_owned(), |path, step| match step.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) => format!("{path}.{step}"),
    })
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
