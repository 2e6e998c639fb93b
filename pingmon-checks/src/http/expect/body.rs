//! Rules on the answer's body: on the whole of it, on values in it, or on elements of a page.

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Finding, bounds::Bounds, config, css::CssRule, json::JsonRule, schema::Schema, shown, text::TextTests};
use crate::{http::document::Document, levels::Level};

/// A compiled rule.
pub(super) struct BodyRule {
    subject: Subject,
    level: Level,
}

enum Subject {
    Whole(Box<WholeRule>),
    Json(Box<JsonRule>),
    Css(Box<CssRule>),
}

impl BodyRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(place: &str, mut rule: config::BodyRule) -> Result<Self> {
        let field = format!("expect.{place}");
        let subject = match (rule.json.take(), rule.css.take()) {
            (Some(_), Some(_)) => {
                return Err(Error::config(field, "`json` and `css` can't both be meant; make two rules of it"));
            }
            (Some(path), None) => Subject::Json(Box::new(JsonRule::compile(&field, path, &mut rule)?)),
            (None, Some(selector)) => Subject::Css(Box::new(CssRule::compile(&field, selector, &mut rule)?)),
            (None, None) => Subject::Whole(Box::new(WholeRule::compile(&field, &mut rule)?)),
        };
        rule.refuse_rest(&field)?;
        match &subject {
            Subject::Whole(whole) if whole.is_empty() => {
                let some = "`contains`, `not_contains`, `equals`, `matches`, `size` or, with `json`, `exists`, `less`";
                Err(Error::config(field, format!("it expects nothing; give {some}")))
            }
            _ => Ok(Self { subject, level: rule.level }),
        }
    }

    /// Holds the body against the rule, which is the `n`th.
    pub(super) fn judge(&self, n: usize, body: &Document<'_>, outcome: &mut Outcome) {
        let findings = match &self.subject {
            Subject::Whole(rule) => rule.judge(body),
            Subject::Json(rule) => rule.judge(body),
            Subject::Css(rule) => rule.judge(body),
        };
        for Finding { test, expected, mut actual } in findings {
            if body.cut {
                actual = format!("{actual}; the body was cut at {} bytes: raise max_body to see more", body.len());
            }
            outcome.fail(Status::from(self.level), format!("body[{n}].{test}"), expected, actual);
        }
    }
}

/// What a body is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// JSON (RFC 8259).
    Json,
    /// XML 1.0, well-formed, without a DTD.
    Xml,
}

/// A rule on the body as a whole.
struct WholeRule {
    texts: TextTests,
    format: Option<Format>,
    schema: Option<Schema>,
    size: Option<Bounds>,
}

impl WholeRule {
    fn compile(field: &str, rule: &mut config::BodyRule) -> Result<Self> {
        let schema = rule.schema.take().map(|schema| Schema::compile(&format!("{field}.schema"), schema));
        let whole = Self {
            texts: TextTests::compile(field, rule.texts(field)?)?,
            format: rule.format.take(),
            schema: schema.transpose()?,
            size: rule.size.take(),
        };
        if let Some(size) = &whole.size {
            size.validate(&format!("{field}.size"))?;
        }
        Ok(whole)
    }

    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.format.is_none() && self.schema.is_none() && self.size.is_none()
    }

    fn judge(&self, body: &Document<'_>) -> Vec<Finding> {
        let mut findings = self.judge_text(body);
        let fault = match self.format {
            Some(Format::Json) => body.json().err().map(|reason| ("well-formed JSON", reason.to_owned())),
            Some(Format::Xml) => body.xml().err().map(|reason| ("well-formed XML", reason)),
            None => None,
        };
        findings.extend(fault.map(|(expected, actual)| Finding {
            test: "format",
            expected: expected.to_owned(),
            actual,
        }));
        if let Some(schema) = &self.schema {
            let fault = body.json().map_or_else(|reason| Some(reason.to_owned()), |value| schema.fault(value));
            let expected = "a body as its schema says".to_owned();
            findings.extend(fault.map(|actual| Finding { test: "schema", expected, actual }));
        }
        let holds = |size: &Bounds| if body.cut { size.hold_from(body.len() + 1) } else { size.hold(body.len()) };
        if let Some(size) = self.size.as_ref().filter(|size| !holds(size)) {
            let more = if body.cut { "more than " } else { "" };
            let actual = format!("{more}{} bytes", body.len());
            findings.push(Finding { test: "size", expected: format!("{size} bytes"), actual });
        }
        findings
    }

    fn judge_text(&self, body: &Document<'_>) -> Vec<Finding> {
        if self.texts.is_empty() {
            return Vec::new();
        }
        let text = body.text();
        let missed = self.texts.missed(text.ok(), body.cut).into_iter();
        let findings = missed.map(|missed| {
            let searches = missed.searches();
            missed.found_in("the body", |at| match (text, at) {
                (Err(reason), _) => reason.to_owned(),
                (Ok(_), Some(at)) => format!("found at byte {at}"),
                (Ok(_), None) if searches => format!("none in {} bytes", body.len()),
                (Ok(text), None) => shown(text),
            })
        });
        findings.collect()
    }
}
