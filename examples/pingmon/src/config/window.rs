//! Stretches of time as they are written: `once`, `weekly` or `cron`, and the zone whose clock is meant.

use chrono::Weekday;
use pingmon_core::{
    error::{Error, Result},
    time::{Span, Timestamp},
    window::Window,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// When something holds: exactly one of `once`, `weekly` and `cron` says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// One stretch of time.
    pub(super) once: Option<Once>,
    /// Parts of some days of every week.
    pub(super) weekly: Option<Weekly>,
    /// From each instant of a cron expression on.
    pub(super) cron: Option<Cron>,
    /// The IANA time zone of `weekly` and `cron`. Default UTC.
    pub(super) timezone: Option<String>,
}

/// One stretch of time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Once {
    /// Its beginning, with its offset: `2026-12-01T22:00:00+01:00`.
    from: Timestamp,
    /// Its end.
    until: Timestamp,
}

/// Parts of some days of every week, by the clock on the wall.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weekly {
    /// The days on which they begin; every day when none is named.
    #[serde(default)]
    days: Vec<Day>,
    /// The time of day when they begin: `"23:00"`.
    from: String,
    /// The time of day when they end, on the day after when it isn't later than `from`: `"02:00"`.
    until: String,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// From each instant of a cron expression on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cron {
    /// A cron expression of 5 fields, or of 6 with leading seconds.
    expression: String,
    /// How long each lasts, at most 31 days.
    lasts: Span,
}

impl When {
    /// The stretches that are meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(self) -> Result<Window> {
        let timezone = self.timezone.as_deref().unwrap_or("UTC");
        let within = |field: &'static str| {
            move |error| match error {
                Error::Config { field: inner, reason } if inner != "timezone" => {
                    Error::config(format!("{field}.{}", if inner == "cron" { "expression" } else { &inner }), reason)
                }
                other => other,
            }
        };
        match (self.once, self.weekly, self.cron) {
            (Some(once), None, None) => Window::once(once.from, once.until).map_err(within("once")),
            (None, Some(weekly), None) => {
                let days: Vec<_> = weekly.days.into_iter().map(Weekday::from).collect();
                Window::weekly(&days, &weekly.from, &weekly.until, timezone).map_err(within("weekly"))
            }
            (None, None, Some(cron)) => Window::cron(&cron.expression, timezone, cron.lasts.0).map_err(within("cron")),
            _ => Err(Error::config("config", "says when by exactly one of once, weekly and cron")),
        }
    }
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Mon,
            Day::Tue => Self::Tue,
            Day::Wed => Self::Wed,
            Day::Thu => Self::Thu,
            Day::Fri => Self::Fri,
            Day::Sat => Self::Sat,
            Day::Sun => Self::Sun,
        }
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::check::parse_config;
    use serde_json::{Value, json};

    use super::*;

    fn compile(table: &Value) -> Result<Window> {
        parse_config::<When>(table)?.compile()
    }

    #[test]
    fn each_way_to_say_when_is_understood() {
        for when in [
            json!({ "once": { "from": "2026-12-01T22:00:00+01:00", "until": "2026-12-02T02:00:00+01:00" } }),
            json!({ "weekly": { "days": ["sat", "sun"], "from": "23:00", "until": "02:00" }, "timezone": "Europe/Berlin" }),
            json!({ "weekly": { "from": "23:00", "until": "02:00" } }),
            json!({ "cron": { "expression": "0 3 1 * *", "lasts": "2h" } }),
        ] {
            compile(&when).unwrap_or_else(|error| panic!("{when}: {error}"));
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_its_field() {
        for (table, words) in [
            (json!({}), "by exactly one of once, weekly and cron"),
            (json!({ "weekly": { "from": "1:00", "until": "25:00" } }), "invalid weekly.until"),
            (json!({ "weekly": { "days": ["someday"], "from": "1:00", "until": "2:00" } }), "someday"),
            (json!({ "cron": { "expression": "61 * * * *", "lasts": "1h" } }), "invalid cron.expression"),
            (json!({ "cron": { "expression": "0 * * * *", "lasts": "60d" } }), "invalid cron.lasts"),
            (json!({ "cron": { "expression": "0 * * * *", "lasts": "1h" }, "timezone": "Mars" }), "invalid timezone"),
            (
                json!({ "once": { "from": "2026-12-01T22:00:00Z", "until": "2026-12-01T21:00:00Z" } }),
                "invalid once.until",
            ),
        ] {
            let error = compile(&table).unwrap_err().to_string();
            assert!(error.contains(words), "{table}: {error}");
        }
    }
}
