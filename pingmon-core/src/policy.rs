//! How a monitor's verdicts become incidents and notices: thresholds, re-checks, reminders, flap damping. The rules that
//! read a policy are in `incident`.

use std::{fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    error::{Error, Result},
    time::Span,
};

/// Most consecutive runs a threshold may ask for.
pub const MAX_COUNT: u32 = 1_000;
/// Most workers that may have to see a failure.
pub const MAX_WITNESSES: u32 = 5;
/// Most times that a wait for a reminder may be as long as the one before.
pub const MAX_FACTOR: u32 = 10;
/// Longest duration a policy may name: 31 days.
pub const MAX_DURATION: Duration = Duration::from_secs(31 * 86_400);

/// How much of something it takes: `3` (consecutive runs), `"5m"` (for that long) or `"never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// That many consecutive runs; at least 1.
    Count(u32),
    /// Without interruption for that long, judged at each run.
    For(Duration),
    /// Not at all.
    Never,
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::For(duration) => Span(*duration).serialize(serializer),
            Self::Never => serializer.serialize_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountOrSpan;
        impl de::Visitor<'_> for CountOrSpan {
            type Value = Threshold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of consecutive runs such as 3, a length of time such as \"5m\", or \"never\"")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Threshold, E> {
                let count = u32::try_from(count).ok().filter(|count| (1..=MAX_COUNT).contains(count));
                count
                    .map(Threshold::Count)
                    .ok_or_else(|| E::custom(format_args!("out of range: from 1 to {MAX_COUNT} runs")))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Threshold, E> {
                self.visit_u64(u64::try_from(count).unwrap_or(0))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Threshold, E> {
                match text {
                    "never" => Ok(Threshold::Never),
                    _ => text.parse().map(|Span(duration)| Threshold::For(duration)).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_any(CountOrSpan)
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number of consecutive runs, a length of time such as \"5m\", or \"never\"",
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": MAX_COUNT }, { "type": "string" }],
        })
    }
}

/// Flap damping: a monitor that opened or resolved `changes` times `within` this long has its further notices held
/// back by `hold`. What is recorded is never delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlapDamping {
    /// How many changes make a flapping monitor; 0 turns damping off, at most 20. Default 6.
    pub changes: u32,
    /// The window the changes are counted in. Default 1 h.
    pub within: Span,
    /// How long a notice of a flapping monitor waits. Default 5 min.
    pub hold: Span,
}

impl Default for FlapDamping {
    fn default() -> Self {
        Self { changes: 6, within: Span(Duration::from_secs(3_600)), hold: Span(Duration::from_secs(300)) }
    }
}

/// How verdicts become incidents and notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Policy {
    /// How much failure (`down`) opens an incident. Default 2 runs.
    pub open_after: Threshold,
    /// How much success resolves it. Default 1 run.
    pub close_after: Threshold,
    /// How much `degraded` or worse opens an incident of level degraded; as `open_after` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded_after: Option<Threshold>,
    /// How much `unknown` opens an incident about the monitoring itself. Default 5 runs.
    pub unknown_after: Threshold,
    /// The interval while a failure or a recovery isn't confirmed yet; as usual when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_every: Option<Span>,
    /// How often an open incident is announced again; never when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_every: Option<Span>,
    /// How many times as long as the one before each wait for a reminder is, from 1 to 10: with `remind_every = "1h"` and 2,
    /// after an hour, two more, four more. Default 1: all are equal.
    #[schemars(range(min = 1, max = 10))]
    #[serde(skip_serializing_if = "is_one")]
    pub remind_factor: u32,
    /// The longest wait for a reminder, however often it has grown, from `remind_every` to 31 days; no limit when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_at_most: Option<Span>,
    /// How many different workers must have seen a failure before its incident opens; as many as are running when those
    /// are fewer. At most 5. Default 1.
    #[serde(skip_serializing_if = "is_one")]
    pub confirm_by: u32,
    /// When notices of an unsteady monitor are held back.
    pub flap: FlapDamping,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            open_after: Threshold::Count(2),
            close_after: Threshold::Count(1),
            degraded_after: None,
            unknown_after: Threshold::Count(5),
            retry_every: None,
            remind_every: None,
            remind_factor: 1,
            remind_at_most: None,
            confirm_by: 1,
            flap: FlapDamping::default(),
        }
    }
}

