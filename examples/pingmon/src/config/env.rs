//! Secrets and variables: `${VAR}`, `${VAR:-default}` and `{ file = "…" }` in a config. The one place of this program
//! that reads the environment and secret files.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use pingmon_core::error::Error;
use serde_json::{Map, Value};

use super::{
    finding::{Finding, Findings, shorten},
    path::Path,
};

/// Largest secret file, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// The secrets of this process, by section and field.
const SECRETS: [(&str, &str); 4] =
    [("store", "url"), ("web", "admin_token"), ("web", "link_key"), ("heartbeat", "url")];

type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Where references lead: the variables, and the directory that relative file names start from.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: Arc<Variables>,
    directory: PathBuf,
}

/// What stood in a config before its references were resolved.
#[derive(Default)]
pub(crate) struct References(BTreeMap<Path, Value>);

impl References {
    /// The value at `path` as it was written.
    pub(crate) fn restore(&self, path: &Path, mut value: Value) -> Value {
        for (reference, written) in self.0.range(path..).take_while(|(reference, _)| reference.starts_with(path)) {
            if let Some(place) = reference.below(path).get_mut(&mut value) {
                *place = written.clone();
            }
        }
        value
    }
}

/// A text with its variables filled in, and what they held.
struct Expanded {
    text: String,
    secrets: Vec<String>,
}

impl Environment {
    /// The environment of this process; file names are relative to `directory`.
    #[allow(clippy::disallowed_methods, reason = "the binary's one reading of the environment")]
    pub(crate) fn of_process(directory: impl Into<PathBuf>) -> Self {
        Self::new(directory, |name| std::env::var_os(name))
    }

    /// An environment of the given variables.
    pub(crate) fn new(
        directory: impl Into<PathBuf>,
        variables: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        Self { variables: Arc::new(variables), directory: directory.into() }
    }

    /// The file that is named in a config.
    pub(crate) fn path(&self, file: &FilePath) -> PathBuf {
        self.directory.join(file)
    }

    /// Resolves every reference in a config in place. What can't be resolved becomes a finding and null; what was
    /// resolved is kept out of later messages.
    pub(crate) fn resolve(&self, config: &mut Value, findings: &mut Findings) -> References {
        let mut references = References::default();
        self.resolve_below(config, &Path::default(), findings, &mut references);
        references
    }

    fn resolve_below(&self, value: &mut Value, path: &Path, findings: &mut Findings, references: &mut References) {
        let resolved = match value {
            Value::String(text) if text.contains("${") => self.expand(text),
            Value::Object(table) => match file_reference(table).filter(|_| may_be_file(path)) {
                Some(file) => self.read(file),
                None => {
                    for (key, value) in table {
                        self.resolve_below(value, &path.to(key), findings, references);
                    }
                    return;
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve_below(item, &path.to(index), findings, references);
                }
                return;
            }
            _ => return,
        };
        let resolved = match resolved {
            Ok(Expanded { text, secrets }) => {
                secrets.into_iter().for_each(|secret| findings.keep_secret(path, secret));
                Value::String(text)
            }
            Err(message) => {
                findings.add(Finding::new(path.clone(), message));
                Value::Null
            }
        };
        references.0.insert(path.clone(), std::mem::replace(value, resolved));
    }

    /// The config of a check of the given kind with its references resolved, as the engine asks for it.
    ///
    /// # Errors
    /// [`Error::Config`] for the first reference that leads nowhere.
    pub(crate) fn resolve_config(&self, kind: &str, config: &Value) -> Result<Value, Error> {
        let base = Path::new(["monitor", "0", kind]);
        let (mut config, mut findings) = (config.clone(), Findings::default());
        self.resolve_below(&mut config, &base, &mut findings, &mut References::default());
        match findings.list().first() {
            Some(finding) => Err(Error::config(finding.path.below(&base).to_string(), finding.message.clone())),
            None => Ok(config),
        }
    }

    /// Fills in `${VAR}` and `${VAR:-default}`; `$${` stands for `${`. A `$` before anything else is just that.
    fn expand(&self, text: &str) -> Result<Expanded, String> {
        let mut expanded = Expanded { text: String::new(), secrets: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, reference) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                expanded.text.push_str(before);
                expanded.text.push_str("${");
                rest = &reference[2..];
                continue;
            }
            expanded.text.push_str(before);
            let Some((inside, after)) = reference[2..].split_once('}') else {
                return Err("\"${\" is not closed by \"}\"; \"$${\" stands for the characters \"${\"".to_owned());
            };
            let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, value)| (name, Some(value)));
            match (self.variable(name)?, default) {
                (Some(value), None) => expanded.take(value),
                (Some(value), Some(_)) if !value.is_empty() => expanded.take(value),
                (_, Some(default)) => expanded.text.push_str(default),
                (None, None) => {
                    return Err(format!("the variable {name} is not set; \"${{{name}:-…}}\" gives a default"));
                }
            }
            rest = after;
        }
        expanded.text.push_str(rest);
        Ok(expanded)
    }

    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("\"{}\" is not the name of a variable", shorten(name)));
        }
        let value = (self.variables)(name).map(OsString::into_string).transpose();
        value.map_err(|_| format!("the variable {name} does not hold UTF-8"))
    }

    /// Reads a secret file; one line end at its end is left out.
    fn read(&self, file: &str) -> Result<Expanded, String> {
        let path = self.directory.join(file);
        let text = read_text(&path, MAX_SECRET)
            .map_err(|reason| format!("the file \"{}\" {reason}", shorten(&path.to_string_lossy())))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        Ok(Expanded { text: text.to_owned(), secrets: vec![text.to_owned()] })
    }
}

