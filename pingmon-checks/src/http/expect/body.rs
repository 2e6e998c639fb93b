//! Rules on the answer's body: on its text, or on values found in it by a JSON path.

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use serde_json::Value;

use super::{
    config,
    json::{Path, ValueTests},
    shown,
    test::{Missed, TextTests},
};
use crate::{http::document::Document, levels::Level};

/// A compiled rule.
pub(super) struct BodyRule {
    subject: Subject,
    texts: TextTests,
    level: Level,
}

enum Subject {
    Text { equals: Option<Box<str>> },
    Json(Box<(Path, ValueTests)>),
}

/// A test that failed, in words.
struct Finding {
    test: &'static str,
    expected: String,
    actual: String,
}

impl BodyRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(place: &str, mut rule: config::BodyRule) -> Result<Self> {
        let field = format!("expect.{place}");
        let texts = TextTests::compile(&field, &mut rule)?;
        let level = rule.level;
        let (subject, expects) = match rule.json.take() {
            Some(path) => {
                let tests = ValueTests::compile(&field, &rule, &texts)?;
                let expects = !tests.is_empty();
                (Subject::Json(Box::new((Path::parse(&format!("{field}.json"), path)?, tests))), expects)
            }
            None => {
                let equals = text_only(&field, rule)?;
                let expects = equals.is_some();
                (Subject::Text { equals }, expects)
            }
        };
        if !expects && texts.is_empty() {
            let some = "`contains`, `not_contains`, `equals`, `matches` or, with `json`, `exists`, `less`, `greater`";
            return Err(Error::config(field, format!("it expects nothing; give {some}")));
        }
        Ok(Self { subject, texts, level })
    }

    /// Holds the body against the rule, which is the `n`th.
    pub(super) fn judge(&self, n: usize, body: &Document<'_>, outcome: &mut Outcome) {
        let findings = match &self.subject {
            Subject::Text { equals } => self.judge_text(equals.as_deref(), body),
            Subject::Json(json) => self.judge_json(&json.0, &json.1, body),
        };
        for Finding { test, expected, mut actual } in findings {
            if body.cut {
                actual = format!("{actual}; the body was cut at {} bytes: raise max_body to see more", body.len());
            }
            outcome.fail(Status::from(self.level), format!("body[{n}].{test}"), expected, actual);
        }
    }

    fn judge_text(&self, equals: Option<&str>, body: &Document<'_>) -> Vec<Finding> {
        let text = body.text();
        let missed = self.texts.missed(text.ok(), body.cut).into_iter();
        let actual = |at: Option<usize>| match (text, at) {
            (Err(reason), _) => reason.to_owned(),
            (Ok(_), Some(at)) => format!("found at byte {at}"),
            (Ok(_), None) => format!("none in {} bytes", body.len()),
        };
        let mut findings: Vec<_> = missed.map(|missed| missed.found_in("a body", actual)).collect();
        if let Some(wanted) = equals.filter(|wanted| body.cut || text != Ok(wanted)) {
            let actual = text.map_or_else(str::to_owned, shown);
            findings.push(Finding { test: "equals", expected: shown(wanted), actual });
        }
        findings
    }

    fn judge_json(&self, path: &Path, tests: &ValueTests, body: &Document<'_>) -> Vec<Finding> {
        let found = body.json().map_err(str::to_owned).and_then(|document| path.find(document));
        let values = match found {
            Ok(values) => values,
            Err(reason) => {
                return vec![Finding { test: "json", expected: format!("a body with {path}"), actual: reason }];
            }
        };
        if values.is_empty() {
            return self.judge_value(path, tests, None);
        }
        // One value that fails says enough; a list of thousands would not say more.
        let findings = values.into_iter().map(|value| self.judge_value(path, tests, Some(value)));
        findings.into_iter().find(|findings| !findings.is_empty()).unwrap_or_default()
    }

    fn judge_value(&self, path: &Path, tests: &ValueTests, value: Option<&Value>) -> Vec<Finding> {
        let found = value.map_or_else(|| "nothing there".to_owned(), shown_value);
        let of_value = tests.missed(path, value).into_iter().map(|(Missed { test, expected, .. }, note)| Finding {
            test,
            expected,
            actual: format!("{found}{note}"),
        });
        let mut findings: Vec<_> = of_value.collect();
        if tests.want_nothing() {
            return findings;
        }
        let text = value.and_then(Value::as_str);
        let note = if value.is_some() && text.is_none() { ", which isn't a string" } else { "" };
        let (subject, actual) = (path.to_string(), |_| format!("{found}{note}"));
        findings.extend(self.texts.missed(text, false).into_iter().map(|missed| missed.found_in(&subject, actual)));
        findings
    }
}

impl Missed {
    fn found_in(self, subject: &str, actual: impl Fn(Option<usize>) -> String) -> Finding {
        let Self { test, expected, at } = self;
        let expected =
            if test == "matches" && subject == "a body" { expected } else { format!("{subject} {expected}") };
        Finding { test, expected, actual: actual(at) }
    }
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => {
            let text = other.to_string();
            match text.char_indices().nth(super::MAX_SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

/// What a rule without `json` says besides its tests on text.
fn text_only(field: &str, rule: config::BodyRule) -> Result<Option<Box<str>>> {
    let config::BodyRule { exists, less, greater, equals, .. } = rule;
    let numeric = [("exists", exists.is_some()), ("less", less.is_some()), ("greater", greater.is_some())];
    if let Some((name, _)) = numeric.iter().find(|(_, given)| *given) {
        let reason = "it needs `json`, the path of the value that is meant";
        return Err(Error::config(format!("{field}.{name}"), reason));
    }
    match equals {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => Err(Error::config(format!("{field}.equals"), "a body is text; write a string, or give `json`")),
    }
}
