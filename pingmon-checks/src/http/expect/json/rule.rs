//! A rule on the values that a JSON path finds.

use pingmon_core::error::{Error, Result};
use serde_json::Value;

use super::{Path, number, value::ValueTests};
use crate::http::{
    document::Document,
    expect::{Finding, bounds::Bounds, config, schema::Schema, shown_value, text::TextTests},
};

/// A compiled rule: tests on each value that is found, and on all of them together.
pub(in crate::http::expect) struct JsonRule {
    path: Path,
    exists: Option<bool>,
    count: Option<Bounds>,
    values: Option<Box<[Value]>>,
    schema: Option<Schema>,
    each: ValueTests,
    texts: TextTests,
}

impl JsonRule {
    /// Takes what concerns JSON out of a rule.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(in crate::http::expect) fn compile(field: &str, path: String, rule: &mut config::BodyRule) -> Result<Self> {
        let compiled = Self {
            path: Path::parse(&format!("{field}.json"), path)?,
            exists: rule.exists.take(),
            count: rule.count.take(),
            values: rule.values.take().map(Into::into),
            schema: rule.schema.take().map(|schema| Schema::compile(&format!("{field}.schema"), schema)).transpose()?,
            each: ValueTests::compile(field, rule)?,
            texts: TextTests::compile(field, rule.texts(field)?)?,
        };
        if let Some(count) = &compiled.count {
            count.validate(&format!("{field}.count"))?;
        }
        let on_values = !compiled.each.is_empty() || !compiled.texts.is_empty() || compiled.schema.is_some();
        if compiled.exists == Some(false) && (on_values || compiled.count.is_some() || compiled.values.is_some()) {
            return Err(Error::config(
                field,
                "`exists = false` and a test on the value can't hold together; remove one",
            ));
        }
        if on_values || compiled.exists.is_some() || compiled.count.is_some() || compiled.values.is_some() {
            return Ok(compiled);
        }
        Err(Error::config(field, "it expects nothing; give `exists`, `equals`, `less`, `type` or another test"))
    }

    pub(in crate::http::expect) fn judge(&self, body: &Document<'_>) -> Vec<Finding> {
        let found = body.json().map_err(str::to_owned).and_then(|document| {
            let values = self.path.find(document)?;
            Ok((document, values))
        });
        match found {
            Ok((document, values)) => self.judge_found(&values, document),
            Err(reason) => {
                let expected = format!("a body with {}", self.path);
                vec![Finding { test: "json", expected, actual: reason }]
            }
        }
    }

    fn judge_found(&self, values: &[&Value], document: &Value) -> Vec<Finding> {
        let mut findings = self.judge_all(values);
        if self.exists == Some(false) {
            return findings;
        }
        // One value that fails says enough; a list of thousands would not say more.
        let first_bad = match values {
            [] => self.judge_each(None, document),
            _ => {
                let mut each = values.iter().map(|value| self.judge_each(Some(value), document));
                each.find(|findings| !findings.is_empty()).unwrap_or_default()
            }
        };
        findings.extend(first_bad);
        findings
    }

    fn judge_all(&self, values: &[&Value]) -> Vec<Finding> {
        let path = &self.path;
        let mut findings = Vec::new();
        let mut missed = |test, expected, actual| findings.push(Finding { test, expected, actual });
        match (self.exists, values) {
            (Some(true), []) => missed("exists", format!("something at {path}"), "nothing there".to_owned()),
            (Some(false), [first, ..]) => missed("exists", format!("nothing at {path}"), shown_value(first)),
            _ => {}
        }
        if let Some(count) = self.count.as_ref().filter(|count| !count.hold(values.len())) {
            missed("count", format!("{count} at {path}"), values.len().to_string());
        }
        let same = |wanted: &[Value]| {
            wanted.len() == values.len() && wanted.iter().zip(values).all(|(wanted, value)| number::same(wanted, value))
        };
        if let Some(wanted) = self.values.as_deref().filter(|wanted| !same(wanted)) {
            let found = Value::Array(values.iter().take(32).map(|value| (*value).clone()).collect());
            missed("values", format!("{path} is {}", shown_value(&wanted.into())), shown_value(&found));
        }
        findings
    }

    fn judge_each(&self, value: Option<&Value>, document: &Value) -> Vec<Finding> {
        let mut findings = self.each.missed(&self.path, value, document);
        let found = || value.map_or_else(|| "nothing there".to_owned(), shown_value);
        if let Some(schema) = &self.schema {
            let fault = value.map_or_else(|| Some(found()), |value| schema.fault(value));
            let expected = || format!("{} as its schema says", self.path);
            findings.extend(fault.map(|actual| Finding { test: "schema", expected: expected(), actual }));
        }
        let text = value.and_then(Value::as_str);
        let note = if value.is_some() && text.is_none() { ", which isn't a string" } else { "" };
        let missed = self.texts.missed(text, false).into_iter();
        findings.extend(missed.map(|missed| missed.found_in(&self.path, |_| format!("{}{note}", found()))));
        findings
    }
}