impl Expanded {
    fn take(&mut self, value: String) {
        self.text.push_str(&value);
        self.secrets.push(value);
    }
}

/// Reads a text file of at most `most` bytes.
///
/// # Errors
/// What is wrong with it, to be put after its name.
pub(crate) fn read_text(path: &FilePath, most: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("can't be opened: {error}"))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 at line {line}, byte {}: save it as UTF-8", good.len() + 1)
    })
}

/// The file a table refers to, when it is a reference: a table of the one key `file`.
fn file_reference(table: &Map<String, Value>) -> Option<&str> {
    table.get("file").and_then(Value::as_str).filter(|_| table.len() == 1)
}

/// Whether a secret file may stand there: as a secret of this process, or inside a kind's own table (but not in place of
/// it, where `file` is the kind's own business).
fn may_be_file(path: &Path) -> bool {
    match path.steps() {
        [section, field] => SECRETS.contains(&(section.as_str(), field.as_str())),
        [top, _, kind, _, ..] => matches!(top.as_str(), "monitor" | "notifier") && kind != "labels",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment() -> Environment {
        Environment::new("/nowhere", |name| match name {
            "TOKEN" => Some("s3cret".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        })
    }

    fn expand(text: &str) -> Result<String, String> {
        environment().expand(text).map(|expanded| expanded.text)
    }

    #[test]
    fn variables_and_defaults_are_filled_in_and_a_lone_dollar_stays() {
        for (text, expected) in [
            ("Bearer ${TOKEN}!", "Bearer s3cret!"),
            ("${GONE:-a:-b}", "a:-b"),
            ("${EMPTY:-x}${EMPTY}", "x"),
            ("$.status $$ ^a$", "$.status $$ ^a$"),
            ("$${TOKEN} ${TOKEN}", "${TOKEN} s3cret"),
        ] {
            assert_eq!(expand(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_says_why() {
        assert!(expand("${GONE}").unwrap_err().contains("GONE is not set"));
        assert!(expand("${TOKEN").unwrap_err().contains("not closed"));
        assert!(expand("${A B}").unwrap_err().contains("not the name of a variable"));
    }

    #[test]
    fn a_secret_file_is_read_without_its_line_end_and_only_where_secrets_stand() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "abc\n").unwrap();
        std::fs::write(directory.path().join("flood"), "x".repeat(100_000)).unwrap();
        let environment = Environment::new(directory.path(), |_| None);
        let mut config = json!({
            "monitor": [{ "labels": { "file": "token" }, "http": { "token": { "file": "token" }, "a": { "file": "gone" } } }],
            "notifier": [{ "wasm": { "file": "token" } }, { "x": { "y": [{ "file": "flood" }] } }],
            "web": { "admin_token": { "file": "token" }, "link_key": { "file": "token" }, "title": { "file": "token" } },
            "heartbeat": { "url": { "file": "token" } },
        });
        let mut findings = Findings::default();
        let written = config.clone();
        let references = environment.resolve(&mut config, &mut findings);
        assert_eq!(config["monitor"][0]["http"]["token"], "abc");
        assert_eq!(config["web"], json!({ "admin_token": "abc", "link_key": "abc", "title": { "file": "token" } }));
        assert_eq!(config["heartbeat"]["url"], "abc");
        assert_eq!(references.restore(&Path::default(), config.clone()), written);
        let kind = Path::new(["monitor", "0", "http"]);
        assert_eq!(references.restore(&kind, config["monitor"][0]["http"].clone()), written["monitor"][0]["http"]);
        assert_eq!(config["monitor"][0]["labels"]["file"], "token");
        assert_eq!(config["notifier"][0]["wasm"]["file"], "token");
        let found: Vec<_> = findings.list().iter().map(|f| (f.path.to_string(), f.message.as_str())).collect();
        assert!(
            found.iter().any(|(path, text)| path == "monitor[0].http.a" && text.contains("can't be opened")),
            "{found:?}"
        );
        assert!(found.iter().any(|(_, text)| text.contains("larger than")), "{found:?}");
    }

    #[test]
    fn a_stored_config_is_resolved_when_its_check_is_built() {
        let config = json!({ "url": "https://x/", "auth": { "bearer": "${TOKEN}" } });
        let resolved = environment().resolve_config("http", &config).unwrap();
        assert_eq!(resolved["auth"]["bearer"], "s3cret");
        let error = environment().resolve_config("http", &json!({ "a": ["${GONE}"] })).unwrap_err().to_string();
        assert!(error.starts_with("invalid a[0]: the variable GONE"), "{error}");
    }
}
