//! The plug-ins that a config declares, loaded: read, held against their hashes, compiled and asked what they are.

use std::{collections::HashSet, fs::File, io::Read, path::PathBuf, thread};

use pingmon_checks::wasm::{self, Compiler, Plugins, Settings};
use pingmon_core::{
    check::parse_config,
    error::{Error, Result},
};
use serde_json::Value;

use super::{
    env::Environment,
    file,
    finding::{Finding, Findings},
    path::Path,
};

/// Most bytes of a file with a signature.
const MAX_SIGNATURE: u64 = 1_000;

/// What became of the plug-ins of a file.
pub(super) struct Declared {
    pub(super) plugins: Plugins,
    /// The names of those that can't be used.
    failed: HashSet<String>,
}

/// This program itself compiles plug-ins, in a process of its own.
pub(crate) fn compiler() -> Compiler {
    // The link leads to the program that runs, even after an update has replaced its file.
    let linux = PathBuf::from("/proc/self/exe");
    let program = if linux.exists() { linux } else { std::env::current_exe().unwrap_or_default() };
    Compiler::Process { program, arguments: vec!["compile-plugin".into()] }
}

/// Loads what a config declares. What can't be loaded becomes a finding; what `former` ones have compiled is used again.
///
/// # Errors
/// When this machine can't run plug-ins.
pub(super) fn load(
    config: &Value,
    former: Option<&Plugins>,
    environment: &Environment,
    findings: &mut Findings,
) -> Result<Declared> {
    let read = config.get("wasm").map(parse_config::<Settings>).transpose();
    // What is wrong with the section, the structure says.
    let mut settings = read.ok().flatten().unwrap_or_default();
    settings.cache = settings.cache.map(|cache| environment.path(&cache));
    let table = |settings| match former {
        Some(former) => former.again(settings),
        None => Plugins::new(settings, compiler()),
    };
    let plugins = match table(settings) {
        Ok(plugins) => plugins,
        Err(error) => {
            distrust(error, config, findings);
            table(Settings::default())?
        }
    };
    let mut declared = Declared { plugins, failed: HashSet::new() };
    let items: Vec<_> = config.get("plugin").and_then(Value::as_array).into_iter().flatten().enumerate().collect();
    if items.is_empty() {
        // Who declares none may name any of the store.
        declared.plugins.expect_any();
    }
    let mut names = HashSet::new();
    for (index, item) in items {
        let Ok(plugin) = parse_config::<file::Plugin>(item) else { continue };
        let path = Path::new(["plugin"]).to(index);
        if !names.insert(plugin.name.clone()) {
            findings.add(Finding::new(path.to("name"), format!("\"{}\" is taken: names are to differ", plugin.name)));
            continue;
        }
        if let Err((field, reason)) = declared.add(&plugin, environment) {
            findings.add_unless_covered(Finding::new(path.to(field), reason));
            declared.failed.insert(plugin.name);
        }
    }
    Ok(declared)
}

/// Says which key can't be meant; what else is wrong with the settings, the structure says.
fn distrust(error: Error, config: &Value, findings: &mut Findings) {
    if let Error::Config { field, reason } = error
        && field.starts_with("wasm.trust")
    {
        findings.add_unless_covered(Finding::new(Path::default().join_dotted(&field, config), reason));
    }
}

type Refusal = (&'static str, String);

impl Declared {
    fn add(&self, plugin: &file::Plugin, environment: &Environment) -> std::result::Result<(), Refusal> {
        let Some(file) = &plugin.file else {
            if plugin.signature.is_some() {
                return Err((
                    "signature",
                    "is that of a `file`: the store has its own, see `pingmon plugin add`".to_owned(),
                ));
            }
            self.plugins.expect(&plugin.name, plugin.sha256.clone());
            return Ok(());
        };
        let file = environment.path(file.as_ref());
        let unreadable = |reason| ("file", format!("{}: {reason}", file.display()));
        let component = read(&file, self.plugins.settings().max_file).map_err(unreadable)?;
        let beside = if self.plugins.settings().trust.is_empty() { None } else { signature_beside(&file)? };
        let signature = plugin.signature.as_ref().or(beside.as_ref()).map(String::as_str);
        match apart(self.plugins.load_signed(&plugin.name, &component, plugin.sha256.as_deref(), signature)) {
            Ok(loaded) => self.plugins.install(loaded),
            Err(Error::Config { field, reason }) if field == "sha256" => return Err(("sha256", reason)),
            // That it is missing has no place of its own.
            Err(Error::Config { field, reason }) if field == "signature" && plugin.signature.is_some() => {
                return Err(("signature", reason));
            }
            Err(Error::Config { reason, .. }) => return Err(("file", reason)),
            Err(error) => return Err(("file", error.chain())),
        }
        Ok(())
    }

    /// Takes out the tables of monitors and notifiers whose plug-in can't be used: that was said already.
    pub(super) fn prune(&self, config: &mut Value) {
        for list in ["monitor", "notifier"] {
            let users = config.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            for user in users.filter_map(Value::as_object_mut) {
                let plugin = user.get("wasm").and_then(|wasm| wasm.get("plugin")).and_then(Value::as_str);
                if plugin.is_some_and(|plugin| self.failed.contains(plugin)) {
                    user.remove("wasm");
                }
            }
        }
    }
}

/// The signature in the file beside a component, if there is one.
fn signature_beside(component: &std::path::Path) -> std::result::Result<Option<String>, Refusal> {
    let file = beside(component);
    if !file.exists() {
        return Ok(None);
    }
    read_signature(&file).map(Some).map_err(|reason| ("file", format!("{}: {reason}", file.display())))
}

/// Where the signature of a component lies unless it's named: `queue.wasm.sig`.
pub(crate) fn beside(component: &std::path::Path) -> PathBuf {
    let mut file = component.as_os_str().to_owned();
    file.push(".sig");
    file.into()
}

/// Reads a signature.
pub(crate) fn read_signature(file: &std::path::Path) -> std::result::Result<String, String> {
    let mut text = Vec::new();
    let opened = File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    opened.take(MAX_SIGNATURE).read_to_end(&mut text).map_err(|error| format!("can't be read: {error}"))?;
    wasm::signature(&text)
}

/// Reads a component, which has at most `most` bytes.
pub(crate) fn read(file: &std::path::Path, most: usize) -> std::result::Result<Vec<u8>, String> {
    let mut component = Vec::new();
    let opened = File::open(file).map_err(|error| format!("can't be read: {error}"))?;
    let most = most as u64;
    opened.take(most + 1).read_to_end(&mut component).map_err(|error| format!("can't be read: {error}"))?;
    (component.len() as u64 <= most)
        .then_some(component)
        .ok_or_else(|| format!("has more than {most} bytes (wasm.max_file)"))
}

/// Does what waits for others to its end, wherever we are: on a thread of its own.
pub(crate) fn apart<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let broken = |error: &dyn std::fmt::Display| Error::probe(format!("plug-ins can't be loaded: {error}"));
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| broken(&error))?.block_on(work)
    };
    thread::scope(|scope| match scope.spawn(run).join() {
        Ok(done) => done,
        Err(_) => Err(broken(&"it broke")),
    })
}
