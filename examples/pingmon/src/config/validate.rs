//! The meaning of a config: ranges, names, schedules, and whether each kind can build what its table says. Looks at what
//! the structure left standing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use pingmon_core::{
    check::parse_config,
    error::{Error, Result},
    monitor::{Definition, MAX_NAME, Origin},
    notifier::Notifier,
    policy::Policy,
    schedule::{MAX_INTERVAL, Schedule},
    time::Span,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Planned, Settings,
    document::Document,
    file,
    finding::{Finding, Findings, shorten},
    path::Path,
    suggest,
};
use crate::{kinds::Kinds, store};

/// Everything that a file says.
type Everything = (Settings, BTreeMap<String, Arc<dyn Notifier>>, Vec<Planned>);

/// What monitors have that is a matter of policy.
const POLICY: [&str; 7] =
    ["open_after", "close_after", "degraded_after", "unknown_after", "retry_every", "remind_every", "flap"];
/// How long a run may take unless something else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the whole config. None, or findings, or both, when something is wrong.
pub(super) fn read(
    written: &Value,
    resolved: &Value,
    kinds: &Kinds,
    document: &Document<'_>,
    findings: &mut Findings,
) -> Option<Everything> {
    let mut reader = Reader { resolved, findings: std::mem::take(findings) };
    let settings = reader.settings(kinds);
    let notifiers = reader.notifiers(kinds, document);
    let monitors = reader.monitors(written, kinds, notifiers.keys().map(String::as_str).collect(), document);
    *findings = reader.findings;
    Some((settings?, notifiers, monitors))
}

/// A config under examination.
pub(super) struct Reader<'c> {
    resolved: &'c Value,
    findings: Findings,
}

impl<'c> Reader<'c> {
    /// A reader that hasn't found anything yet.
    pub(super) fn new(resolved: &'c Value) -> Self {
        Self { resolved, findings: Findings::default() }
    }

