//! A rule on one text that every answer has, such as the URL it came from.

use std::fmt;

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    shown,
    text::{TextTests, Texts},
};
use crate::levels::Level;

/// What a text has to be: the text itself, or tests on it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, or a table of tests such as { starts_with = \"…\" }")]
pub(super) enum Wanted {
    /// What it has to be.
    Exactly(String),
    /// Tests on it.
    Fitting(Table),
}

/// Tests on a text, which must hold together.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// What it has to be.
    equals: Option<String>,
    /// What it must not be.
    not_equals: Option<String>,
    /// What has to be found in it.
    contains: Option<String>,
    /// What must not be found in it.
    not_contains: Option<String>,
    /// What it has to begin with.
    starts_with: Option<String>,
    /// What it has to end with.
    ends_with: Option<String>,
    /// A regular expression that has to be found in it.
    matches: Option<String>,
    /// A regular expression that must not be found in it.
    not_matches: Option<String>,
    /// How bad it is when the rule isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    level: Level,
}

/// A compiled rule.
pub(super) struct TextRule {
    /// What is looked at, as the config names it.
    name: &'static str,
    tests: TextTests,
    level: Level,
}

impl TextRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(name: &'static str, wanted: Wanted) -> Result<Self> {
        let table = match wanted {
            Wanted::Exactly(text) => Table { equals: Some(text), ..Table::default() },
            Wanted::Fitting(table) => table,
        };
        let Table { equals, not_equals, contains, not_contains, starts_with, ends_with, matches, not_matches, level } =
            table;
        let empty = None;
        let texts =
            Texts { equals, not_equals, contains, not_contains, starts_with, ends_with, empty, matches, not_matches };
        let field = format!("expect.{name}");
        let tests = TextTests::compile(&field, texts)?;
        if tests.is_empty() {
            return Err(Error::config(field, "it expects nothing; give a text, `contains`, `matches` or another test"));
        }
        Ok(Self { name, tests, level })
    }

    /// Holds a text, or the reason why there is none, against the rule.
    pub(super) fn judge(&self, text: Result<&str, &str>, subject: impl fmt::Display, outcome: &mut Outcome) {
        for missed in self.tests.missed(text.ok(), false) {
            let found = missed.found_in(&subject, |_| text.map_or_else(str::to_owned, shown));
            let expectation = format!("{}.{}", self.name, found.test);
            outcome.fail(Status::from(self.level), expectation, found.expected, found.actual);
        }
    }
}
