//! A channel as an engine uses it: a notifier, how fast it may be used and when it is left alone, and when it is told. The
//! rules that read the policy are the dispatcher's; those that read the timing are its own.

use std::{fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    notification::{Delivery, Digest, Grouping, Timing, group},
    notifier::Notifier,
    time::Span,
};

/// Most notices that a rate may allow.
const MAX_RATE: u32 = 10_000;
/// The shortest time that a rate may count over, or a breaker wait.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// The longest time that a rate may count over.
const MAX_PER: Duration = Duration::from_secs(86_400);

/// A notifier and how it is used.
#[derive(Clone)]
#[non_exhaustive]
pub struct Channel {
    /// Who hands notices over.
    pub notifier: Arc<dyn Notifier>,
    /// How it is used.
    pub policy: ChannelPolicy,
    /// When it is told.
    pub timing: Timing,
}

impl Channel {
    /// A channel that is used as any other.
    pub fn new(notifier: Arc<dyn Notifier>) -> Self {
        Self { notifier, policy: ChannelPolicy::default(), timing: Timing::default() }
    }

    /// Sets how it is used.
    #[must_use]
    pub fn policy(mut self, policy: ChannelPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets when it is told.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        self.policy.validate()?;
        self.timing.validate()?;
        let together = [("group", self.policy.group.is_some()), ("digest", self.policy.digest.is_some())];
        match together.into_iter().find(|(_, given)| *given) {
            Some((field, _)) if !self.notifier.takes_groups() => Err(Error::config(
                field,
                "such a notifier keeps an alert for each incident, which only a notice about it alone can close",
            )),
            _ => Ok(()),
        }
    }

    /// Has a delivery wait for what it goes with, and for the end of quiet hours.
    pub fn put_off(&self, delivery: &mut Delivery) {
        group(delivery, self.policy.group.as_ref(), self.policy.digest.as_ref());
        self.timing.put_off(delivery);
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, timing, .. } = self;
        f.debug_struct("Channel").field("policy", policy).field("timing", timing).finish_non_exhaustive()
    }
}

/// How a channel is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ChannelPolicy {
    /// At most so many attempts in a time; as many as there are when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When the channel is left alone for a while.
    pub breaker: Breaker,
    /// What goes as one message: notices of one event that come within a while. Each by itself when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Grouping>,
    /// When everything there is to tell goes as one message, whatever happened: in the place of `group`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// At most `count` attempts in any span of time that is `per` long. Each process counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many, from 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// In how long, from 1 s to 1 day.
    pub per: Span,
}

/// A circuit breaker: a channel that failed `after` times in a row is tried with one notice at a time, at first after a
/// second, then after twice as long each time, up to `retry_every`; the first that it takes has all the others sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row, from 1 to 1000. Default 5.
    #[schemars(range(min = 1, max = 1_000))]
    pub after: u32,
    /// The longest wait before the next try, from 1 s to 1 h. Default 15 s. A channel may ask for a longer one, up to 1 h.
    pub retry_every: Span,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { after: 5, retry_every: Span(Duration::from_secs(15)) }
    }
}

impl ChannelPolicy {
    /// Refuses what is out of range.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if let Some(Rate { count, per }) = self.rate {
            within("rate.count", count, MAX_RATE)?;
            per.within("rate.per", MIN_WAIT..=MAX_PER)?;
        }
        within("breaker.after", self.breaker.after, 1_000)?;
        self.breaker.retry_every.within("breaker.retry_every", MIN_WAIT..=Duration::from_secs(3_600))?;
        if self.group.is_some() && self.digest.is_some() {
            return Err(Error::config("digest", "has everything go as one message: leave out group"));
        }
        self.group.as_ref().map_or(Ok(()), Grouping::validate)
    }
}

fn within(field: &str, number: u32, most: u32) -> Result<()> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    Err(Error::config(field, format!("{number} is out of range: from 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_out_of_range_names_its_field() {
        for (policy, field) in [
            (json!({ "rate": { "count": 0, "per": "1m" } }), "rate.count"),
            (json!({ "rate": { "count": 30, "per": "2 days" } }), "rate.per"),
            (json!({ "breaker": { "after": 0 } }), "breaker.after"),
            (json!({ "breaker": { "retry_every": "10ms" } }), "breaker.retry_every"),
            (json!({ "group": { "wait": "2h" } }), "group.wait"),
            (json!({ "group": { "by": vec!["x"; 33] } }), "group.by"),
            (json!({ "group": {}, "digest": "1h" }), "digest"),
        ] {
            let policy: ChannelPolicy = serde_json::from_value(policy).unwrap();
            let error = policy.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
        ChannelPolicy::default().validate().unwrap();
    }
}
