//! The stored form of what has no column type of its own: words and JSON. The same in every SQL store.

use std::{borrow::Cow, time::Duration};

use pingmon_core::{
    id::SessionId,
    notification::Receipt,
    outcome::{Failure as Unmet, Metric, Outcome, Status},
    store::claims::SessionInfo,
    time::{Span, micros},
};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::Error as WordError},
};
use serde_json::{Map, Value};

use crate::error::{Failure, Result};

/// The parts of an outcome that have no column: stored only where there are any.
#[derive(Serialize, Deserialize)]
struct Detail<'a> {
    /// Phases in order, in microseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    phases: Vec<(Cow<'a, str>, u64)>,
    #[serde(default, skip_serializing_if = "is_empty")]
    failed: Cow<'a, [Unmet]>,
    #[serde(default, skip_serializing_if = "is_empty")]
    metrics: Cow<'a, [Metric]>,
    #[serde(default, skip_serializing_if = "is_empty_map")]
    evidence: Cow<'a, Map<String, Value>>,
}

fn is_empty<T>(items: &[T]) -> bool {
    items.is_empty()
}

fn is_empty_map(map: &Map<String, Value>) -> bool {
    map.is_empty()
}

/// The detail column of an outcome; none when its other columns say all.
pub(crate) fn detail(outcome: &Outcome) -> Result<Option<String>> {
    let Outcome { phases, failed, metrics, evidence, .. } = outcome;
    if phases.is_empty() && failed.is_empty() && metrics.is_empty() && evidence.is_empty() {
        return Ok(None);
    }
    let micros = |took: &Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let detail = Detail {
        phases: phases.iter().map(|(name, took)| (Cow::Borrowed(&**name), micros(took))).collect(),
        failed: Cow::Borrowed(failed),
        metrics: Cow::Borrowed(metrics),
        evidence: Cow::Borrowed(evidence),
    };
    to_json("outcome", &detail).map(Some)
}

/// The receipt column of a delivery.
pub(crate) fn receipt(column: Option<String>) -> Option<Receipt> {
    column.and_then(Receipt::new)
}

/// What a session says of itself in numbers: columns of that name, the lateness in microseconds.
#[derive(sqlx::FromRow)]
pub(crate) struct SessionNumbers {
    capacity: i64,
    weight: i64,
    share: i64,
    held: i64,
    running: i64,
    concurrency: i64,
    lateness: i64,
}

impl SessionNumbers {
    pub(crate) fn of(info: &SessionInfo) -> Self {
        Self {
            capacity: info.capacity.into(),
            weight: info.weight.into(),
            share: i64::try_from(info.share).unwrap_or(i64::MAX),
            held: info.held.into(),
            running: info.running.into(),
            concurrency: info.concurrency.into(),
            lateness: i64::try_from(info.lateness.0.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// In the order capacity, weight, share, held, running, concurrency, lateness.
    pub(crate) fn columns(&self) -> [i64; 7] {
        [self.capacity, self.weight, self.share, self.held, self.running, self.concurrency, self.lateness]
    }

    /// The session that says this.
    pub(crate) fn info(&self, id: SessionId, host: String, version: String) -> SessionInfo {
        let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut info = SessionInfo::new(id, host, version, small(self.capacity));
        info.weight = small(self.weight);
        info.share = self.share.unsigned_abs();
        info.held = small(self.held);
        info.running = small(self.running);
        info.concurrency = small(self.concurrency);
        info.lateness = Span(Duration::from_micros(self.lateness.unsigned_abs()));
        info
    }
}

/// An outcome from its columns.
pub(crate) fn outcome(status: &str, latency: Option<i64>, message: String, detail: Option<&str>) -> Result<Outcome> {
    let mut outcome = Outcome::new(word::<Status>("status", status)?, message);
    outcome.latency = latency.map(|latency| Duration::from_micros(latency.unsigned_abs()));
    if let Some(detail) = detail {
        let detail: Detail<'static> = from_json("outcome", detail)?;
        let phases = detail.phases.into_iter();
        outcome.phases = phases.map(|(name, took)| (name, Duration::from_micros(took))).collect();
        outcome.failed = detail.failed.into_owned();
        outcome.metrics = detail.metrics.into_owned();
        outcome.evidence = detail.evidence.into_owned();
    }
    Ok(outcome)
}

/// The latency column of an outcome.
pub(crate) fn latency(outcome: &Outcome) -> Option<i64> {
    outcome.latency.map(micros)
}

/// An instant from its column.
#[cfg(feature = "sqlite")]
pub(crate) const fn instant(micros: i64) -> pingmon_core::time::Timestamp {
    pingmon_core::time::Timestamp::from_micros(micros)
}

/// A value as JSON text.
pub(crate) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Failure::Database(sqlx::Error::Encode(format!("the {what} can't be written as JSON: {error}").into()))
    })
}

/// A value from its JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Failure::unreadable(what, error))
}

/// One of the words that an enum of the core is written as.
pub(crate) fn word<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let deserializer = IntoDeserializer::<WordError>::into_deserializer(text);
    T::deserialize(deserializer).map_err(|error| Failure::unreadable(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_back_from_its_columns_as_it_was() {
        let mut rich = Outcome::up("200 OK")
            .latency(Duration::from_micros(12_345))
            .phase("dns", Duration::from_micros(345))
            .phase("connect", Duration::from_millis(12))
            .metric(Metric::new("size", 12.5, "bytes").label("part", "body"))
            .evidence("address", "127.0.0.1:80");
        rich.fail(Status::Down, "status", "2xx", "500");
        for whole in [rich, Outcome::unknown("no route")] {
            let detail = detail(&whole).unwrap();
            let message = whole.message.clone();
            let read = outcome(whole.status.as_str(), latency(&whole), message, detail.as_deref()).unwrap();
            assert_eq!(read, whole);
        }
    }

    #[test]
    fn an_outcome_without_detail_takes_no_json() {
        assert_eq!(detail(&Outcome::up("fine").latency(Duration::from_millis(3))).unwrap(), None);
    }

    #[test]
    fn a_word_that_nobody_knows_names_what_it_stands_for() {
        let error = word::<Status>("status", "sideways").unwrap_err();
        let Failure::Database(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains("the stored status can't be read"), "{error}");
    }
}
