//! The meaning of a config: ranges, names, schedules, and whether each kind can build what its table says. Looks at what
//! the structure left standing.

mod rules;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use pingmon_core::{
    channel::{Channel, ChannelPolicy},
    check::parse_config,
    error::{Error, Result},
    maintenance::Maintenance,
    monitor::{Definition, MAX_NAME},
    notification::Step,
    route::Route,
    schedule::MAX_INTERVAL,
    time::Span,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Planned, Settings,
    circle::circles,
    definition::{definition, inherit},
    env::References,
    file,
    finding::{Finding, Findings, shorten},
    path::Path,
    suggest,
    telling::Quiet,
};
use crate::{kinds::Kinds, store};

/// Everything that a file says.
pub(super) struct Everything {
    pub(super) settings: Settings,
    pub(super) notifiers: BTreeMap<String, Channel>,
    pub(super) monitors: Vec<Planned>,
    pub(super) maintenances: Vec<Maintenance>,
    pub(super) routes: Vec<Route>,
}

/// What notifiers have that is a matter of how they are used.
const CHANNEL_POLICY: [&str; 4] = ["rate", "breaker", "group", "digest"];
/// How often a monitor runs that doesn't say.
const INTERVAL: Duration = Duration::from_secs(60);

/// Reads the whole config, of which `references` were resolved. None, or findings, or both, when something is wrong.
pub(super) fn read(
    config: &Value,
    references: &References,
    kinds: &Kinds,
    findings: &mut Findings,
) -> Option<Everything> {
    let mut reader = Reader { config, findings: std::mem::take(findings) };
    let settings = reader.settings(kinds);
    let notifiers = reader.notifiers(kinds);
    let monitors = reader.monitors(references, kinds);
    let (maintenances, routes) = (reader.maintenances(), reader.routes());
    *findings = reader.findings;
    Some(Everything { settings: settings?, notifiers, monitors, maintenances, routes })
}

/// A config under examination.
pub(super) struct Reader<'c> {
    config: &'c Value,
    findings: Findings,
}

impl<'c> Reader<'c> {
    /// A reader that hasn't found anything yet.
    pub(super) fn new(config: &'c Value) -> Self {
        Self { config, findings: Findings::default() }
    }

