//! A rule on elements of a page, found by a CSS selector.

use std::fmt;

use pingmon_core::error::{Error, Result};
use scraper::Selector;

use super::{Finding, bounds::Bounds, config, shown, text::TextTests};
use crate::http::document::Document;

/// Longest selector, in bytes.
const MAX_SELECTOR: usize = 1_000;
/// Most elements whose text is judged.
const MAX_ELEMENTS: usize = 1_000;
/// Most of an element's text that is judged, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A compiled CSS selector, and what of an element is meant: its text, or an attribute.
pub(in crate::http) struct Css {
    text: Box<str>,
    selector: Selector,
    attribute: Option<Box<str>>,
}

impl Css {
    /// # Errors
    /// [`Error::Config`] naming `field` when `text` isn't a selector.
    pub(in crate::http) fn parse(field: &str, text: String, attribute: Option<String>) -> Result<Self> {
        if text.len() > MAX_SELECTOR {
            return Err(Error::config(field, format!("more than {MAX_SELECTOR} bytes; write a shorter one")));
        }
        if text.contains(":has(") {
            let reason = "`:has()` can take too long; select the inner element instead";
            return Err(Error::config(field, reason));
        }
        let selector = Selector::parse(&text)
            .map_err(|error| Error::config(field, format!("it isn't a CSS selector such as \"h1.title\": {error}")))?;
        Ok(Self { text: text.into(), selector, attribute: attribute.map(Into::into) })
    }

    /// What the elements say, in order; of one without the attribute that is meant, nothing.
    ///
    /// # Errors
    /// Why the page can't be searched, in words.
    pub(in crate::http) fn find(&self, body: &Document<'_>) -> Result<Vec<Option<String>>, String> {
        let page = body.html()?;
        let found: Vec<_> = page.select(&self.selector).take(MAX_ELEMENTS + 1).collect();
        if found.len() > MAX_ELEMENTS {
            return Err(format!("more than {MAX_ELEMENTS} elements: select more closely"));
        }
        let of = |element: scraper::ElementRef<'_>| match &self.attribute {
            Some(name) => element.attr(name).map(str::to_owned),
            None => Some(text_of(element)),
        };
        Ok(found.into_iter().map(of).collect())
    }
}

impl fmt::Display for Css {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn text_of(element: scraper::ElementRef<'_>) -> String {
    let mut text = String::new();
    for part in element.text() {
        if text.len() + part.len() > MAX_TEXT {
            break;
        }
        text.push_str(part);
    }
    text.trim().to_owned()
}

/// A compiled rule: tests on each element that is found, and on their number.
pub(super) struct CssRule {
    css: Css,
    exists: Option<bool>,
    count: Option<Bounds>,
    texts: TextTests,
}

impl CssRule {
    /// Takes what concerns elements out of a rule.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(field: &str, selector: String, rule: &mut config::BodyRule) -> Result<Self> {
        let compiled = Self {
            css: Css::parse(&format!("{field}.css"), selector, rule.attribute.take())?,
            exists: rule.exists.take(),
            count: rule.count.take(),
            texts: TextTests::compile(field, rule.texts(field)?)?,
        };
        if let Some(count) = &compiled.count {
            count.validate(&format!("{field}.count"))?;
        }
        match (compiled.exists, compiled.texts.is_empty(), compiled.count.is_none()) {
            (None, true, true) => {
                Err(Error::config(field, "it expects nothing; give `exists`, `equals`, `contains` or another test"))
            }
            (Some(false), texts, count) if !(texts && count) => {
                Err(Error::config(field, "`exists = false` and a test on the element can't hold together; remove one"))
            }
            _ => Ok(compiled),
        }
    }

    pub(super) fn judge(&self, body: &Document<'_>) -> Vec<Finding> {
        let subject = &self.css.text;
        let elements = match self.css.find(body) {
            Ok(elements) => elements,
            Err(reason) => {
                return vec![Finding { test: "css", expected: format!("a page with {subject}"), actual: reason }];
            }
        };
        let mut findings = Vec::new();
        let mut missed = |test, expected, actual| findings.push(Finding { test, expected, actual });
        match (self.exists, &*elements) {
            (Some(true), []) => missed("exists", format!("an element {subject}"), "no such element".to_owned()),
            (Some(false), [first, ..]) => {
                missed("exists", format!("no element {subject}"), shown_text(first.as_deref()))
            }
            _ => {}
        }
        if let Some(count) = self.count.as_ref().filter(|count| !count.hold(elements.len())) {
            missed("count", format!("{count} of {subject}"), elements.len().to_string());
        }
        let judge = |text: Option<&str>, lack: &str| {
            let actual = text.map_or_else(|| lack.to_owned(), shown);
            let missed = self.texts.missed(text, false).into_iter();
            missed.map(|missed| missed.found_in(subject, |_| actual.clone())).collect::<Vec<_>>()
        };
        if elements.is_empty() {
            findings.extend(judge(None, "no such element"));
        }
        let mut each = elements.iter().map(|text| judge(text.as_deref(), "no such attribute"));
        findings.extend(each.find(|findings| !findings.is_empty()).unwrap_or_default());
        findings
    }
}

fn shown_text(text: Option<&str>) -> String {
    text.map_or_else(|| "no such attribute".to_owned(), shown)
}
