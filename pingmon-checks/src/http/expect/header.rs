//! Rules on the answer's headers.

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName};
use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use regex::Regex;

use super::{config, shown};
use crate::{levels::Level, pattern};

/// A compiled rule.
pub(super) struct HeaderRule {
    name: HeaderName,
    test: Test,
    level: Level,
}

enum Test {
    Absent,
    Present { equals: Option<Box<str>>, matches: Option<Regex> },
}

impl HeaderRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(place: &str, rule: config::HeaderRule) -> Result<Self> {
        let field = format!("expect.{place}");
        let name = HeaderName::from_bytes(rule.name.as_bytes())
            .map_err(|_| Error::config(format!("{field}.name"), format!("{:?} isn't a header's name", rule.name)))?;
        let matches = rule.matches.map(|text| pattern::compile(&format!("{field}.matches"), &text)).transpose()?;
        let test = match (rule.present, rule.equals, matches) {
            (None, None, None) => {
                return Err(Error::config(field, "it expects nothing; give `present`, `equals` or `matches`"));
            }
            (Some(false), None, None) => Test::Absent,
            (Some(false), ..) => {
                return Err(Error::config(field, "`present = false` and a value can't hold together; remove one"));
            }
            (_, equals, matches) => Test::Present { equals: equals.map(Into::into), matches },
        };
        Ok(Self { name, test, level: rule.level })
    }

    /// Holds the headers against the rule, which is the `n`th.
    pub(super) fn judge(&self, n: usize, headers: &HeaderMap, outcome: &mut Outcome) {
        let values = || headers.get_all(&self.name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let mut fail = |test: &str, expected: String| {
            let found: Vec<_> = values().map(|value| shown(&value)).collect();
            let actual = if found.is_empty() { "no such header".to_owned() } else { found.join(", ") };
            outcome.fail(Status::from(self.level), format!("headers[{n}].{test}"), expected, actual);
        };
        let fits = |test: &dyn Fn(Cow<'_, str>) -> bool| values().any(test);
        match &self.test {
            Test::Absent if headers.contains_key(&self.name) => fail("present", format!("no {}", self.name)),
            Test::Absent => {}
            Test::Present { equals: None, matches: None } if !headers.contains_key(&self.name) => {
                fail("present", format!("a header {}", self.name))
            }
            Test::Present { equals, matches } => {
                if let Some(wanted) = equals.as_deref().filter(|wanted| !fits(&|value| value == **wanted)) {
                    fail("equals", format!("{} is {wanted:?}", self.name));
                }
                if let Some(regex) = matches.as_ref().filter(|regex| !fits(&|value| regex.is_match(&value))) {
                    fail("matches", format!("{} with a match of /{regex}/", self.name));
                }
            }
        }
    }
}
