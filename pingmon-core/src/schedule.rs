//! When a monitor is due: an interval or a cron expression. Pure arithmetic on instants; no timers here.

use std::{fmt, str::FromStr, time::Duration};

use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    id::MonitorId,
    time::{Span, Timestamp, micros},
};

/// Shortest interval between two slots.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Longest interval between two slots: 366 days.
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 86_400);
/// How many missed slots are counted one by one before the count stops; only reached by cron expressions.
pub const MAX_COUNTED: u64 = 100_000;

/// When a monitor is due.
///
/// Interval slots lie at `phase + k × interval`, the phase being a stable function of the monitor's id: 10,000 monitors
/// of one interval spread over it evenly and stay spread across restarts. Cron slots lie where the expression says, in
/// its time zone; croner's rules decide at clock changes (a skipped local time runs once after the jump).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Schedule {
    /// Every so often.
    Every(Span),
    /// At the instants of a cron expression.
    Cron(Box<CronSchedule>),
}

/// A cron expression (5 fields, or 6 with leading seconds) with its IANA time zone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CronText", into = "CronText")]
pub struct CronSchedule {
    text: CronText,
    cron: Cron,
    zone: Tz,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CronText {
    expression: String,
    timezone: String,
}

impl TryFrom<CronText> for CronSchedule {
    type Error = Error;

