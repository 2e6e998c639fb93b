//! What is wrong with a config, and where: findings are collected by path, then located in the text as problems.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use serde::Serialize;

use super::path::Path;

/// Most problems that are printed; the rest is counted.
const MAX_SHOWN: usize = 1_000;
/// Longest piece of a config that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// Which part of an entry is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The key: it shouldn't be there.
    Key,
    /// What it is set to.
    Value,
}

/// Something wrong at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) path: Path,
    pub(crate) mark: Mark,
    pub(crate) message: String,
    /// Something else that it has to do with.
    pub(crate) see: Option<Path>,
}

impl Finding {
    /// Says what is wrong with the value at `path`.
    pub(crate) fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, mark: Mark::Value, message: message.into(), see: None }
    }

    /// Says what is wrong with the key at `path`.
    pub(crate) fn of_key(path: Path, message: impl Into<String>) -> Self {
        Self { path, mark: Mark::Key, message: message.into(), see: None }
    }

    /// Points to something else that it has to do with.
    pub(crate) fn see(mut self, other: Path) -> Self {
        self.see = Some(other);
        self
    }
}

/// Everything found so far. Repeats no value that came from the environment or a secret file.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    paths: BTreeSet<Path>,
    secrets: HashMap<Path, Vec<String>>,
}

impl Findings {
    /// Keeps a resolved value out of the messages about the item that `path` lies in.
    pub(crate) fn keep_secret(&mut self, path: &Path, secret: String) {
        if !secret.is_empty() {
            let secrets = self.secrets.entry(path.item()).or_default();
            secrets.push(secret);
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// Adds a finding.
    pub(crate) fn add(&mut self, mut finding: Finding) {
        for secret in self.secrets.get(&finding.path.item()).into_iter().flatten() {
            finding.message = finding.message.replace(secret.as_str(), "***");
        }
        self.paths.insert(finding.path.clone());
        self.list.push(finding);
    }

    /// Adds a finding unless something was found at its path or below: then it is likely an echo of that. That a key
    /// doesn't belong there is no echo.
    pub(crate) fn add_unless_covered(&mut self, finding: Finding) {
        if finding.mark == Mark::Key || !self.covers(&finding.path) {
            self.add(finding);
        }
    }

    /// Whether something was found at the path or below.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.paths.range(path..).next().is_some_and(|found| found.starts_with(path))
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was found.
    pub(crate) fn list(&self) -> &[Finding] {
        &self.list
    }
}

/// Something wrong at a place in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Problem {
    /// From 1; none when the file couldn't be read at all.
    pub(crate) line: Option<usize>,
    /// In characters, from 1.
    pub(crate) column: Option<usize>,
    /// Dotted path of the field, empty when the whole file is meant.
    pub(crate) field: String,
    /// The same for people: names the monitor or notifier.
    #[serde(skip)]
    pub(crate) subject: String,
    /// What is wrong, what would be right.
    pub(crate) message: String,
}

/// All that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems {
    /// The file as the user named it.
    pub(crate) file: String,
    /// In the order of the file.
    pub(crate) list: Vec<Problem>,
}

impl Problems {
    /// One problem with the file as a whole.
    pub(crate) fn whole(file: &str, message: impl Into<String>) -> Self {
        let problem =
            Problem { line: None, column: None, field: String::new(), subject: String::new(), message: message.into() };
        Self { file: file.to_owned(), list: vec![problem] }
    }

    /// Problems in the order of the file, each said once.
    pub(crate) fn new(file: &str, mut list: Vec<Problem>) -> Self {
        list.sort();
        list.dedup();
        Self { file: file.to_owned(), list }
    }

    /// One line a problem: `file:line:column: field: message`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (String, String)> {
        self.list.iter().take(MAX_SHOWN).map(|problem| {
            let place = match (problem.line, problem.column) {
                (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
                _ => self.file.clone(),
            };
            let separator = if problem.subject.is_empty() { "" } else { ": " };
            (place, format!("{}{separator}{}", problem.subject, problem.message))
        })
    }

    /// How many there are, in words.
    pub(crate) fn summary(&self) -> String {
        let count = self.list.len();
        let errors = if count == 1 { "error" } else { "errors" };
        let shown = if count > MAX_SHOWN { format!(", the first {MAX_SHOWN} are shown") } else { String::new() };
        format!("{count} {errors} in {}{shown}", self.file)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|(place, text)| writeln!(f, "{place}: {text}"))?;
        f.write_str(&self.summary())
    }
}

/// A piece of the config as a message may repeat it: without control characters, cut at 60 characters.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_QUOTED).collect::<String>().escape_debug().collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        short.push('…');
    }
    short.replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolved_value_is_not_repeated() {
        let mut findings = Findings::default();
        let url = Path::new(["monitor", "0", "http", "url"]);
        findings.keep_secret(&url, "hunter2".into());
        findings.add(Finding::new(url, "\"https://x/hunter2\" is not a URL"));
        assert_eq!(findings.list()[0].message, "\"https://x/***\" is not a URL");
    }

    #[test]
    fn an_echo_of_a_finding_below_is_left_out() {
        let mut findings = Findings::default();
        findings.add(Finding::new(Path::new(["monitor", "0", "http", "url"]), "is missing"));
        findings.add_unless_covered(Finding::new(Path::new(["monitor", "0", "http"]), "missing field `url`"));
        findings.add_unless_covered(Finding::new(Path::new(["monitor", "0", "every"]), "out of range"));
        assert_eq!(findings.list().len(), 2);
    }

    #[test]
    fn what_is_repeated_of_a_config_is_short_and_clean() {
        assert_eq!(shorten("a\u{1b}[31m\"b\""), "a\\u{1b}[31m\"b\"");
        assert_eq!(shorten(&"x".repeat(10_000_000)).chars().count(), MAX_QUOTED + 1);
    }
}
