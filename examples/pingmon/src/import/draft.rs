//! The config that comes out, and the list of what didn't make it.

use std::{collections::HashSet, time::Duration};

use pingmon_core::time::Span;
use toml::{Table, Value};

/// What a conversion has come to so far.
#[derive(Default)]
pub(crate) struct Draft {
    monitors: Vec<Table>,
    notifiers: Vec<Table>,
    names: HashSet<String>,
    /// What couldn't be carried over, one line each.
    pub(crate) notes: Vec<String>,
}

/// A monitor in the making: its own settings, and the table of its kind.
#[derive(Default)]
pub(super) struct Monitor {
    name: String,
    settings: Table,
    kind: (&'static str, Table),
    expect: Table,
    notes: Vec<String>,
}

impl Draft {
    /// Says of something that it isn't carried over, and why.
    pub(super) fn note(&mut self, what: &str, why: &str) {
        self.notes.push(format!("{what}: {why}"));
    }

    /// Says it of everything that is left of a table.
    pub(super) fn note_left(&mut self, of: &str, left: Vec<String>) {
        for key in left {
            self.note(&format!("{of}{key}"), "not known here");
        }
    }

    /// Adds a channel with the table of its kind.
    pub(super) fn notifier(&mut self, name: &str, kind: &str, settings: Table) {
        let mut notifier = Table::new();
        notifier.insert("name".to_owned(), name.into());
        notifier.insert(kind.to_owned(), settings.into());
        self.notifiers.push(notifier);
    }

    /// Adds a monitor; one whose name is taken gets a number.
    pub(super) fn monitor(&mut self, mut monitor: Monitor) {
        if !monitor.expect.is_empty() {
            monitor.kind.1.insert("expect".to_owned(), monitor.expect.into());
        }
        let numbered = (2..).map(|n| format!("{} {n}", monitor.name));
        let mut names = std::iter::once(monitor.name.clone()).chain(numbered);
        let name = names.find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(name.clone());
        self.notes.extend(monitor.notes.iter().map(|note| format!("monitor \"{name}\": {note}")));
        let mut table = Table::new();
        table.insert("name".to_owned(), name.into());
        table.extend(monitor.settings);
        table.insert(monitor.kind.0.to_owned(), monitor.kind.1.into());
        self.monitors.push(table);
    }

    /// How many monitors and notifiers there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.monitors.len(), self.notifiers.len())
    }

    /// The config file.
    pub(crate) fn to_toml(&self) -> String {
        let tables = |all: &[Table]| Value::Array(all.iter().cloned().map(Value::Table).collect());
        let mut file = Table::new();
        for (key, all) in [("notifier", &self.notifiers), ("monitor", &self.monitors)] {
            if !all.is_empty() {
                file.insert(key.to_owned(), tables(all));
            }
        }
        toml::to_string(&file).unwrap_or_default()
    }
}

impl Monitor {
    pub(super) fn new(name: &str) -> Self {
        let name = if name.trim().is_empty() { "unnamed" } else { name.trim() };
        Self { name: name.chars().take(190).collect(), ..Self::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sets something of the monitor itself.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.settings.insert(key.to_owned(), value.into());
    }

    /// Adds a label; empty ones say nothing.
    pub(super) fn label(&mut self, key: &str, value: &str) {
        if let Some(Value::Table(labels)) =
            (!value.is_empty()).then(|| self.settings.entry("labels").or_insert_with(|| Table::new().into()))
        {
            labels.insert(key.to_owned(), value.into());
        }
    }

    /// Sets how often it runs and how long a run may take: from a second on, and no longer than the interval.
    pub(super) fn timing(&mut self, every: Duration, timeout: Duration) {
        let every = every.max(Duration::from_secs(1));
        if timeout > every {
            self.note("timeout", "longer than the interval, shortened to it");
        }
        self.set("every", Span(every).to_string());
        self.set("timeout", Span(timeout.min(every).max(Duration::from_millis(1))).to_string());
    }

    /// Says of something of this monitor that it isn't carried over, and why.
    pub(super) fn note(&mut self, what: &str, why: &str) {
        self.notes.push(format!("{what}: {why}"));
    }

    /// Says it of everything that is left of a table.
    pub(super) fn note_left(&mut self, of: &str, left: Vec<String>) {
        for key in left {
            self.note(&format!("{of}{key}"), "not known here");
        }
    }

    /// Gives it its kind.
    pub(super) fn kind(&mut self, kind: &'static str) {
        self.kind.0 = kind;
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.0 == kind
    }

    /// Accepts any certificate.
    pub(super) fn trusting(&mut self) {
        match self.kind.0 {
            "http" => self.of_kind("tls", Table::from_iter([("verify".to_owned(), false.into())])),
            _ => self.of_kind("verify", false),
        }
    }

    /// Expects the certificate to stay valid for some days.
    pub(super) fn days_left(&mut self, level: &str, days: f64) {
        let days = Table::from_iter([(level.to_owned(), days.into())]);
        let days = Table::from_iter([("days_left".to_owned(), days.into())]);
        match self.kind.0 {
            "http" => drop(self.expect.insert("tls".to_owned(), days.into())),
            _ => self.expect.extend(days),
        }
    }

    /// Sets something in the table of its kind.
    pub(super) fn of_kind(&mut self, key: &str, value: impl Into<Value>) {
        self.kind.1.insert(key.to_owned(), value.into());
    }

    /// The expectations of its kind.
    pub(super) fn expect(&mut self) -> &mut Table {
        &mut self.expect
    }

    /// Adds a rule to a list of expectations.
    pub(super) fn rule<const N: usize>(&mut self, list: &str, rule: [(&str, Value); N]) {
        let rule: Table = rule.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if let Value::Array(rules) = self.expect().entry(list).or_insert_with(|| Value::Array(Vec::new())) {
            rules.push(rule.into());
        }
    }

    /// Sets the URL of an `http` monitor, with credentials in it moved to where they belong.
    pub(super) fn url(&mut self, url: &str) {
        let Some((scheme, rest)) = url.split_once("://") else { return self.of_kind("url", url) };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some((login, _)) = rest[..end].rsplit_once('@') else { return self.of_kind("url", url) };
        self.of_kind("url", format!("{scheme}://{}", &rest[login.len() + 1..]));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        self.basic(user, password);
    }

    /// Sets the login of an `http` monitor.
    pub(super) fn basic(&mut self, user: &str, password: &str) {
        let login = [("username", user), ("password", password)];
        let login: Table = login.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        self.of_kind("basic", login);
    }
}

/// Rewrites all texts of a file.
pub(super) fn rewrite(value: &mut serde_json::Value, with: &impl Fn(&str) -> String) {
    match value {
        serde_json::Value::String(text) => *text = with(text),
        serde_json::Value::Array(all) => all.iter_mut().for_each(|value| rewrite(value, with)),
        serde_json::Value::Object(all) => all.values_mut().for_each(|value| rewrite(value, with)),
        _ => {}
    }
}

/// A text as it stands in a config in which `${` begins a reference.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A length of time as Go writes it: `1h30m`, `500ms`, `0`.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    text.parse::<Span>().ok().map(|Span(duration)| duration).or_else(|| (text == "0").then_some(Duration::ZERO))
}