impl Policy {
    /// How much `degraded` or worse opens an incident of level degraded.
    pub fn degraded_after(&self) -> Threshold {
        self.degraded_after.unwrap_or(self.open_after)
    }

    /// Refuses values out of range, naming the field.
    pub(crate) fn validate(&self) -> Result<()> {
        threshold("open_after", self.open_after)?;
        threshold("close_after", self.close_after)?;
        threshold("degraded_after", self.degraded_after())?;
        threshold("unknown_after", self.unknown_after)?;
        if self.close_after == Threshold::Never {
            return Err(Error::config("close_after", "\"never\" would leave every incident open: give runs or a time"));
        }
        if let Some(every) = self.retry_every {
            every.within("retry_every", Duration::from_secs(1)..=MAX_DURATION)?;
        }
        if let Some(every) = self.remind_every {
            every.within("remind_every", Duration::from_secs(60)..=MAX_DURATION)?;
        }
        if !(1..=MAX_WITNESSES).contains(&self.confirm_by) {
            let reason = format!("{} is out of range: from 1 to {MAX_WITNESSES} workers", self.confirm_by);
            return Err(Error::config("confirm_by", reason));
        }
        if !(1..=MAX_FACTOR).contains(&self.remind_factor) {
            let reason = format!("{} is out of range: from 1 to {MAX_FACTOR}", self.remind_factor);
            return Err(Error::config("remind_factor", reason));
        }
        if let Some(longest) = self.remind_at_most {
            let shortest = self.remind_every.map_or(Duration::from_secs(60), |every| every.0);
            longest.within("remind_at_most", shortest..=MAX_DURATION)?;
        }
        if self.flap.changes > 20 {
            return Err(Error::config("flap.changes", format!("{} is out of range: from 0 to 20", self.flap.changes)));
        }
        self.flap.within.within("flap.within", Duration::ZERO..=MAX_DURATION)?;
        self.flap.hold.within("flap.hold", Duration::ZERO..=MAX_DURATION)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_one(count: &u32) -> bool {
    *count == 1
}

fn threshold(field: &str, threshold: Threshold) -> Result<()> {
    match threshold {
        Threshold::Count(count) if !(1..=MAX_COUNT).contains(&count) => {
            Err(Error::config(field, format!("{count} is out of range: from 1 to {MAX_COUNT} runs")))
        }
        Threshold::For(length) => Span(length).within(field, Duration::from_secs(1)..=MAX_DURATION),
        Threshold::Count(_) | Threshold::Never => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_threshold_is_a_count_or_a_duration_or_never() {
        for (text, threshold) in [
            (json!(3), Threshold::Count(3)),
            (json!("5m"), Threshold::For(Duration::from_secs(300))),
            (json!("never"), Threshold::Never),
        ] {
            assert_eq!(serde_json::from_value::<Threshold>(text.clone()).unwrap(), threshold);
            assert_eq!(serde_json::to_value(threshold).unwrap(), text);
        }
        for bad in [json!(0), json!(-1), json!(1_000_000), json!("5 parsecs"), json!(true)] {
            serde_json::from_value::<Threshold>(bad.clone()).expect_err(&bad.to_string());
        }
    }

    #[test]
    fn a_policy_out_of_range_names_its_field() {
        let policy = Policy { retry_every: Some(Span(Duration::ZERO)), ..Policy::default() };
        assert!(policy.validate().unwrap_err().to_string().starts_with("invalid retry_every: 0s is out of range"));
        let policy = Policy { close_after: Threshold::Never, ..Policy::default() };
        assert!(policy.validate().unwrap_err().to_string().contains("close_after"));
        let hourly = Policy { remind_every: Some(Span(Duration::from_secs(3_600))), ..Policy::default() };
        let policy = Policy { remind_at_most: Some(Span(Duration::from_secs(600))), ..hourly.clone() };
        assert_eq!(
            policy.validate().unwrap_err().to_string(),
            "invalid remind_at_most: 10m is out of range: from 1h to 31days"
        );
        for remind_factor in [0, 11] {
            let policy = Policy { remind_factor, ..hourly.clone() };
            assert!(policy.validate().unwrap_err().to_string().starts_with("invalid remind_factor: "));
        }
        Policy::default().validate().unwrap();
    }
}