    fn try_from(text: CronText) -> Result<Self> {
        let cron = Cron::from_str(&text.expression)
            .map_err(|e| Error::config("cron", format!("\"{}\" is not a cron expression: {e}", text.expression)))?;
        let zone = Tz::from_str(&text.timezone).map_err(|_| {
            Error::config(
                "timezone",
                format!("\"{}\" is not an IANA time zone such as \"Europe/Berlin\"", text.timezone),
            )
        })?;
        Ok(Self { text, cron, zone })
    }
}

impl From<CronSchedule> for CronText {
    fn from(schedule: CronSchedule) -> Self {
        schedule.text
    }
}

impl CronSchedule {
    /// The expression and the time zone, as they were written.
    pub(crate) fn text(&self) -> (&str, &str) {
        (&self.text.expression, &self.text.timezone)
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Schedule {
    /// A schedule of one interval.
    ///
    /// # Errors
    /// When it lies outside [`MIN_INTERVAL`] to [`MAX_INTERVAL`].
    pub fn every(interval: Duration) -> Result<Self> {
        let schedule = Self::Every(Span(interval));
        schedule.validate()?;
        Ok(schedule)
    }

    /// A schedule of a cron expression in an IANA time zone.
    ///
    /// # Errors
    /// When the expression or the zone can't be read, or the expression names no instant at all.
    pub fn cron(expression: &str, timezone: &str) -> Result<Self> {
        let text = CronText { expression: expression.to_owned(), timezone: timezone.to_owned() };
        let schedule = Self::Cron(Box::new(CronSchedule::try_from(text)?));
        schedule.validate()?;
        Ok(schedule)
    }

    /// Refuses intervals out of range and cron expressions that never come.
    pub(crate) fn validate(&self) -> Result<()> {
        match self {
            Self::Every(interval) => interval.within("every", MIN_INTERVAL..=MAX_INTERVAL),
            Self::Cron(cron) => match self.next_after(Timestamp::from_micros(0), Phase::ZERO) {
                Some(_) => Ok(()),
                None => Err(Error::config("cron", format!("\"{}\" names no instant", cron.text.expression))),
            },
        }
    }

    /// The first slot after `after`; `None` when there is none (a cron expression for a year that is over).
    pub fn next_after(&self, after: Timestamp, phase: Phase) -> Option<Timestamp> {
        match self {
            Self::Every(Span(interval)) => Some(next_aligned(after, micros(*interval).max(1), phase)),
            Self::Cron(schedule) => {
                let from = after.to_datetime().with_timezone(&schedule.zone);
                let next = schedule.cron.find_next_occurrence(&from, false).ok()?;
                Some(next.with_timezone(&chrono::Utc).into())
            }
        }
    }

    /// The distance from `slot` to the next one: the interval itself, or what cron makes of it there.
    pub fn period_at(&self, slot: Timestamp, phase: Phase) -> Duration {
        match self {
            Self::Every(Span(interval)) => *interval,
            Self::Cron(_) => self.next_after(slot, phase).map_or(MAX_INTERVAL, |next| next.since(slot)),
        }
    }

    /// How many slots lie in `from..until`, `from` being a slot itself; stops at [`MAX_COUNTED`] for cron.
    pub fn count(&self, from: Timestamp, until: Timestamp, phase: Phase) -> u64 {
        if until <= from {
            return 0;
        }
        match self {
            Self::Every(Span(interval)) => {
                let span = u64::try_from(micros(until.since(from))).unwrap_or(0);
                span.div_ceil(u64::try_from(micros(*interval)).unwrap_or(1).max(1))
            }
            Self::Cron(_) => {
                let later = std::iter::successors(Some(from), |slot| self.next_after(*slot, phase));
                later.take_while(|slot| *slot < until).take(MAX_COUNTED as usize).count() as u64
            }
        }
    }
}

/// The smallest `phase + k × interval` after `after`.
fn next_aligned(after: Timestamp, interval: i64, phase: Phase) -> Timestamp {
    let offset = i64::try_from(phase.0 % interval.unsigned_abs()).unwrap_or(0);
    let into = (after.as_micros() - offset).rem_euclid(interval);
    Timestamp::from_micros(after.as_micros().saturating_add(interval - into)).min(Timestamp::MAX)
}

/// Where in its interval a monitor runs: a number drawn from its id, the same for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase(u64);

impl Phase {
    /// The phase that aligns slots with the epoch.
    pub const ZERO: Self = Self(0);

    /// The phase of a monitor, evenly spread whatever the interval.
    pub fn of(monitor: MonitorId) -> Self {
        let (high, low) = monitor.as_uuid().as_u64_pair();
        // The low half of a version 7 UUID is random but for two bits; mixing spares us from knowing which
        // (the finaliser of SplitMix64).
        let mut mixed = high ^ low.rotate_left(32);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    /// The part of `span` that falls to this phase, evenly spread from none to nearly all of it.
    pub(crate) fn part_of(self, span: Duration) -> Duration {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let part = (u128::from(self.0) * u128::from(micros)) >> 64;
        Duration::from_micros(u64::try_from(part).unwrap_or(micros))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every {interval}"),
            Self::Cron(cron) => write!(f, "cron \"{}\" {}", cron.text.expression, cron.zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn interval_slots_keep_their_phase_and_distance() {
        let schedule = Schedule::every(Duration::from_secs(10)).unwrap();
        let phase = Phase::of(MonitorId::new());
        let first = schedule.next_after(at("2026-11-22T10:00:00Z"), phase).unwrap();
        let second = schedule.next_after(first, phase).unwrap();
        assert_eq!(second.since(first), Duration::from_secs(10));
        assert_eq!(schedule.next_after(second - Duration::from_micros(1), phase), Some(second));
        assert_eq!(schedule.count(first, first + Duration::from_secs(25), phase), 3);
        assert_eq!(schedule.count(first, first, phase), 0);
    }

    #[test]
    fn ten_thousand_monitors_spread_over_their_interval() {
        let schedule = Schedule::every(Duration::from_secs(10)).unwrap();
        let start = at("2026-11-22T10:00:00Z");
        let mut per_second = [0_u32; 10];
        for _ in 0..10_000 {
            let slot = schedule.next_after(start, Phase::of(MonitorId::new())).unwrap();
            per_second[(slot.since(start).as_micros() as usize - 1) / 1_000_000] += 1;
        }
        assert!(per_second.iter().all(|n| (800..1_200).contains(n)), "{per_second:?}");
    }

    #[test]
    fn intervals_out_of_range_are_refused_by_name() {
        for bad in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(1_000_000_000_000_000_000)] {
            let error = Schedule::every(bad).unwrap_err().to_string();
            assert!(error.contains("every") && error.contains("from 1s to 366days"), "{error}");
        }
    }

    #[test]
    fn cron_follows_its_time_zone_across_the_clock_change() {
        let schedule = Schedule::cron("30 9 * * *", "Europe/Berlin").unwrap();
        let before = schedule.next_after(at("2026-10-24T00:00:00Z"), Phase::ZERO).unwrap();
        assert_eq!(before, at("2026-10-24T07:30:00Z"));
        let after = schedule.next_after(at("2026-10-25T06:00:00Z"), Phase::ZERO).unwrap();
        assert_eq!(after, at("2026-10-25T08:30:00Z"));
        assert_eq!(schedule.count(before, at("2026-10-27T00:00:00Z"), Phase::ZERO), 3);
    }

    #[test]
    fn bad_cron_text_and_zone_are_named() {
        assert!(Schedule::cron("61 * * * *", "UTC").unwrap_err().to_string().contains("invalid cron"));
        assert!(Schedule::cron("* * * * *", "Mars/Olympus").unwrap_err().to_string().contains("invalid timezone"));
        assert!(Schedule::cron("0 0 30 2 *", "UTC").unwrap_err().to_string().contains("names no instant"));
    }

    #[test]
    fn a_schedule_reads_back_from_its_json() {
        for schedule in
            [Schedule::every(Duration::from_secs(90)).unwrap(), Schedule::cron("*/5 * * * *", "UTC").unwrap()]
        {
            let json = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule, "{json}");
        }
    }
}
