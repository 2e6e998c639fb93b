//! Instants, clocks and the text form of durations. The one place that may read the wall clock.
//!
//! Instants are UTC microseconds, which is what PostgreSQL keeps and what survives a round trip through every store.
//! Arithmetic saturates: a hostile interval can't overflow into the past.

use std::{
    fmt,
    ops::{Add, RangeInclusive, Sub},
    str::FromStr,
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{self, Error};

/// An instant: microseconds since 1970-01-01T00:00:00Z. Reads and writes as RFC 3339 in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last instant that can be written as a date with four digits: 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799_000_000);

    /// The instant that many microseconds after (or before) the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant for chrono; [`Timestamp::MAX`] when it lies beyond what chrono can hold.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.min(Self::MAX.0)).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)).min(Self::MAX.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }
}

/// A duration as microseconds, `i64::MAX` when it is longer.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(s: &str) -> Result<Self, chrono::ParseError> {
        DateTime::parse_from_rfc3339(s).map(|at| at.with_timezone(&Utc).into())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(|e| de::Error::custom(format_args!("not an RFC 3339 time: {e}")))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Where a store that lives in this process gets its time from. A database server uses its own clock instead.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The wall clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    fn now(&self) -> Timestamp {
        Utc::now().into()
    }
}

/// A clock that moves with tokio's: it stands still under `tokio::time::pause` and jumps with `advance`, which is how
/// tests steer an engine over a memory store.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    epoch: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, started: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.epoch + self.started.elapsed()
    }
}

/// A length of time written for people: `"500ms"`, `"30s"`, `"5m"`, `"1h 30m"`, `"7days"`.
///
/// Deserialises from such a string only: a bare number has no unit and is refused with that reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

impl Span {
    /// Refuses a length of time that `field` can't have.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field and what would be right.
    pub fn within(self, field: &str, range: RangeInclusive<Duration>) -> error::Result<()> {
        if range.contains(&self.0) {
            return Ok(());
        }
        let (least, most) = (Self(*range.start()), Self(*range.end()));
        Err(Error::config(field, format!("{self} is out of range: from {least} to {most}")))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole days stay days: months and years are of no certain length.
        let days = self.0.as_secs() / 86_400;
        match Duration::from_secs(days * 86_400) == self.0 {
            true if days == 1 => f.write_str("1day"),
            true if days > 1 => write!(f, "{days}days"),
            _ => humantime::format_duration(self.0).fmt(f),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        humantime::parse_duration(s)
            .map(Self)
            .map_err(|e| format!("not a length of time such as \"30s\", \"5m\" or \"1h 30m\": {e}"))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time with its unit, such as \"30s\"")
            }

            fn visit_str<E: de::Error>(self, s: &str) -> Result<Span, E> {
                s.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a length of time with its unit: \"500ms\", \"30s\", \"5m\", \"1h 30m\", \"7days\"",
            "examples": ["30s", "5m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_json_to_the_microsecond() {
        let at = Timestamp::from_micros(1_790_000_000_123_456);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, "\"2026-09-21T14:13:20.123456Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::from_micros(5).since(Timestamp::from_micros(9)), Duration::ZERO);
    }

    #[test]
    fn whole_days_are_written_as_days() {
        for (text, seconds) in
            [("0s", 0), ("30s", 30), ("1day", 86_400), ("365days", 365 * 86_400), ("1day 1s", 86_401)]
        {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text);
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))));
        }
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_the_reason() {
        let error = serde_json::from_str::<Span>("30").unwrap_err().to_string();
        assert!(error.contains("with its unit"), "{error}");
        let error = serde_json::from_str::<Span>("\"30 parsecs\"").unwrap_err().to_string();
        assert!(error.contains("parsecs"), "{error}");
    }
}
