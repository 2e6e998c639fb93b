//! The text of a config file as a tree, and the way back from a path to line and column. Meaning is not its business.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    finding::{Finding, Mark, Problem, Problems, shorten},
    path::Path,
};

/// Deepest nesting of tables and lists: what is stored must be readable again by any JSON parser.
const MAX_DEPTH: usize = 48;

/// A parsed file.
pub(crate) struct Document<'t> {
    name: &'t str,
    lines: Lines<'t>,
    tree: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses TOML.
    ///
    /// # Errors
    /// Every syntax error, located.
    pub(crate) fn parse(name: &'t str, text: &'t str) -> Result<Self, Problems> {
        let lines = Lines::new(text);
        let (tree, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { name, lines, tree });
        }
        let problems = errors.iter().map(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            lines.problem(error.span().unwrap_or_default().start, String::new(), String::new(), message)
        });
        Err(Problems::new(name, problems.collect()))
    }

    /// The tree as JSON, with what can't be written in JSON as findings.
    pub(crate) fn to_json(&self) -> (Value, Vec<Finding>) {
        let mut findings = Vec::new();
        let value = table(self.tree.get_ref(), &Path::default(), &mut findings);
        (value, findings)
    }

    /// Findings with their lines and columns.
    pub(crate) fn locate(&self, findings: &[Finding]) -> Problems {
        let (written, _) = self.to_json();
        let problems = findings.iter().map(|finding| {
            let see = finding.see.as_ref().map(|other| {
                let (line, _) = self.lines.position(self.place(&Finding::new(other.clone(), "")).start);
                format!(" (see line {line})")
            });
            let message = format!("{}{}", finding.message, see.unwrap_or_default());
            let subject = subject(&finding.path, &written);
            self.lines.problem(self.place(finding).start, finding.path.to_string(), subject, message)
        });
        Problems::new(self.name, problems.collect())
    }

    /// Where a finding stands: the value or key itself, or the nearest table above something that isn't there. What a
    /// monitor has from `[defaults]` stands there.
    fn place(&self, finding: &Finding) -> Range<usize> {
        let steps = finding.path.steps();
        let (depth, place) = self.descend(steps, finding.mark);
        match steps {
            [top, _, rest @ ..] if depth == 2 && top == "monitor" && !rest.is_empty() => {
                let inherited: Vec<_> = std::iter::once("defaults".to_owned()).chain(rest.iter().cloned()).collect();
                let (depth, default) = self.descend(&inherited, finding.mark);
                if depth > 1 { default } else { place }
            }
            _ => place,
        }
    }

    /// How many of the steps are there, and the place of the last of them.
    fn descend(&self, steps: &[String], mark: Mark) -> (usize, Range<usize>) {
        let (mut depth, mut place) = (0, 0..0);
        let mut here = Node::Table(self.tree.get_ref());
        for step in steps {
            let Some((key, value)) = here.child(step) else { break };
            depth += 1;
            let is_last = depth == steps.len();
            let is_table = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
            place = match key {
                Some(key) if (is_last && mark == Mark::Key) || (is_table && !is_heading(value, &key)) => key,
                _ => value.span(),
            };
            here = Node::Value(value.get_ref());
        }
        (depth, place)
    }
}

/// Whether the table has a place of its own after its key: `[monitor.http]`, `[[monitor]]`.
fn is_heading(value: &Spanned<DeValue<'_>>, key: &Range<usize>) -> bool {
    value.span().start <= key.start
}

enum Node<'d, 't> {
    Table(&'d DeTable<'t>),
    Value(&'d DeValue<'t>),
}

impl<'d, 't> Node<'d, 't> {
    fn child(&self, step: &str) -> Option<(Option<Range<usize>>, &'d Spanned<DeValue<'t>>)> {
        let table = match *self {
            Self::Table(table) | Self::Value(DeValue::Table(table)) => table,
            Self::Value(DeValue::Array(items)) => {
                return items.get(step.parse::<usize>().ok()?).map(|item| (None, item));
            }
            Self::Value(_) => return None,
        };
        table.get_key_value(step).map(|(key, value)| (Some(key.span()), value))
    }
}

