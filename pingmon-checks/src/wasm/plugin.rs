//! A plug-in that is ready to run: compiled, linked, and asked what it is. Each run gets an instance of its own.

use std::{sync::Arc, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use wasmtime::{Store, component::Component};

use super::{
    bindings::pingmon::check::types::{self, Capability},
    engine::Engine,
    grant::Grant,
    host::{Session, Span, Standing},
    purpose::{Instances, Purpose},
    verdict::{self, Broken},
};
use crate::http::expect::schema::Schema;

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
    /// What it's for.
    pub purpose: Purpose,
    /// What it does.
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
    pub(super) instances: Instances,
    pub(super) engine: Arc<Engine>,
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
        sha256: String,
        size: usize,
        component: &Component,
        engine: &Arc<Engine>,
    ) -> Result<Self, String> {
        let missing = |error: wasmtime::Error| {
            format!("it doesn't fit this pingmon's interface (pingmon:check 1.0, pingmon:notify 1.0): {error:#}")
                .replace('\n', " ")
        };
        let instances = Instances::link(component, engine).map_err(missing)?;
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
            purpose: instances.purpose(),
            description: said.description,
            wants: wants.map(|want| Want { capability: field(want.capability), reason: want.reason }).collect(),
            config_schema,
            sha256,
            size,
        };
        Ok(Self { info, wanted, schema, instances, engine: Arc::clone(engine) })
    }

    /// Refuses a config or a grant that the plug-in can't do with.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn accept(&self, purpose: Purpose, config: &Value, grant: &Grant) -> Result<()> {
        if purpose != self.info.purpose {
            return Err(Error::config("plugin", self.unfit(purpose)));
        }
        if let Some((place, reason)) = self.schema.misfit(config) {
            return Err(Error::config(dotted(&place), reason));
        }
        let missing = self.wanted.iter().position(|capability| !grant.gives(*capability));
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

    /// Its compiled code.
    pub(super) fn component(&self) -> &Component {
        self.instances.component()
    }

    /// Why it can't be used for that.
    pub(super) fn unfit(&self, purpose: Purpose) -> String {
        format!("the plug-in \"{}\" is a {}, not a {purpose}", self.info.name, self.info.purpose)
    }
}

/// Asks a plug-in what it is, with nothing granted.
async fn describe(name: &str, instances: &Instances, engine: &Engine) -> Result<types::Info, Broken> {
    let started = Instant::now();
    let end = started + Duration::from_secs(engine.settings.describe_seconds.into());
    let span = Span { started_at: Timestamp::default(), started, deadline: end, end };
    let standing = Standing { plugin: name.into(), ..Standing::default() };
    let session = Session::new(Arc::new(standing), "".into(), span, &engine.settings);
    engine.call(session, span, async |store: &mut Store<Session>| instances.describe(store).await).await.0
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
