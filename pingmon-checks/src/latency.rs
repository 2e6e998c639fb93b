//! The expectation on latency that every kind with a target shares.

use std::{borrow::Cow, fmt, time::Duration};

use pingmon_core::{error::Result, outcome::Outcome, time::Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use crate::levels::Levels;

/// How slow is too slow. `"500ms"` alone is the degraded level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency(Levels<Span>);

impl Latency {
    /// Refuses levels that can't both be meant.
    ///
    /// # Errors
    /// [`pingmon_core::error::Error::Config`] naming the level under `field`.
    pub(crate) fn validate(&self, field: &str) -> Result<()> {
        self.0.validate(field)
    }

    /// Holds what was measured, to the microsecond, against the levels.
    pub(crate) fn judge(&self, took: Duration, outcome: &mut Outcome) {
        self.judge_as("latency", took, outcome);
    }

    /// The same for a part of it, under the name of that expectation.
    pub(crate) fn judge_as(&self, expectation: impl Into<String>, took: Duration, outcome: &mut Outcome) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let took = Span(Duration::from_micros(micros));
        if let Some((status, level)) = self.0.reached(took) {
            outcome.fail(status, expectation, format!("< {level}"), took.to_string());
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrLevels;
        impl<'de> de::Visitor<'de> for TextOrLevels {
            type Value = Latency;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"500ms\", or { degraded = \"500ms\", down = \"2s\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Latency, E> {
                let degraded = text.parse().map_err(E::custom)?;
                Ok(Latency(Levels { degraded: Some(degraded), down: None }))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Latency, A::Error> {
                Levels::deserialize(MapAccessDeserializer::new(map)).map(Latency)
            }
        }
        deserializer.deserialize_any(TextOrLevels)
    }
}

impl JsonSchema for Latency {
    fn schema_name() -> Cow<'static, str> {
        "Latency".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "how slow is too slow: a length of time (degraded at or above it), or both levels",
            "anyOf": [generator.subschema_for::<Span>(), generator.subschema_for::<Levels<Span>>()],
        })
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::outcome::Status;
    use serde_json::json;

    use super::*;

    fn judged(config: serde_json::Value, took: Duration) -> Outcome {
        let latency: Latency = serde_json::from_value(config).unwrap();
        latency.validate("latency").unwrap();
        let mut outcome = Outcome::up("");
        latency.judge(took, &mut outcome);
        outcome
    }

    #[test]
    fn a_bare_length_of_time_degrades_and_a_table_can_say_down() {
        assert_eq!(judged(json!("500ms"), Duration::from_millis(499)).status, Status::Up);
        let outcome = judged(json!("500ms"), Duration::from_millis(500));
        assert_eq!(
            (outcome.status, outcome.message.as_str()),
            (Status::Degraded, "latency: expected < 500ms, got 500ms")
        );
        let levels = json!({ "degraded": "500ms", "down": "2s" });
        assert_eq!(judged(levels, Duration::from_secs(3)).status, Status::Down);
    }

    #[test]
    fn a_number_without_a_unit_and_levels_in_the_wrong_order_are_refused() {
        let error = serde_json::from_value::<Latency>(json!(500)).unwrap_err().to_string();
        assert!(error.contains("such as \"500ms\""), "{error}");
        let swapped: Latency = serde_json::from_value(json!({ "degraded": "2s", "down": "1s" })).unwrap();
        assert!(swapped.validate("expect.latency").unwrap_err().to_string().contains("expect.latency.down"));
    }
}