/// A path as people read it: `monitor "shop api": http.url`, by the name that is written.
fn subject(path: &Path, written: &Value) -> String {
    let item = path.item();
    let name = item.to("name").get(written).and_then(Value::as_str).filter(|name| !name.trim().is_empty());
    let ([what, _, ..], Some(name)) = (path.steps(), name) else { return path.to_string() };
    let field = path.below(&item).to_string();
    let separator = if field.is_empty() { "" } else { ": " };
    format!("{what} \"{}\"{separator}{field}", shorten(name))
}

fn table(table: &DeTable<'_>, path: &Path, findings: &mut Vec<Finding>) -> Value {
    let entries = table.iter().map(|(key, entry)| {
        let path = path.to(key.get_ref());
        (key.get_ref().to_string(), value(entry.get_ref(), &path, findings))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

fn value(toml: &DeValue<'_>, path: &Path, findings: &mut Vec<Finding>) -> Value {
    let mut refuse = |message: &str| {
        findings.push(Finding::new(path.clone(), message));
        Value::Null
    };
    match toml {
        DeValue::Array(_) | DeValue::Table(_) if path.steps().len() >= MAX_DEPTH => {
            refuse(&format!("is nested deeper than {MAX_DEPTH} levels"))
        }
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number.into()),
            Err(_) => refuse("is too large a number: 64 bits are the most"),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => refuse("is not a finite number"),
        },
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, item)| value(item.get_ref(), &path.to(index), findings)).collect()
        }
        DeValue::Table(entries) => table(entries, path, findings),
    }
}

/// Where the lines of a text begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column (in characters) of a byte, both from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, self.text.get(start..byte).map_or(0, |before| before.chars().count()) + 1)
    }

    fn problem(&self, byte: usize, field: String, subject: String, message: String) -> Problem {
        let (line, column) = self.position(byte);
        Problem { line: Some(line), column: Some(column), field, subject, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[defaults]\ntimeout = 3\n\n[[monitor]]\nname = \"é\"\nevery = \"1s\"\nlabels = { \"ä\" = 1 }\n[monitor.http]\nurl = 'u'\n";

    fn place(path: &[&str], mark: Mark) -> (usize, usize) {
        let document = Document::parse("f", TEXT).unwrap();
        let finding = Finding { mark, ..Finding::new(Path::new(path.iter().copied()), "") };
        document.lines.position(document.place(&finding).start)
    }

    #[test]
    fn a_path_leads_back_to_its_line_and_column() {
        assert_eq!(place(&["monitor", "0", "every"], Mark::Value), (6, 9));
        assert_eq!(place(&["monitor", "0", "every"], Mark::Key), (6, 1));
        assert_eq!(place(&["monitor", "0", "labels", "ä"], Mark::Value), (7, 18));
        assert_eq!(place(&["monitor", "0", "http", "url"], Mark::Value), (9, 7));
    }

    #[test]
    fn what_is_missing_is_shown_at_the_table_it_should_stand_in() {
        assert_eq!(place(&["monitor", "0", "http", "method"], Mark::Value), (8, 1));
        assert_eq!(place(&["monitor", "0", "kind"], Mark::Value), (4, 1));
    }

    #[test]
    fn what_comes_from_the_defaults_is_shown_there() {
        assert_eq!(place(&["monitor", "0", "timeout"], Mark::Value), (2, 11));
    }

    #[test]
    fn every_syntax_error_is_found_and_a_deep_nest_is_refused() {
        let problems = Document::parse("f", "a = \nb = 1\nb = 2\n[c\n").err().unwrap();
        assert!(problems.list.len() >= 3, "{problems}");
        let nest = format!("a = {}1{}", "[".repeat(60), "]".repeat(60));
        let (_, findings) = Document::parse("f", &nest).ok().unwrap().to_json();
        assert!(findings[0].message.contains("nested deeper"), "{findings:?}");
        assert!(Document::parse("f", &format!("a = {}", "[".repeat(1_000_000))).is_err());
    }
}