    /// Reads one section.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> Option<T> {
        match self.resolved.get(name) {
            Some(section) => self.exhaust(section.clone(), &Path::new([name]), parse_config),
            None => Some(T::default()),
        }
    }

    /// Tries until nothing new is wrong, each time without the field that was at fault the time before.
    fn exhaust<T>(&mut self, mut value: Value, base: &Path, attempt: impl Fn(&Value) -> Result<T>) -> Option<T> {
        loop {
            let (field, reason) = match attempt(&value) {
                Ok(read) => return Some(read),
                Err(Error::Config { field, reason }) => (field, reason),
                Err(error) => ("config".to_owned(), error.chain()),
            };
            let field = if field == "config" { "" } else { &field };
            let path = base.join_dotted(field, &value);
            let below = path.below(base);
            self.findings.add_unless_covered(Finding::new(path, reason));
            if !below.prune(&mut value) {
                return None;
            }
        }
    }

    fn settings(&mut self, kinds: &Kinds) -> Option<Settings> {
        let store: Option<file::Store> = self.section("store");
        let (web, worker, dial) = (self.section("web"), self.section("worker"), self.section("dial"));
        if let Some(Err(reason)) = store.as_ref().map(|store| store::check_url(&store.url)) {
            self.findings.add_unless_covered(Finding::new(Path::new(["store", "url"]), reason));
        }
        if let Some(worker) = &worker {
            self.worker(worker, kinds);
        }
        Some(Settings { store: store?, web: web?, worker: worker?, dial: dial? })
    }

    fn worker(&mut self, worker: &file::Worker, kinds: &Kinds) {
        let path = Path::new(["worker"]);
        for kind in worker.kinds.keys().filter(|kind| !kinds.checks.contains_key(*kind)) {
            let hint = suggest::hint(kind, kinds.checks.keys().map(String::as_str));
            self.findings.add(Finding::of_key(path.to("kinds").to(kind), format!("unknown check kind, {hint}")));
        }
        let (hour, century) = (Duration::from_secs(3_600), Duration::from_secs(100 * 366 * 86_400));
        self.range(path.to("lease"), worker.lease, Duration::from_secs(1), Duration::from_secs(600));
        self.range(path.to("retention").to("results"), worker.retention.results, hour, century);
        self.range(path.to("retention").to("incidents"), worker.retention.incidents, hour, century);
    }

    fn range(&mut self, path: Path, span: Span, least: Duration, most: Duration) {
        if !(least..=most).contains(&span.0) {
            let message = format!("{span} is out of range: from {} to {}", Span(least), Span(most));
            self.findings.add_unless_covered(Finding::new(path, message));
        }
    }

    fn notifiers(&mut self, kinds: &Kinds, document: &Document<'_>) -> BTreeMap<String, Arc<dyn Notifier>> {
        let mut notifiers = BTreeMap::new();
        let mut names = HashMap::new();
        for (path, table) in self.items("notifier") {
            let Some(name) = self.name(&path, table, &mut names, document) else { continue };
            let Some((kind, config)) = kinds.notifiers.iter().find_map(|(kind, build)| Some((build, table.get(kind)?)))
            else {
                continue;
            };
            let built = self.build(&path, kind.name(), config, |config| kind.build(config));
            notifiers.extend(built.map(|notifier| (name.to_owned(), notifier)));
        }
        notifiers
    }

    fn monitors(
        &mut self,
        written: &Value,
        kinds: &Kinds,
        channels: Vec<&str>,
        document: &Document<'_>,
    ) -> Vec<Planned> {
        let defaults = self.defaults(written.get("defaults"));
        let channels = self.channel_names().unwrap_or(channels);
        let mut monitors = Vec::new();
        let mut names = HashMap::new();
        for (path, table) in self.items("monitor") {
            let named = self.name(&path, table, &mut names, document).is_some();
            let (table, inherited) = inherit(table, &defaults);
            let interval = fallback(path.get(written));
            let read = |table: &Value| definition(table, &inherited, interval, &channels);
            let definition = self.exhaust(table.clone(), &path, read);
            self.channels(&path, &table, &channels);
            let Some((kind, config)) = kinds.checks.iter().find_map(|(kind, build)| Some((build, table.get(kind)?)))
            else {
                continue;
            };
            // Built to see whether it can be; whoever runs it builds it again.
            let good = self.build(&path, &kind.name(), config, |config| kind.build(config).map(drop)).is_some();
            let (Some((mut definition, enabled)), true, true) = (definition, good, named) else { continue };
            definition.kind = kind.name().into_owned();
            definition.config = path.to(kind.name()).get(written).cloned().unwrap_or_default();
            self.limits(&path, &definition);
            monitors.push(Planned { definition, enabled });
        }
        monitors
    }

    /// The defaults as far as they are good; what is wrong with them is said once, not for each monitor.
    fn defaults(&mut self, written: Option<&Value>) -> Map<String, Value> {
        let Some(table @ Value::Object(_)) = self.resolved.get("defaults") else { return Map::new() };
        let read = |table: &Value| {
            definition(table, &Map::new(), fallback(written), &[])?;
            Ok(table.clone())
        };
        match self.exhaust(table.clone(), &Path::new(["defaults"]), read) {
            Some(Value::Object(table)) => table,
            _ => Map::new(),
        }
    }

    /// The tables of a list of monitors or notifiers, each with its path.
    fn items(&self, what: &'static str) -> impl Iterator<Item = (Path, &'c Map<String, Value>)> + use<'c> {
        let items = self.resolved.get(what).and_then(Value::as_array);
        let items = items.into_iter().flatten().enumerate();
        items.filter_map(move |(index, item)| Some((Path::new([what]).to(index), item.as_object()?)))
    }

    /// The names of all notifiers, good and bad, so that a reference to a bad one is no second error.
    fn channel_names(&self) -> Option<Vec<&'c str>> {
        let names: Vec<_> = self.items("notifier").filter_map(|(_, table)| table.get("name")?.as_str()).collect();
        (!names.is_empty()).then_some(names)
    }

    /// The name of an item, if it has a good one that no item before it has.
    fn name<'n>(
        &mut self,
        path: &Path,
        table: &'n Map<String, Value>,
        names: &mut HashMap<&'n str, Path>,
        document: &Document<'_>,
    ) -> Option<&'n str> {
        let name = table.get("name")?.as_str()?;
        if let Err(reason) = good_name(name) {
            self.findings.add_unless_covered(Finding::new(path.to("name"), reason));
            return None;
        }
        if let Some(first) = names.get(name) {
            let line = document.line(&first.to("name"));
            let message = format!("\"{}\" is taken by line {line}: names are to differ", shorten(name));
            self.findings.add(Finding::new(path.to("name"), message));
            return None;
        }
        names.insert(name, path.clone());
        Some(name)
    }

    fn channels(&mut self, path: &Path, table: &Value, channels: &[&str]) {
        let notify = table["notify"].as_array().into_iter().flatten().enumerate();
        for (index, name) in notify.filter_map(|(index, name)| Some((index, name.as_str()?))) {
            if !channels.contains(&name) {
                let hint = suggest::hint(name, channels.iter().copied());
                let message = format!("no notifier is named \"{}\", {hint}", shorten(name));
                self.findings.add(Finding::new(path.to("notify").to(index), message));
            }
        }
    }

    fn build<T>(&mut self, path: &Path, kind: &str, config: &Value, build: impl Fn(&Value) -> Result<T>) -> Option<T> {
        self.exhaust(config.clone(), &path.to(kind), build)
    }

    /// What the definition as a whole is refused for.
    fn limits(&mut self, path: &Path, definition: &Definition) {
        if let Err(Error::Config { field, reason }) = definition.validate() {
            let path =
                if field == "config" { path.to(&definition.kind) } else { path.join_dotted(&field, &Value::Null) };
            self.findings.add_unless_covered(Finding::new(path, reason));
        }
    }
}