    /// Reads one section.
    pub(super) fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> Option<T> {
        match self.config.get(name) {
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
        let web: Option<file::Web> = self.section("web");
        let (worker, dial) = (self.section("worker"), self.section("dial"));
        let heartbeat = self.section("heartbeat");
        if let Some(Err(reason)) = store.as_ref().map(|store| store::check_url(&store.url)) {
            self.findings.add_unless_covered(Finding::new(Path::new(["store", "url"]), reason));
        }
        if let Some(Err(Error::Config { field, reason })) = web.as_ref().map(file::Web::signer) {
            self.findings.add_unless_covered(Finding::new(Path::new(["web"]).to(field), reason));
        }
        if let Some(worker) = &worker {
            self.worker(worker, kinds);
        }
        let settings = Settings { store: store?, web: web?, worker: worker?, dial: dial?, heartbeat: heartbeat? };
        if let Err(Error::Config { field, reason }) = settings.heartbeat() {
            self.findings.add_unless_covered(Finding::new(Path::new(["heartbeat"]).to(field), reason));
        }
        Some(settings)
    }

    fn worker(&mut self, worker: &file::Worker, kinds: &Kinds) {
        let path = Path::new(["worker"]);
        for kind in worker.kinds.keys().filter(|kind| !kinds.checks.contains_key(*kind)) {
            let hint = suggest::hint(kind, kinds.checks.keys().map(String::as_str));
            self.findings.add(Finding::of_key(path.to("kinds").to(kind), format!("unknown check kind, {hint}")));
        }
        let (hour, century) = (Duration::from_secs(3_600), Duration::from_secs(100 * 366 * 86_400));
        self.range(path.to("lease"), worker.lease, Duration::from_secs(1), Duration::from_secs(600));
        self.range(path.to("poll"), worker.poll, Duration::from_millis(10), Duration::from_secs(60));
        self.range(path.to("grace"), worker.grace, Duration::ZERO, Duration::from_secs(600));
        self.range(path.to("retention").to("results"), worker.retention.results, hour, century);
        self.range(path.to("retention").to("incidents"), worker.retention.incidents, hour, century);
    }

    fn range(&mut self, path: Path, span: Span, least: Duration, most: Duration) {
        if !(least..=most).contains(&span.0) {
            let message = format!("{span} is out of range: from {} to {}", Span(least), Span(most));
            self.findings.add_unless_covered(Finding::new(path, message));
        }
    }

    fn notifiers(&mut self, kinds: &Kinds) -> BTreeMap<String, Channel> {
        let mut notifiers = BTreeMap::new();
        let mut names = HashMap::new();
        for (path, table) in self.items("notifier") {
            let Some(name) = self.name(&path, table, &mut names) else { continue };
            let policy = self.exhaust(part(table, &CHANNEL_POLICY), &path, |policy| {
                let policy: ChannelPolicy = parse_config(policy)?;
                policy.validate().map(|()| policy)
            });
            let timing =
                self.exhaust(part(table, &Quiet::FIELDS), &path, |quiet| parse_config::<Quiet>(quiet)?.compile());
            let Some((kind, config)) = kinds.notifiers.iter().find_map(|(kind, build)| Some((build, table.get(kind)?)))
            else {
                continue;
            };
            let built = self.exhaust(config.clone(), &path.to(kind.name()), |config| kind.build(config));
            let channel = built.zip(policy).zip(timing);
            let channel =
                channel.map(|((notifier, policy), timing)| Channel::new(notifier).policy(policy).timing(timing));
            if let Some(Err(Error::Config { field, reason })) = channel.as_ref().map(Channel::validate) {
                self.findings.add_unless_covered(Finding::new(path.to(field), reason));
            }
            notifiers.extend(channel.map(|channel| (name.to_owned(), channel)));
        }
        notifiers
    }

    fn monitors(&mut self, references: &References, kinds: &Kinds) -> Vec<Planned> {
        let channels = self.unrouted();
        let [told, known] = ["notifier", "monitor"].map(|what| HashSet::from_iter(self.names_of(what)));
        let escalations = self.escalations(&told);
        let defaults = self.defaults(&escalations);
        let (mut monitors, mut paths) = (Vec::new(), Vec::new());
        let mut names = HashMap::new();
        for (path, own) in self.items("monitor") {
            let named = self.name(&path, own, &mut names).is_some();
            let (table, inherited) = inherit(own, &defaults);
            let interval = self.interval(&path, &table);
            let read = |table: &Value| definition(table, &inherited, interval, &channels, &escalations);
            self.references(&path, &table, "notify", &told);
            self.references(&path, &table, "depends_on", &known);
            let definition = self.exhaust(table, &path, read);
            let Some((kind, config)) = kinds.checks.values().find_map(|kind| Some((kind, own.get(&*kind.name())?)))
            else {
                continue;
            };
            let config_path = path.to(kind.name());
            // Built to see whether it can be; whoever runs it builds it again.
            let good = self.exhaust(config.clone(), &config_path, |config| kind.build(config).map(drop)).is_some();
            let (Some((mut definition, enabled)), true, true) = (definition, good, named) else { continue };
            definition.kind = kind.name().into_owned();
            definition.config = references.restore(&config_path, config.clone());
            self.limits(&path, &definition);
            monitors.push(Planned { definition, enabled });
            paths.push(path);
        }
        self.circles(&monitors, &paths);
        monitors
    }

    /// The steps of each escalation, good or bad: the monitors that name a bad one have no error of their own.
    fn escalations(&mut self, channels: &HashSet<&str>) -> BTreeMap<&'c str, Vec<Step>> {
        let mut escalations = BTreeMap::new();
        let mut names = HashMap::new();
        for (path, table) in self.items("escalation") {
            let Some(name) = self.name(&path, table, &mut names) else { continue };
            let steps = table.get("steps").and_then(Value::as_array).into_iter().flatten().enumerate();
            steps.for_each(|(n, step)| self.references(&path.to("steps").to(n), step, "notify", channels));
            let read = |table: &Value| {
                let escalation: file::Escalation = parse_config(table)?;
                let of_all = Definition::new("unchecked", "unchecked").escalation(escalation.steps.clone());
                let steps = |error| {
                    if let Error::Config { reason, .. } = error { Error::config("steps", reason) } else { error }
                };
                of_all.validate().map_err(steps).map(|()| escalation.steps)
            };
            escalations.insert(name, self.exhaust(Value::Object(table.clone()), &path, read).unwrap_or_default());
        }
        escalations
    }

