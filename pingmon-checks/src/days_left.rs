//! The expectation on how long a certificate stays valid, which every kind that speaks TLS shares.

use std::{borrow::Cow, fmt};

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

/// How few days are too few. `30` alone is the degraded level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DaysLeft(Floors);

/// How few days are too few.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Floors {
    /// With fewer days left than this the target is degraded.
    degraded: Option<f64>,
    /// With fewer days left than this the target is down; below `degraded` if both are given.
    down: Option<f64>,
}

impl DaysLeft {
    /// Refuses levels that can't both be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the level under `field`.
    pub(crate) fn validate(&self, field: &str) -> Result<()> {
        let Floors { degraded, down } = self.0;
        for (level, days) in [("degraded", degraded), ("down", down)] {
            if let Some(days) = days.filter(|days| !(0.0..=36_500.0).contains(days)) {
                let reason = format!("{days} isn't a number of days between 0 and 36500");
                return Err(Error::config(format!("{field}.{level}"), reason));
            }
        }
        match (degraded, down) {
            (None, None) => Err(Error::config(field, "says nothing; add degraded, down or both")),
            (Some(degraded), Some(down)) if down >= degraded => Err(Error::config(
                format!("{field}.down"),
                format!("{down} isn't below the degraded level of {degraded}; lower it or leave one of them out"),
            )),
            _ => Ok(()),
        }
    }

    /// Holds the days that are left against the levels; what isn't met is listed as `expectation`.
    pub(crate) fn judge(&self, expectation: &str, left: f64, outcome: &mut Outcome) {
        let below = |status, floor: Option<f64>| floor.filter(|floor| left < *floor).map(|floor| (status, floor));
        let reached = below(Status::Down, self.0.down).or_else(|| below(Status::Degraded, self.0.degraded));
        if let Some((status, floor)) = reached {
            // Rounded down, so that what is shown is never the level that wasn't kept.
            let shown = (left * 10.0).floor() / 10.0;
            outcome.fail(status, expectation, format!(">= {floor} days"), format!("{shown} days"));
        }
    }
}

impl<'de> Deserialize<'de> for DaysLeft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrLevels;
        impl<'de> de::Visitor<'de> for NumberOrLevels {
            type Value = DaysLeft;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of days, or { degraded = 30, down = 7 }")
            }

            fn visit_f64<E: de::Error>(self, degraded: f64) -> Result<DaysLeft, E> {
                Ok(DaysLeft(Floors { degraded: Some(degraded), down: None }))
            }

            fn visit_i64<E: de::Error>(self, degraded: i64) -> Result<DaysLeft, E> {
                self.visit_f64(degraded as f64)
            }

            fn visit_u64<E: de::Error>(self, degraded: u64) -> Result<DaysLeft, E> {
                self.visit_f64(degraded as f64)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<DaysLeft, A::Error> {
                Floors::deserialize(MapAccessDeserializer::new(map)).map(DaysLeft)
            }
        }
        deserializer.deserialize_any(NumberOrLevels)
    }
}

impl JsonSchema for DaysLeft {
    fn schema_name() -> Cow<'static, str> {
        "DaysLeft".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "how few days are too few: a number (degraded below it), or both levels",
            "anyOf": [{ "type": "number" }, generator.subschema_for::<Floors>()],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(config: Value, left: f64) -> Outcome {
        let days: DaysLeft = serde_json::from_value(config).unwrap();
        days.validate("expect.days_left").unwrap();
        let mut outcome = Outcome::up("");
        days.judge("days_left", left, &mut outcome);
        outcome
    }

    #[test]
    fn a_bare_number_degrades_and_a_table_can_say_down() {
        assert_eq!(judged(json!(30), 30.0).status, Status::Up);
        let outcome = judged(json!(30), 29.99);
        assert_eq!(outcome.message, "days_left: expected >= 30 days, got 29.9 days");
        let levels = json!({ "degraded": 30, "down": 0.5 });
        assert_eq!(judged(levels.clone(), 1.0).status, Status::Degraded);
        assert_eq!(judged(levels, 0.4).status, Status::Down);
        assert_eq!(judged(json!({ "down": 7 }), -3.0).message, "days_left: expected >= 7 days, got -3 days");
    }

    #[test]
    fn levels_that_can_not_be_meant_are_refused_by_name() {
        for (config, words) in [
            (json!({ "degraded": 7, "down": 30 }), "expect.days_left.down"),
            (json!(-1), "expect.days_left.degraded"),
            (json!({}), "says nothing"),
        ] {
            let days: DaysLeft = serde_json::from_value(config).unwrap();
            let error = days.validate("expect.days_left").unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(serde_json::from_value::<DaysLeft>(json!("30d")).unwrap_err().to_string().contains("number of days"));
    }
}
