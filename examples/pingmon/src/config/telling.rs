//! Who is told of which incidents, and when: `[[route]]`, and the quiet hours of a `[[notifier]]`, from what is written to
//! what the engine goes by.

use std::collections::BTreeMap;

use pingmon_core::{
    error::{Error, Result},
    matcher::Matcher,
    notification::Timing,
    outcome::Status,
    route::Route,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::window::When;

/// How bad an incident is.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The target works, but not as well as expected.
    Degraded,
    /// The target failed.
    Down,
    /// The target can't be judged: the incident is about the monitoring.
    Unknown,
}

/// Notifiers that are told of incidents of some monitors and levels, beside those that the monitors name themselves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Routing {
    /// Names of the monitors; with neither these nor `labels`, all are meant.
    #[serde(default)]
    monitors: Vec<String>,
    /// Labels that the monitors have, all of them; in a value `*` stands for any text: `{ team = "shop", region = "eu-*" }`.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// How bad the incidents are: `degraded`, `down`, or `unknown` for those about the monitoring; all when not given. Who is
    /// told of `down` only hears first of an incident when it gets as bad as that.
    #[schemars(length(min = 1))]
    levels: Option<Vec<Level>>,
    /// Names of the notifiers that are told.
    #[schemars(length(min = 1, max = 32))]
    notify: Vec<String>,
}

/// When a notifier is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quiet {
    #[serde(default)]
    quiet: Vec<When>,
    #[serde(default)]
    quiet_except: Vec<Level>,
}

impl From<Level> for Status {
    fn from(level: Level) -> Self {
        match level {
            Level::Degraded => Self::Degraded,
            Level::Down => Self::Down,
            Level::Unknown => Self::Unknown,
        }
    }
}

impl Routing {
    /// What the engine is to know of it.
    pub(super) fn compile(self) -> Route {
        let mut matcher = Matcher::all();
        (matcher.monitors, matcher.labels) = (self.monitors, self.labels);
        let route = Route::new(matcher, self.notify);
        self.levels.into_iter().flatten().map(Status::from).fold(route, Route::level)
    }
}

impl Quiet {
    /// The fields of a notifier that this reads.
    pub(super) const FIELDS: [&str; 2] = ["quiet", "quiet_except"];

    /// What the engine is to know of it.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(self) -> Result<Timing> {
        let mut timing = Timing::default();
        for (position, when) in self.quiet.into_iter().enumerate() {
            let within = |error| match error {
                Error::Config { field, reason } if field == "config" => {
                    Error::config(format!("quiet[{position}]"), reason)
                }
                Error::Config { field, reason } => Error::config(format!("quiet[{position}].{field}"), reason),
                other => other,
            };
            timing = timing.quiet(when.compile().map_err(within)?);
        }
        let timing = self.quiet_except.into_iter().map(Status::from).fold(timing, Timing::quiet_except);
        if timing.quiet.is_empty() && !timing.quiet_except.is_empty() {
            return Err(Error::config("quiet_except", "has no meaning without `quiet`"));
        }
        timing.validate().map(|()| timing)
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::check::parse_config;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn quiet_hours_that_can_not_be_meant_are_refused_by_their_field() {
        let night = json!({ "weekly": { "from": "22:00", "until": "07:00" }, "timezone": "Europe/Berlin" });
        let compile = |table: &Value| parse_config::<Quiet>(table)?.compile();
        let timing = compile(&json!({ "quiet": [night], "quiet_except": ["down"] })).unwrap();
        assert_eq!((timing.quiet.len(), timing.quiet_except), (1, vec![Status::Down]));
        for (table, words) in [
            (json!({ "quiet_except": ["down"] }), "invalid quiet_except: has no meaning without `quiet`"),
            (json!({ "quiet": [night, {}] }), "invalid quiet[1]: says when by exactly one"),
            (
                json!({ "quiet": [{ "weekly": { "from": "22", "until": "07:00" } }] }),
                "invalid quiet[0].weekly.from: \"22\"",
            ),
            (json!({ "quiet": [{ "weekly": { "from": "00:00", "until": "00:00" } }] }), "invalid quiet: has no end"),
            (json!({ "quiet": [night], "quiet_except": ["up"] }), "up"),
        ] {
            let error = compile(&table).unwrap_err().to_string();
            assert!(error.contains(words), "{table}: {error}");
        }
    }
}
