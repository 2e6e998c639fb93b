//! A plug-in as one monitor or one channel uses it: what it's told, and what it may do.

use std::sync::{Arc, Mutex, PoisonError};

use pingmon_core::{
    check::parse_config,
    error::{Error, Result},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    grant::{Grant, GrantConfig},
    host::{Services, Standing},
    plugin::Plugin,
    plugins::Plugins,
    purpose::Purpose,
    verdict::Broken,
};

/// Runs a plug-in. It's declared by `[[plugin]]`; what it may do is granted here.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "wasm")]
pub(super) struct Config {
    /// The name of the plug-in.
    plugin: String,
    /// What the plug-in is told; `pingmon plugin inspect` says what may stand here.
    #[serde(default)]
    config: Map<String, Value>,
    /// What the plug-in may do beside computing.
    #[serde(default)]
    grant: GrantConfig,
}

/// A plug-in with a config that it accepts.
pub(super) struct Usage {
    purpose: Purpose,
    plugins: Plugins,
    /// What the config was checked against; it may have been replaced since, or not be there yet.
    accepted: Mutex<Option<Arc<Plugin>>>,
    config: Value,
    /// The config as the plug-in is told it.
    pub(super) told: String,
    pub(super) standing: Arc<Standing>,
}

impl Usage {
    /// Reads a config.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn build(purpose: Purpose, config: &Value, plugins: &Plugins, services: &Arc<Services>) -> Result<Self> {
        let config: Config = parse_config(config)?;
        let plugin = match plugins.get(&config.plugin) {
            Ok(plugin) => Some(plugin),
            Err(_) if plugins.may_come(&config.plugin) => None,
            Err(reason) => return Err(Error::config("plugin", reason)),
        };
        let standing = Standing {
            plugin: config.plugin.into(),
            grant: Grant::compile(config.grant)?,
            services: Some(Arc::clone(services)),
        };
        let (config, plugins) = (Value::Object(config.config), plugins.clone());
        if let Some(plugin) = &plugin {
            plugin.accept(purpose, &config, &standing.grant)?;
        }
        let (accepted, told) = (Mutex::new(plugin), config.to_string());
        Ok(Self { purpose, plugins, accepted, told, config, standing: Arc::new(standing) })
    }

    /// The plug-in as it is now.
    ///
    /// # Errors
    /// When it isn't there, or can't do with the config.
    pub(super) fn plugin(&self) -> Result<Arc<Plugin>, Broken> {
        let plugin = self.plugins.get(&self.standing.plugin).map_err(Broken::Missing)?;
        self.accept(&plugin).map_err(Broken::Unfit)?;
        Ok(plugin)
    }

    /// Holds the config against a plug-in that it wasn't held against yet.
    fn accept(&self, plugin: &Arc<Plugin>) -> Result<(), String> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted.as_ref().is_some_and(|accepted| Arc::ptr_eq(accepted, plugin)) {
            return Ok(());
        }
        plugin.accept(self.purpose, &self.config, &self.standing.grant).map_err(|error| match &*accepted {
            Some(_) => format!("the plug-in was replaced, and its new version refuses the config: {error}"),
            None => format!("the plug-in refuses the config: {error}"),
        })?;
        *accepted = Some(Arc::clone(plugin));
        Ok(())
    }
}
