//! The `wasm` kind: checks that are WebAssembly components of the interface `pingmon:check` (`wit/check`), written by
//! anybody in any language.
//!
//! A plug-in reaches nothing but what its monitor grants, and can harm nobody: each run has an instance of its own, with
//! limits on memory, stack, time, calls and what it says. What becomes of one, room by room: `inspect` refuses what can't be
//! compiled or isn't ours, `compile` makes machine code in a process of its own, `cache` keeps it, `plugin` links it in an
//! `engine` and runs it; a run calls the `host`, which asks the `grant` first and counts down `limits`; `verdict` says what it
//! comes to, without secrets (`redact`).
//!
//! ```no_run
//! use pingmon_checks::wasm::{Compiler, Plugins, Settings, Wasm};
//! use pingmon_core::dial::DialPolicy;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plugins = Plugins::new(Settings::default(), Compiler::InProcess)?;
//! let component = std::fs::read("queue_depth.wasm")?;
//! plugins.install(plugins.load("queue-depth", &component, None).await?);
//! let kind = Wasm::new(DialPolicy::open(), plugins)?;
//! # Ok(())
//! # }
//! ```

mod bindings;
mod cache;
mod compile;
mod engine;
mod grant;
mod host;
mod inspect;
mod limits;
mod plugin;
mod plugins;
mod redact;
mod settings;
mod signature;
mod state;
mod stored;
mod ticker;
mod verdict;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, Isolation, parse_config},
    dial::DialPolicy,
    error::{Error, Result},
    outcome::Outcome,
};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::{
    compile::{Compiler, serve},
    plugin::{Info, Plugin, Want},
    plugins::Plugins,
    settings::Settings,
    signature::signature,
};
use self::{
    grant::{Grant, GrantConfig},
    host::{Services, Standing},
};
use crate::dial::{Dialer, resolver::Resolver};

/// Runs a plug-in. It's declared by `[[plugin]]`; what it may do is granted here.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "wasm")]
struct Config {
    /// The name of the plug-in.
    plugin: String,
    /// What the plug-in is told; `pingmon plugin inspect` says what may stand here.
    #[serde(default)]
    config: Map<String, Value>,
    /// What the plug-in may do beside computing.
    #[serde(default)]
    grant: GrantConfig,
}

/// The `wasm` kind.
pub struct Wasm {
    plugins: Plugins,
    services: Arc<Services>,
}

impl Wasm {
    /// The kind, running `plugins` and dialling what `policy` permits of what monitors grant.
    ///
    /// # Errors
    /// [`Error::Config`] when the system's TLS roots can't be used.
    pub fn new(policy: DialPolicy, plugins: Plugins) -> Result<Self> {
        Self::with_resolver(policy, Resolver::system(), plugins)
    }

    /// The same, asking `resolver` for the addresses of names.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_resolver(policy: DialPolicy, resolver: Resolver, plugins: Plugins) -> Result<Self> {
        Ok(Self { services: Arc::new(Services::new(Dialer::new(policy, resolver))?), plugins })
    }
}

impl CheckKind for Wasm {
    fn name(&self) -> Cow<'static, str> {
        "wasm".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config: Config = parse_config(config)?;
        let plugin = match self.plugins.get(&config.plugin) {
            Ok(plugin) => Some(plugin),
            Err(_) if self.plugins.may_come(&config.plugin) => None,
            Err(reason) => return Err(Error::config("plugin", reason)),
        };
        let standing = Standing {
            plugin: config.plugin.into(),
            grant: Grant::compile(config.grant)?,
            services: Some(Arc::clone(&self.services)),
            ..Standing::default()
        };
        let config = Value::Object(config.config);
        if let Some(plugin) = &plugin {
            plugin.accept(&config, &standing)?;
        }
        let text = config.to_string();
        Ok(Arc::new(WasmCheck {
            plugins: self.plugins.clone(),
            accepted: Mutex::new(plugin),
            config,
            text,
            standing: Arc::new(standing),
        }))
    }

    fn isolation(&self) -> Isolation {
        // A plug-in that computes is made to let others go on.
        Isolation::Cooperative
    }
}

struct WasmCheck {
    plugins: Plugins,
    /// What the config was checked against; it may have been replaced since, or not be there yet.
    accepted: Mutex<Option<Arc<Plugin>>>,
    config: Value,
    text: String,
    standing: Arc<Standing>,
}

#[async_trait]
impl Check for WasmCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let plugin = match self.plugins.get(&self.standing.plugin) {
            Ok(plugin) => plugin,
            Err(reason) => return Ok(Outcome::unknown(reason).evidence("error", "plugin_missing")),
        };
        if let Err(message) = self.accept(&plugin) {
            return Ok(Outcome::unknown(message).evidence("error", "plugin_config"));
        }
        Ok(plugin.run(&self.standing, &self.text, cx).await)
    }
}

impl WasmCheck {
    /// Holds the config against a plug-in that it wasn't held against yet.
    fn accept(&self, plugin: &Arc<Plugin>) -> Result<(), String> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.as_ref().is_some_and(|accepted| Arc::ptr_eq(accepted, plugin)) {
            return Ok(());
        }
        plugin.accept(&self.config, &self.standing).map_err(|error| match &*accepted {
            Some(_) => format!("the plug-in was replaced, and its new version refuses this monitor's config: {error}"),
            None => format!("the plug-in refuses this monitor's config: {error}"),
        })?;
        *accepted = Some(Arc::clone(plugin));
        Ok(())
    }
}
