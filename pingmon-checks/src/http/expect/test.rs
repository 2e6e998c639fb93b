//! The tests a body rule is made of, on a text: the body itself or a string found in it.

use pingmon_core::error::{Error, Result};
use regex::Regex;

use super::config;
use crate::pattern;

/// Tests on a text, all of which have to hold.
pub(super) struct TextTests {
    contains: Option<Box<str>>,
    not_contains: Option<Box<str>>,
    matches: Option<Regex>,
}

/// A test that wasn't passed.
pub(super) struct Missed {
    /// The test's name in the config.
    pub(super) test: &'static str,
    /// What would have been right, to be put after what was looked at.
    pub(super) expected: String,
    /// Where the test failed, as far as there is a place.
    pub(super) at: Option<usize>,
}

impl TextTests {
    /// Takes the tests on text out of a rule.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(field: &str, rule: &mut config::BodyRule) -> Result<Self> {
        let text = |name: &str, text: Option<String>| match text {
            Some(text) if text.is_empty() => {
                Err(Error::config(format!("{field}.{name}"), "it is empty, which any text contains; write something"))
            }
            other => Ok(other.map(Into::into)),
        };
        let matches = rule.matches.take();
        Ok(Self {
            contains: text("contains", rule.contains.take())?,
            not_contains: text("not_contains", rule.not_contains.take())?,
            matches: matches.map(|regex| pattern::compile(&format!("{field}.matches"), &regex)).transpose()?,
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.contains.is_none() && self.not_contains.is_none() && self.matches.is_none()
    }

    /// The tests a text doesn't pass. Of a text that was cut at its end a test counts as passed only when the rest
    /// couldn't change that; of no text at all none is.
    pub(super) fn missed(&self, text: Option<&str>, cut: bool) -> Vec<Missed> {
        let mut missed = Vec::new();
        if let Some(part) = self.contains.as_deref()
            && !text.is_some_and(|text| text.contains(part))
        {
            missed.push(Missed { test: "contains", expected: format!("with {part:?}"), at: None });
        }
        if let Some(part) = self.not_contains.as_deref() {
            let at = text.and_then(|text| text.find(part));
            if at.is_some() || cut || text.is_none() {
                missed.push(Missed { test: "not_contains", expected: format!("without {part:?}"), at });
            }
        }
        if let Some(regex) = &self.matches {
            // A match that ends before the cut can't depend on what follows: there is no look-ahead.
            let fits = |text: &str| regex.find(text).is_some_and(|found| !cut || found.end() < text.len());
            if !text.is_some_and(fits) {
                missed.push(Missed { test: "matches", expected: format!("a match of /{regex}/"), at: None });
            }
        }
        missed
    }
}
