//! Rules on the answer's headers.

use std::{borrow::Cow, time::UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName, SET_COOKIE};
use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::{Span, Timestamp},
};

use super::{config, shown, text::TextTests};
use crate::levels::Level;

/// A compiled rule.
pub(super) struct HeaderRule {
    name: HeaderName,
    test: Test,
    level: Level,
}

enum Test {
    Absent,
    Present { texts: TextTests, max_age: Option<Span> },
}

impl HeaderRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(place: &str, mut rule: config::HeaderRule) -> Result<Self> {
        let field = format!("expect.{place}");
        let name = HeaderName::from_bytes(rule.name.as_bytes())
            .map_err(|_| Error::config(format!("{field}.name"), format!("{:?} isn't a header's name", rule.name)))?;
        let texts = TextTests::compile(&field, rule.texts())?;
        let on_value = !texts.is_empty() || rule.max_age.is_some();
        let test = match rule.present {
            None if !on_value => {
                return Err(Error::config(
                    field,
                    "it expects nothing; give `present`, `equals`, `matches` or `max_age`",
                ));
            }
            Some(false) if on_value => {
                return Err(Error::config(field, "`present = false` and a value can't hold together; remove one"));
            }
            Some(false) => Test::Absent,
            _ => Test::Present { texts, max_age: rule.max_age },
        };
        Ok(Self { name, test, level: rule.level })
    }

    /// Holds the headers, which came at `now`, against the rule, which is the `n`th.
    pub(super) fn judge(&self, n: usize, headers: &HeaderMap, now: Timestamp, outcome: &mut Outcome) {
        let name = &self.name;
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let mut fail = |test: &str, expected: String| {
            outcome.fail(Status::from(self.level), format!("headers[{n}].{test}"), expected, self.shown(&values));
        };
        match &self.test {
            Test::Absent if !values.is_empty() => fail("present", format!("no {name}")),
            Test::Absent => {}
            Test::Present { texts, max_age } => {
                if values.is_empty() && texts.is_empty() && max_age.is_none() {
                    fail("present", format!("a header {name}"));
                }
                for test in texts.iter() {
                    let mut fits = values.iter().map(|value| test.passes(value, false));
                    let met = if test.forbids() {
                        !values.is_empty() && fits.all(|fits| fits)
                    } else {
                        fits.any(|fits| fits)
                    };
                    if !met {
                        fail(test.name(), format!("{name} {test}"));
                    }
                }
                if let Some(most) = max_age.filter(|most| !values.iter().any(|value| is_within(value, *most, now))) {
                    fail("max_age", format!("{name} within {most} of {now}"));
                }
            }
        }
    }

    fn shown(&self, values: &[Cow<'_, str>]) -> String {
        if values.is_empty() {
            return "no such header".to_owned();
        }
        // What a cookie holds is the visitor's secret; its name is not.
        let of_cookie = |value: &str| format!("{}=…", value.split('=').next().unwrap_or_default());
        let of = |value: &Cow<'_, str>| if self.name == SET_COOKIE { of_cookie(value) } else { shown(value) };
        values.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a value is a date (RFC 9110) that differs from `now` by `most` at the utmost.
fn is_within(value: &str, most: Span, now: Timestamp) -> bool {
    let Ok(date) = httpdate::parse_http_date(value.trim()) else { return false };
    let Ok(date) = date.duration_since(UNIX_EPOCH) else { return false };
    let date = Timestamp::from_micros(0) + date;
    // Dates are whole seconds, cut off.
    now.since(date).as_secs() <= most.0.as_secs() && date.since(now) <= most.0
}
