//! What goes as one message: the one place that says for how long a delivery waits for others, and for which. Pure
//! decisions, made when a delivery is written; the outbox takes together what says that it may go together.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Delivery, MAX_GROUP_KEY};
use crate::{
    error::{Error, Result},
    monitor::MAX_LABELS,
    schedule::{Phase, Schedule},
    time::{Span, Timestamp},
};

/// What is put before the key of what waits for the end of quiet hours.
pub(super) const QUIET: &str = "quiet ";
/// How long a group may wait for company.
const WAITS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
/// How far apart digests may be that come at an interval.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(31 * 86_400);

/// Notices that go as one message: those of one event whose monitors have the same values of some labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grouping {
    /// The labels, at most 32; all monitors go together when none is named.
    #[serde(default)]
    pub by: Vec<String>,
    /// How long the first waits for others, from 1 s to 1 h. Default 30 s.
    #[serde(default = "half_a_minute")]
    pub wait: Span,
}

const fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

/// When a channel is told of everything in one message: `"1h"`, aligned with midnight UTC, or
/// `{ cron = "0 9 * * mon-fri", timezone = "Europe/Berlin" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenDigest", into = "WrittenDigest")]
pub struct Digest(Schedule);

/// A digest as it is written.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
enum WrittenDigest {
    /// Every so often, from 1 min to 31 days: `"1h"`.
    Every(Span),
    /// At the instants of a cron expression.
    Cron(DigestCron),
}

/// The instants of a cron expression.
#[derive(Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct DigestCron {
    /// A cron expression of 5 fields, or of 6 with leading seconds.
    cron: String,
    /// Its IANA time zone. Default UTC.
    #[serde(default = "utc")]
    timezone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl TryFrom<WrittenDigest> for Digest {
    type Error = Error;

    fn try_from(written: WrittenDigest) -> Result<Self> {
        match written {
            WrittenDigest::Every(Span(interval)) => Self::every(interval),
            WrittenDigest::Cron(DigestCron { cron, timezone }) => Self::cron(&cron, &timezone),
        }
    }
}

impl From<Digest> for WrittenDigest {
    fn from(Digest(schedule): Digest) -> Self {
        match schedule {
            Schedule::Every(interval) => Self::Every(interval),
            Schedule::Cron(cron) => {
                let (cron, timezone) = cron.text();
                Self::Cron(DigestCron { cron: cron.to_owned(), timezone: timezone.to_owned() })
            }
        }
    }
}

impl Digest {
    /// Every so often, aligned with midnight UTC.
    ///
    /// # Errors
    /// [`Error::Config`] naming `digest` when it is out of range: from 1 min to 31 days.
    pub fn every(interval: Duration) -> Result<Self> {
        Span(interval).within("digest", INTERVALS)?;
        Schedule::every(interval).map(Self)
    }

    /// At the instants of a cron expression in an IANA time zone.
    ///
    /// # Errors
    /// [`Error::Config`] when the expression or the zone can't be read.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self> {
        Schedule::cron(expression, timezone).map(Self)
    }
}

impl Grouping {
    /// What agrees in these labels goes together, once the first has waited so long.
    pub fn by<S: Into<String>>(labels: impl IntoIterator<Item = S>, wait: Duration) -> Self {
        Self { by: labels.into_iter().map(Into::into).collect(), wait: Span(wait) }
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if self.by.len() > MAX_LABELS {
            return Err(Error::config(
                "group.by",
                format!("{} labels are more than the {MAX_LABELS} allowed", self.by.len()),
            ));
        }
        self.wait.within("group.wait", WAITS)
    }

    /// What those have in common that go together: the event, and what their monitors have of the labels.
    fn key(&self, delivery: &Delivery) -> String {
        let labels = &delivery.notification.monitor.labels;
        let values: BTreeMap<_, _> = self.by.iter().filter_map(|label| labels.get_key_value(label)).collect();
        bounded(format!("{} {values:?}", delivery.notification.event))
    }
}

/// Says with which others a delivery may go, and has it wait for them. One that a flapping monitor holds back goes alone: its
/// time is its own.
pub fn group(delivery: &mut Delivery, grouping: Option<&Grouping>, digest: Option<&Digest>) {
    if delivery.due_at != delivery.notification.at {
        return;
    }
    let (due_at, key) = match (digest, grouping) {
        (Some(Digest(schedule)), _) => match schedule.next_after(delivery.due_at, Phase::ZERO) {
            Some(next) => (next, "digest".to_owned()),
            // A cron expression that names no instant any more.
            None => return,
        },
        (None, Some(grouping)) => (delivery.due_at + grouping.wait.0, grouping.key(delivery)),
        (None, None) => return,
    };
    delivery.group = Some(key);
    wait(delivery, due_at);
}

/// Puts a delivery off; it expires as much later.
pub(super) fn wait(delivery: &mut Delivery, due_at: Timestamp) {
    delivery.expires_at = delivery.expires_at + due_at.since(delivery.due_at);
    delivery.due_at = due_at;
}