/// A monitor's table over the defaults, and which of its settings come from them.
fn inherit(own: &Map<String, Value>, defaults: &Map<String, Value>) -> (Value, Map<String, Value>) {
    let is_overruled = |key: &str| own.contains_key(key) || (key == "every" && own.contains_key("cron"));
    let inherited: Map<_, _> = defaults
        .iter()
        .filter(|(key, _)| !is_overruled(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let table = own.iter().chain(&inherited).map(|(key, value)| (key.clone(), value.clone())).collect();
    (Value::Object(table), inherited)
}

/// What a monitor's table says and whether it is enabled. Everything is checked but its name and its kind's table.
fn definition(
    table: &Value,
    inherited: &Map<String, Value>,
    interval: Duration,
    channels: &[&str],
) -> Result<(Definition, bool)> {
    let part = |policy: bool| -> Value {
        let fields = table.as_object().into_iter().flatten();
        let fields = fields.filter(|(key, _)| POLICY.contains(&key.as_str()) == policy);
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    let monitor: file::Monitor = parse_config(&part(false))?;
    let policy: Policy = parse_config(&part(true))?;
    let schedule = schedule(&monitor, interval)?;
    let everyone = || channels.iter().map(|name| (*name).to_owned()).collect();
    let mut definition = Definition::new("unchecked", "unchecked")
        .timeout(timeout(&monitor, &schedule, inherited.contains_key("timeout")))
        .schedule(schedule)
        .policy(policy)
        .notify(monitor.notify.unwrap_or_else(everyone))
        .origin(Origin::new(Origin::FILE));
    definition.labels = monitor.labels;
    definition.validate()?;
    definition.name = monitor.name;
    Ok((definition, monitor.enabled))
}

/// The interval of a monitor that gives none: 60 s, or the longest when the one it gives is no good, so that nothing
/// else is measured against a number nobody wrote.
fn fallback(written: Option<&Value>) -> Duration {
    let gives = |key| written.is_some_and(|table| table.get(key).is_some());
    if gives("every") || gives("cron") { MAX_INTERVAL } else { Duration::from_secs(60) }
}

fn schedule(monitor: &file::Monitor, interval: Duration) -> Result<Schedule> {
    match (monitor.every, &monitor.cron) {
        (Some(_), Some(_)) => Err(Error::config("cron", "stands beside `every`: one of them is to stay")),
        (_, Some(cron)) => Schedule::cron(cron, monitor.timezone.as_deref().unwrap_or("UTC")),
        _ if monitor.timezone.is_some() => Err(Error::config("timezone", "has no meaning without `cron`")),
        (every, None) => Schedule::every(every.map_or(interval, |span| span.0)),
    }
}

/// What is given for this very monitor is taken at its word; what is general is shortened to the interval.
fn timeout(monitor: &file::Monitor, schedule: &Schedule, is_inherited: bool) -> Duration {
    let given = monitor.timeout.map(|span| span.0);
    match (given, schedule) {
        (Some(timeout), _) if !is_inherited => timeout,
        (_, Schedule::Every(Span(interval))) => given.unwrap_or(TIMEOUT).min(*interval),
        _ => given.unwrap_or(TIMEOUT),
    }
}

/// Refuses what can't be a name of a notifier or monitor.
fn good_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if name.chars().nth(MAX_NAME).is_some() {
        return Err(format!("\"{}\" is longer than {MAX_NAME} characters", shorten(name)));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("\"{}\" holds control characters", shorten(name)));
    }
    Ok(())
}