    /// Refuses monitors that depend on each other in a circle.
    fn circles(&mut self, monitors: &[Planned], paths: &[Path]) {
        let definitions = || monitors.iter().map(|planned| &planned.definition);
        let depends_on: Vec<_> =
            definitions().map(|monitor| (monitor.name.as_str(), monitor.depends_on.as_slice())).collect();
        for circle in circles(&depends_on) {
            let at = definitions().position(|monitor| circle.first() == Some(&monitor.name.as_str()));
            let Some(path) = at.and_then(|at| paths.get(at)) else { continue };
            let way: Vec<_> = circle.into_iter().map(shorten).collect();
            let message = format!("goes in a circle: {}", way.join(" -> "));
            self.findings.add(Finding::new(path.to("depends_on"), message));
        }
    }

    /// The defaults as far as they are good; what is wrong with them is said once, not for each monitor.
    fn defaults(&mut self, escalations: &BTreeMap<&str, Vec<Step>>) -> Map<String, Value> {
        let path = Path::new(["defaults"]);
        let Some(table @ Value::Object(_)) = self.config.get("defaults") else { return Map::new() };
        let interval = self.interval(&path, table);
        let read = |table: &Value| definition(table, &Map::new(), interval, &[], escalations).map(|_| table.clone());
        match self.exhaust(table.clone(), &path, read) {
            Some(Value::Object(table)) => table,
            _ => Map::new(),
        }
    }

    /// The interval of a monitor as long as it gives none that is good: the usual one, or the longest when it does give
    /// one, so that nothing is measured against a number nobody wrote.
    fn interval(&self, path: &Path, table: &Value) -> Duration {
        let gives = |key: &str| table.get(key).is_some() || self.findings.covers(&path.to(key));
        if gives("every") || gives("cron") { MAX_INTERVAL } else { INTERVAL }
    }

    /// The tables of a list of monitors or notifiers, each with its path.
    fn items(&self, what: &'static str) -> impl Iterator<Item = (Path, &'c Map<String, Value>)> + use<'c> {
        let items = self.config.get(what).and_then(Value::as_array);
        let items = items.into_iter().flatten().enumerate();
        items.filter_map(move |(index, item)| Some((Path::new([what]).to(index), item.as_object()?)))
    }

    /// The names of all notifiers or monitors, good and bad, so that a reference to a bad one is no second error.
    fn names_of(&self, what: &'static str) -> Vec<&'c str> {
        self.items(what).filter_map(|(_, table)| table.get("name")?.as_str()).collect()
    }

    /// The name of an item, if it has a good one that no item before it has.
    fn name<'n>(
        &mut self,
        path: &Path,
        table: &'n Map<String, Value>,
        names: &mut HashMap<&'n str, Path>,
    ) -> Option<&'n str> {
        let name = table.get("name")?.as_str()?;
        if let Err(reason) = good_name(name) {
            self.findings.add_unless_covered(Finding::new(path.to("name"), reason));
            return None;
        }
        if let Some(first) = names.get(name) {
            let message = format!("\"{}\" is taken: names are to differ", shorten(name));
            self.findings.add(Finding::new(path.to("name"), message).see(first.to("name")));
            return None;
        }
        names.insert(name, path.clone());
        Some(name)
    }

    /// Looks whether what a field refers to by name is there: notifiers, or monitors.
    fn references(&mut self, path: &Path, table: &Value, field: &str, known: &HashSet<&str>) {
        let what = if field == "notify" { "notifier" } else { "monitor" };
        let names = table[field].as_array().into_iter().flatten().enumerate();
        for (index, name) in names.filter_map(|(index, name)| Some((index, name.as_str()?))) {
            if !known.contains(name) {
                let hint = suggest::hint(name, known.iter().copied());
                let message = format!("no {what} is named \"{}\", {hint}", shorten(name));
                self.findings.add(Finding::new(path.to(field).to(index), message));
            }
        }
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

/// What a table says in these fields.
fn part(table: &Map<String, Value>, fields: &[&str]) -> Value {
    let fields = table.iter().filter(|(key, _)| fields.contains(&key.as_str()));
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
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
