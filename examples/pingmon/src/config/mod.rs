//! The config file: from its text to monitors, notifiers and settings, or to every error in it at once.
//!
//! Syntax first (`document`), then references (`env`), then structure by the schema (`schema`, `structure`), then
//! meaning (`validate`). Later steps look at what earlier ones left standing, so that each flaw is said once.

mod circle;
mod definition;
mod document;
mod env;
mod file;
mod finding;
mod locate;
mod maintenance;
mod own;
mod path;
mod plugins;
pub(crate) mod quickstart;
mod schema;
mod structure;
mod suggest;
mod telling;
#[cfg(test)]
mod tests;
mod validate;
mod window;

use std::{collections::BTreeMap, sync::Arc};

use pingmon_checks::wasm::{self, Plugins};
use pingmon_core::{
    channel::Channel,
    check::CheckKind,
    dial::DialPolicy,
    engine::guard::Guarded,
    error::{Error, Result},
    maintenance::Maintenance,
    monitor::Definition,
    route::Route,
};
use pingmon_notify::heartbeat;
use serde_json::Value;

use self::{document::Document, finding::Findings, structure::Structure, validate::Reader};
pub(crate) use self::{
    env::Environment,
    file::{Dial, Heartbeat, Store, Web, Worker},
    finding::Problems,
    locate::{Source, find},
    plugins::{apart, beside, compiler, read as read_component, read_signature},
    suggest::hint,
};
use crate::kinds::Kinds;

/// A config that was found good.
pub(crate) struct Config {
    /// Where references to secrets lead.
    pub(crate) environment: Environment,
    /// What the process is set up with at its start.
    pub(crate) settings: Settings,
    /// The kinds that build checks, bound to the file's dial policy.
    pub(crate) checks: Vec<Arc<dyn CheckKind>>,
    /// The plug-ins that those of the kind `wasm` run.
    pub(crate) plugins: Plugins,
    /// The channels by name.
    pub(crate) notifiers: BTreeMap<String, Channel>,
    /// The monitors in the order of the file.
    pub(crate) monitors: Vec<Planned>,
    /// When monitors are worked on.
    pub(crate) maintenances: Vec<Maintenance>,
    /// Who else is told of them.
    pub(crate) routes: Vec<Route>,
}

impl Config {
    /// Builds the check of a monitor, its references to secrets resolved.
    ///
    /// # Errors
    /// When a reference leads nowhere any more.
    pub(crate) fn build(&self, definition: &Definition) -> Result<Guarded> {
        let kind = self.checks.iter().find(|kind| kind.name() == definition.kind.as_str());
        let kind = kind.ok_or_else(|| Error::not_found(format!("the check kind \"{}\"", definition.kind)))?;
        let config = self.environment.resolve_config(&definition.kind, &definition.config)?;
        Ok(Guarded::new(kind.build(&config)?, kind.isolation()))
    }
}

/// What can't change while the process runs.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) store: Store,
    pub(crate) web: Web,
    pub(crate) worker: Worker,
    pub(crate) dial: Dial,
    pub(crate) heartbeat: Option<Heartbeat>,
}

impl Settings {
    /// What sends signs of life, if that is wanted.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that can't be meant.
    pub(crate) fn heartbeat(&self) -> Result<Option<heartbeat::Heartbeat>> {
        let policy = DialPolicy::from(self.dial.clone());
        let open =
            |Heartbeat { url, every }: &Heartbeat| heartbeat::Heartbeat::new(&url.as_str().into(), every.0, &policy);
        self.heartbeat.as_ref().map(open).transpose()
    }
}

/// A monitor of the file.
#[derive(Clone)]
pub(crate) struct Planned {
    /// As it is stored: references to secrets unresolved.
    pub(crate) definition: Definition,
    /// Whether it is run.
    pub(crate) enabled: bool,
}

/// Reads a config. `kinds` is asked for the kinds once the file's dial policy and plug-ins are known; what `former` plug-ins
/// have compiled is used again.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(
    source: &Source,
    former: Option<&Plugins>,
    kinds: impl Fn(&DialPolicy, &Plugins) -> Result<Kinds>,
) -> Result<Config, Problems> {
    // The tree is read anew if there is something to locate: a config of 100,000 monitors is large, and mostly good.
    let (mut config, unreadable) = Document::parse(&source.name, &source.text)?.to_json();
    let mut findings = Findings::default();
    unreadable.into_iter().for_each(|finding| findings.add(finding));
    let references = source.environment.resolve(&mut config, &mut findings);
    prune(&mut config, &findings);

    let mut reader = Reader::new(&config);
    let (store, web) = (reader.section("store").unwrap_or_default(), reader.section("web").unwrap_or_default());
    let dial = own::policy(reader.section("dial").unwrap_or_default(), &store, &web);
    let whole = |error: Error| Problems::whole(&source.name, error.chain());
    let declared = plugins::load(&config, former, &source.environment, &mut findings).map_err(whole)?;
    let kinds = kinds(&dial, &declared.plugins).map_err(whole)?;
    let structure = Structure::new(schema::resolved(&kinds)).map_err(|error| Problems::whole(&source.name, error))?;
    structure.judge(&config).into_iter().for_each(|finding| findings.add_unless_covered(finding));
    prune(&mut config, &findings);
    declared.prune(&mut config);

    match validate::read(&config, &references, &kinds, &mut findings) {
        Some(read) if findings.is_empty() => Ok(Config {
            environment: source.environment.clone(),
            settings: read.settings,
            checks: kinds.checks.into_values().collect(),
            plugins: declared.plugins,
            notifiers: read.notifiers,
            monitors: read.monitors,
            maintenances: read.maintenances,
            routes: read.routes,
        }),
        _ => Err(Document::parse(&source.name, &source.text)?.locate(findings.list())),
    }
}

/// The JSON Schema of the config file.
///
/// # Errors
/// When this host's TLS roots can't be used.
pub(crate) fn json_schema() -> Result<Value> {
    let plugins = Plugins::new(wasm::Settings::default(), compiler())?;
    Ok(schema::written(&Kinds::new(&DialPolicy::open(), &plugins)?))
}

/// Takes out what is known to be wrong; monitors and notifiers keep their place.
fn prune(config: &mut Value, findings: &Findings) {
    for finding in findings.list() {
        if finding.path.item() != finding.path || finding.path.steps().len() == 1 {
            finding.path.prune(config);
        }
    }
}
