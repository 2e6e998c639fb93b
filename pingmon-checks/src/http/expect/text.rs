//! Tests on a text: the body, a header's value, a string or an element found in the body, a URL.

use std::fmt;

use pingmon_core::error::{Error, Result};
use regex::Regex;

use super::Finding;
use crate::pattern;

/// Tests as a rule gives them.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) equals: Option<String>,
    pub(super) not_equals: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) not_contains: Option<String>,
    pub(super) starts_with: Option<String>,
    pub(super) ends_with: Option<String>,
    pub(super) empty: Option<bool>,
    pub(super) matches: Option<String>,
    pub(super) not_matches: Option<String>,
}

/// Tests on a text, all of which have to hold.
pub(super) struct TextTests(Box<[TextTest]>);

/// One test.
pub(super) enum TextTest {
    Equals(Box<str>),
    NotEquals(Box<str>),
    Contains(Box<str>),
    NotContains(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Empty(bool),
    Matches(Regex),
    NotMatches(Regex),
}

/// A test that wasn't passed.
pub(super) struct Missed {
    /// The test's name in the config.
    test: &'static str,
    /// What would have been right, to be put after what was looked at.
    expected: String,
    /// Where the test failed, as far as there is a place.
    at: Option<usize>,
}

impl TextTests {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(field: &str, texts: Texts) -> Result<Self> {
        let part = |name: &str, part: Option<String>| match part {
            Some(part) if part.is_empty() => {
                Err(Error::config(format!("{field}.{name}"), "it is empty, which any text contains; write something"))
            }
            part => Ok(part.map(Into::into)),
        };
        let regex = |name: &str, text: Option<String>| {
            text.map(|text| pattern::compile(&format!("{field}.{name}"), &text)).transpose()
        };
        let tests = [
            texts.equals.map(|text| TextTest::Equals(text.into())),
            texts.not_equals.map(|text| TextTest::NotEquals(text.into())),
            part("contains", texts.contains)?.map(TextTest::Contains),
            part("not_contains", texts.not_contains)?.map(TextTest::NotContains),
            part("starts_with", texts.starts_with)?.map(TextTest::StartsWith),
            part("ends_with", texts.ends_with)?.map(TextTest::EndsWith),
            texts.empty.map(TextTest::Empty),
            regex("matches", texts.matches)?.map(TextTest::Matches),
            regex("not_matches", texts.not_matches)?.map(TextTest::NotMatches),
        ];
        Ok(Self(tests.into_iter().flatten().collect()))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TextTest> {
        self.0.iter()
    }

    /// The tests a text doesn't pass. Of a text that was cut at its end a test counts as passed only when the rest
    /// couldn't change that; of no text at all none is.
    pub(super) fn missed(&self, text: Option<&str>, cut: bool) -> Vec<Missed> {
        self.iter()
            .filter(|test| !text.is_some_and(|text| test.passes(text, cut)))
            .map(|test| test.missed(text))
            .collect()
    }
}

impl TextTest {
    pub(super) fn passes(&self, text: &str, cut: bool) -> bool {
        match self {
            Self::Equals(wanted) => !cut && text == &**wanted,
            // What was cut is longer than what is left of it.
            Self::NotEquals(unwanted) if cut => unwanted.len() <= text.len() || !unwanted.starts_with(text),
            Self::NotEquals(unwanted) => text != &**unwanted,
            Self::Contains(part) => text.contains(&**part),
            Self::NotContains(part) => !cut && !text.contains(&**part),
            Self::StartsWith(part) => text.starts_with(&**part),
            Self::EndsWith(part) => !cut && text.ends_with(&**part),
            Self::Empty(wanted) => *wanted == (text.is_empty() && !cut),
            // A match that ends before the cut can't depend on what follows: there is no look-ahead.
            Self::Matches(regex) => regex.find(text).is_some_and(|found| !cut || found.end() < text.len()),
            Self::NotMatches(regex) => !cut && !regex.is_match(text),
        }
    }

    /// Whether it says what must not be: then no value may go against it, where otherwise one that fits is enough.
    pub(super) const fn forbids(&self) -> bool {
        matches!(self, Self::NotEquals(_) | Self::NotContains(_) | Self::NotMatches(_))
    }

    /// What to say of a text that didn't pass.
    pub(super) fn missed(&self, text: Option<&str>) -> Missed {
        let at = text.and_then(|text| match self {
            Self::NotContains(part) => text.find(&**part),
            Self::NotMatches(regex) => regex.find(text).map(|found| found.start()),
            _ => None,
        });
        Missed { test: self.name(), expected: self.to_string(), at }
    }

    /// Its name in the config.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::NotEquals(_) => "not_equals",
            Self::Contains(_) => "contains",
            Self::NotContains(_) => "not_contains",
            Self::StartsWith(_) => "starts_with",
            Self::EndsWith(_) => "ends_with",
            Self::Empty(_) => "empty",
            Self::Matches(_) => "matches",
            Self::NotMatches(_) => "not_matches",
        }
    }
}

impl fmt::Display for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(text) => write!(f, "is {text:?}"),
            Self::NotEquals(text) => write!(f, "isn't {text:?}"),
            Self::Contains(part) => write!(f, "with {part:?}"),
            Self::NotContains(part) => write!(f, "without {part:?}"),
            Self::StartsWith(part) => write!(f, "starts with {part:?}"),
            Self::EndsWith(part) => write!(f, "ends with {part:?}"),
            Self::Empty(true) => f.write_str("is empty"),
            Self::Empty(false) => f.write_str("isn't empty"),
            Self::Matches(regex) => write!(f, "with a match of /{regex}/"),
            Self::NotMatches(regex) => write!(f, "without a match of /{regex}/"),
        }
    }
}

impl Missed {
    /// The finding in what is called `subject`; `actual` is told where the fault lies.
    pub(super) fn found_in(self, subject: impl fmt::Display, actual: impl FnOnce(Option<usize>) -> String) -> Finding {
        let Self { test, expected, at } = self;
        Finding { test, expected: format!("{subject} {expected}"), actual: actual(at) }
    }

    /// Whether the test searches the text, so that the text itself says little.
    pub(super) fn searches(&self) -> bool {
        matches!(self.test, "contains" | "not_contains" | "matches" | "not_matches")
    }
}
