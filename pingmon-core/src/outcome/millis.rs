//! Durations as milliseconds, in JSON as everywhere.

use std::time::Duration;

/// A duration in milliseconds with microsecond resolution.
pub fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

fn from_millis(millis: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(millis / 1_000.0).ok()
}

pub(super) mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::outcome) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(super::millis).serialize(serializer)
    }

    pub(in crate::outcome) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.and_then(super::from_millis))
    }
}

pub(super) mod phases {
    use std::{borrow::Cow, fmt, time::Duration};

    use serde::{Deserializer, Serializer, de};

    type Phases = Vec<(Cow<'static, str>, Duration)>;

    pub(in crate::outcome) fn serialize<S: Serializer>(phases: &Phases, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(phases.iter().map(|(name, took)| (name, super::millis(*took))))
    }

    pub(in crate::outcome) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Phases, D::Error> {
        struct InOrder;
        impl<'de> de::Visitor<'de> for InOrder {
            type Value = Phases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of phase names to milliseconds")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Phases, A::Error> {
                let mut phases = Vec::new();
                while let Some((name, took)) = map.next_entry::<String, f64>()? {
                    phases.push((name.into(), super::from_millis(took).unwrap_or_default()));
                }
                Ok(phases)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