/// A key that leaves room for one more word within [`MAX_GROUP_KEY`] bytes: a longer one is known by its hash.
fn bounded(key: String) -> String {
    if key.len() <= MAX_GROUP_KEY - QUIET.len() {
        key
    } else {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        id::MonitorId,
        incident::{Health, Judged, advance},
        monitor::{Definition, Monitor, State},
        notification::{Subject, Timing, announce},
        outcome::Outcome,
        policy::{Policy, Threshold},
        window::Window,
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// What a monitor with these labels has announced when it fails at that time.
    fn opened(at: Timestamp, labels: &[(&str, &str)]) -> Delivery {
        let shop = labels.iter().fold(Definition::new("shop", "http"), |shop, (name, value)| shop.label(*name, *value));
        let monitor = Monitor::new(MonitorId::new(), 1, State::Active, shop);
        let policy = Policy { open_after: Threshold::Count(1), ..Policy::default() };
        let outcome = Outcome::down("refused");
        let judged = Judged { monitor: monitor.id, slot: at, status: outcome.status, at };
        let (_, changes) = advance(&Health::default(), judged, &policy);
        announce(&Subject::of(&monitor), &["ops".to_owned()], &changes, Some(&outcome), MINUTE).remove(0)
    }

    fn key(grouping: &Grouping, labels: &[(&str, &str)]) -> String {
        let mut delivery = opened(at("2026-11-22T10:00:00Z"), labels);
        group(&mut delivery, Some(grouping), None);
        delivery.group.unwrap()
    }

    #[test]
    fn what_says_the_same_of_monitors_that_agree_in_their_labels_goes_together() {
        let by_team = Grouping::by(["team", "site"], MINUTE);
        let shop = key(&by_team, &[("team", "shop"), ("env", "live")]);
        assert_eq!(shop, "opened {\"team\": \"shop\"}");
        assert_eq!(key(&by_team, &[("team", "shop"), ("env", "test")]), shop);
        for other in [&[("team", "mill")][..], &[("site", "shop")], &[("team", "shop"), ("site", "")], &[]] {
            assert_ne!(key(&by_team, other), shop);
        }
        let all = Grouping::by([""; 0], MINUTE);
        assert_eq!(key(&all, &[("team", "shop")]), key(&all, &[]));
        let long = ["x", "y"].map(|end| key(&by_team, &[("team", &format!("{}{end}", "é".repeat(300)))]));
        assert!(long[0].len() <= MAX_GROUP_KEY - QUIET.len() && long[0] != long[1], "{long:?}");
    }

    #[test]
    fn a_delivery_waits_for_others_or_for_the_next_digest_and_expires_as_much_later() {
        let (grouping, hourly) = (Grouping::by(["team"], MINUTE), Digest::every(60 * MINUTE).unwrap());
        let daily = Digest::cron("0 9 * * mon-fri", "Europe/Berlin").unwrap();
        for (grouping, digest, expected) in [
            (None, None, "2026-11-20T10:07:00Z"),
            (Some(&grouping), None, "2026-11-20T10:08:00Z"),
            (None, Some(&hourly), "2026-11-20T11:00:00Z"),
            // The 20th is a Friday.
            (None, Some(&daily), "2026-11-23T08:00:00Z"),
        ] {
            let mut delivery = opened(at("2026-11-20T10:07:00Z"), &[]);
            group(&mut delivery, grouping, digest);
            assert_eq!((delivery.due_at, delivery.expires_at), (at(expected), at(expected) + MINUTE));
            assert_eq!(delivery.group.is_some(), grouping.is_some() || digest.is_some());
        }
    }

    #[test]
    fn what_is_held_back_goes_alone_and_what_quiet_hours_hold_back_apart_from_the_rest() {
        let grouping = Grouping::by([""; 0], MINUTE);
        let mut held = opened(at("2026-11-20T10:07:00Z"), &[]);
        held.due_at = held.due_at + MINUTE;
        let before = held.clone();
        group(&mut held, Some(&grouping), None);
        assert_eq!(held, before);
        let night = Timing::default().quiet(Window::weekly(&[], "22:00", "07:00", "UTC").unwrap());
        let [day, evening, late] = ["21:00:00", "21:59:30", "23:00:00"].map(|time| {
            let mut delivery = opened(at(&format!("2026-11-20T{time}Z")), &[]);
            group(&mut delivery, Some(&grouping), None);
            night.put_off(&mut delivery);
            delivery
        });
        assert_eq!((evening.due_at, &evening.group), (at("2026-11-21T07:00:00Z"), &late.group));
        assert_ne!(day.group, late.group);
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        for written in [json!("1h"), json!({ "cron": "0 9 * * *", "timezone": "Europe/Berlin" })] {
            let digest: Digest = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&digest).unwrap(), written);
        }
        let utc: Digest = serde_json::from_value(json!({ "cron": "0 9 * * *" })).unwrap();
        assert_eq!(utc, Digest::cron("0 9 * * *", "UTC").unwrap());
        for (written, words) in [
            (json!("10s"), "invalid digest: 10s is out of range: from 1m to 31days"),
            (json!({ "cron": "61 * * * *" }), "invalid cron"),
            (json!({ "cron": "0 9 * * *", "timezone": "Mars" }), "invalid timezone"),
        ] {
            let error = serde_json::from_value::<Digest>(written).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
