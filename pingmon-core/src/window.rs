//! Stretches of time that a person names beforehand: once, every week by the clock of a time zone, or from each instant of
//! a cron expression on. Pure arithmetic on instants; what holds within one is the affair of who has it.

use std::time::Duration;

use chrono::{
    Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Utc,
    Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    schedule::{Phase, Schedule},
    time::{Span, Timestamp},
};

/// The longest a window from a cron expression lasts: 31 days.
pub const MAX_LENGTH: Duration = Duration::from_secs(31 * 86_400);
/// Most windows that are taken for one because they overlap.
const MAX_JOINED: usize = 1_000;

/// Stretches of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Window {
    /// One stretch, its end not included.
    Once {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// Every week.
    Weekly(Weekly),
    /// From each instant of a cron expression on.
    Cron {
        /// The beginnings.
        starts: Schedule,
        /// How long each lasts, at most [`MAX_LENGTH`].
        lasts: Span,
    },
}

/// Parts of some days of the week, by the clock on the wall: at clock changes they are shorter or longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Weekly {
    /// The days on which they begin; every day when none is named.
    pub days: Vec<Weekday>,
    /// When they begin. One that comes twice on a day begins the first time; one that a clock
    /// change leaves out begins as much later as the clock jumps.
    pub from: NaiveTime,
    /// When they end: on the day after when it isn't later than `from`. One that comes twice ends the second time.
    pub until: NaiveTime,
    /// Whose clock.
    pub timezone: Tz,
}

impl Window {
    /// One stretch of time.
    ///
    /// # Errors
    /// When it ends before it began.
    pub fn once(from: Timestamp, until: Timestamp) -> Result<Self> {
        if until <= from {
            return Err(Error::config("until", format!("{until} isn't after {from}; a window ends after it began")));
        }
        Ok(Self::Once { from, until })
    }

    /// Parts of some days of the week, of every day when none is named; times are `23:00` or `23:00:30`.
    ///
    /// # Errors
    /// Naming the time or the zone that can't be read.
    pub fn weekly(days: &[Weekday], from: &str, until: &str, timezone: &str) -> Result<Self> {
        let time = |field: &str, text: &str| {
            let read =
                NaiveTime::parse_from_str(text, "%H:%M").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"));
            read.map_err(|_| Error::config(field, format!("{text:?} isn't a time of day such as \"23:00\"")))
        };
        let (from, until) = (time("from", from)?, time("until", until)?);
        let timezone = timezone.parse().map_err(|_| {
            Error::config("timezone", format!("{timezone:?} is not an IANA time zone such as \"Europe/Berlin\""))
        })?;
        Ok(Self::Weekly(Weekly { days: days.to_vec(), from, until, timezone }))
    }

    /// So long from each instant of a cron expression on.
    ///
    /// # Errors
    /// Naming the expression or zone that can't be read, or a length of zero or more than [`MAX_LENGTH`].
    pub fn cron(expression: &str, timezone: &str, lasts: Duration) -> Result<Self> {
        let starts = Schedule::cron(expression, timezone)?;
        if lasts.is_zero() || lasts > MAX_LENGTH {
            let (lasts, most) = (Span(lasts), Span(MAX_LENGTH));
            return Err(Error::config("lasts", format!("{lasts} is out of range: more than nothing, at most {most}")));
        }
        Ok(Self::Cron { starts, lasts: Span(lasts) })
    }

    /// When the stretch ends in which `at` lies; none when it lies in none. Stretches that overlap or touch are one.
    pub fn end_of(&self, at: Timestamp) -> Option<Timestamp> {
        let mut end = self.end_of_one(at)?;
        for _ in 0..MAX_JOINED {
            match self.end_of_one(end) {
                Some(later) => end = later,
                None => break,
            }
        }
        Some(end)
    }

    fn end_of_one(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= at && at < *until).then_some(*until),
            Self::Weekly(weekly) => weekly.end_of(at),
            Self::Cron { starts, lasts: Span(lasts) } => {
                let begun = starts.next_after(at - *lasts, Phase::ZERO).filter(|start| *start <= at)?;
                Some(begun + *lasts)
            }
        }
    }
}

impl Weekly {
    fn end_of(&self, at: Timestamp) -> Option<Timestamp> {
        let today = at.to_datetime().with_timezone(&self.timezone).date_naive();
        let yesterday = today.checked_sub_days(Days::new(1));
        let begins = |day: &NaiveDate| self.days.is_empty() || self.days.contains(&day.weekday());
        let of_days = yesterday.into_iter().chain([today]).filter(begins).filter_map(|day| self.on(day));
        of_days.filter(|(from, until)| *from <= at && at < *until).map(|(_, until)| until).max()
    }

    /// The stretch that begins on that day.
    fn on(&self, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until > self.from { day } else { day.checked_add_days(Days::new(1))? };
        let (from, _) = self.instants(day.and_time(self.from))?;
        let (_, until) = self.instants(last.and_time(self.until))?;
        Some((from, until))
    }

    /// The first and the last instant at which the clock shows that time.
    fn instants(&self, local: NaiveDateTime) -> Option<(Timestamp, Timestamp)> {
        let (first, last) = match self.timezone.from_local_datetime(&local) {
            LocalResult::Single(at) => (at, at),
            LocalResult::Ambiguous(first, last) => (first, last),
            // The clock jumps over it: as much after the jump as it would have been before.
            LocalResult::None => {
                let earlier = local.checked_sub_signed(TimeDelta::hours(3))?;
                let offset = self.timezone.offset_from_local_datetime(&earlier).earliest()?.fix();
                let at = self.timezone.from_utc_datetime(&local.checked_sub_offset(offset)?);
                (at, at)
            }
        };
        Some((first.with_timezone(&Utc).into(), last.with_timezone(&Utc).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn end(window: &Window, text: &str) -> Option<Timestamp> {
        window.end_of(at(text))
    }

    #[test]
    fn a_window_holds_its_beginning_and_not_its_end() {
        let window = Window::once(at("2026-11-22T10:00:00Z"), at("2026-11-22T12:00:00Z")).unwrap();
        assert_eq!(end(&window, "2026-11-22T09:59:59Z"), None);
        assert_eq!(end(&window, "2026-11-22T10:00:00Z"), Some(at("2026-11-22T12:00:00Z")));
        assert_eq!(end(&window, "2026-11-22T11:59:59Z"), Some(at("2026-11-22T12:00:00Z")));
        assert_eq!(end(&window, "2026-11-22T12:00:00Z"), None);
    }

    #[test]
    fn a_weekly_window_goes_on_across_midnight_into_a_day_that_is_not_named() {
        // The 21st is a Saturday.
        let window = Window::weekly(&[Weekday::Sat], "23:00", "02:00", "Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-11-21T21:59:00Z", None),
            ("2026-11-21T22:00:00Z", Some("2026-11-22T01:00:00Z")),
            ("2026-11-22T00:30:00Z", Some("2026-11-22T01:00:00Z")),
            ("2026-11-22T01:00:00Z", None),
            ("2026-11-22T22:30:00Z", None),
        ] {
            assert_eq!(end(&window, text), expected.map(at), "{text}");
        }
    }

    #[test]
    fn a_window_by_the_clock_on_the_wall_is_longer_and_shorter_when_the_clocks_change() {
        let window = Window::weekly(&[], "01:00", "04:00", "Europe/Berlin").unwrap();
        for (from, until) in [
            ("2026-03-28T00:00:00Z", "2026-03-28T03:00:00Z"),
            ("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
            ("2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
        ] {
            assert_eq!(end(&window, from), Some(at(until)), "{from}");
            assert_eq!(window.end_of(at(from) - Duration::from_secs(1)), None, "{from}");
        }
    }

    #[test]
    fn times_that_a_clock_change_leaves_out_or_repeats_are_still_meant() {
        let night = Window::weekly(&[], "02:30", "02:45", "Europe/Berlin").unwrap();
        // At 01:00 UTC the clock jumps from 02:00 to 03:00: 02:30 comes half an hour later.
        assert_eq!(end(&night, "2026-03-29T01:30:00Z"), Some(at("2026-03-29T01:45:00Z")));
        assert_eq!(end(&night, "2026-03-29T01:29:59Z"), None);
        // At 01:00 UTC the clock goes back from 03:00 to 02:00: from the first 02:30 to the second 02:45.
        assert_eq!(end(&night, "2026-10-25T00:30:00Z"), Some(at("2026-10-25T01:45:00Z")));
    }

    #[test]
    fn from_midnight_to_midnight_every_day_there_is_no_end_worth_a_word() {
        let window = Window::weekly(&[], "00:00", "00:00", "UTC").unwrap();
        let end = end(&window, "2026-11-22T10:00:00Z").unwrap();
        assert!(end > at("2027-11-22T00:00:00Z"), "{end}");
    }

    #[test]
    fn a_window_lasts_so_long_from_each_instant_of_a_cron_expression_and_overlaps_are_one() {
        let nightly = Window::cron("30 3 * * *", "UTC", Duration::from_secs(3_600)).unwrap();
        assert_eq!(end(&nightly, "2026-11-22T03:29:59Z"), None);
        assert_eq!(end(&nightly, "2026-11-22T03:30:00Z"), Some(at("2026-11-22T04:30:00Z")));
        assert_eq!(end(&nightly, "2026-11-22T04:30:00Z"), None);
        let joined = Window::cron("0,30 3 * * *", "UTC", Duration::from_secs(2_400)).unwrap();
        assert_eq!(end(&joined, "2026-11-22T03:01:00Z"), Some(at("2026-11-22T04:10:00Z")));
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_name() {
        for (window, words) in [
            (Window::once(at("2026-11-22T10:00:00Z"), at("2026-11-22T10:00:00Z")), "invalid until"),
            (Window::weekly(&[], "25:00", "02:00", "UTC"), "invalid from: \"25:00\""),
            (Window::weekly(&[], "23:00", "2", "UTC"), "invalid until: \"2\""),
            (Window::weekly(&[], "23:00", "02:00", "Mars/Olympus"), "invalid timezone"),
            (Window::cron("61 * * * *", "UTC", MAX_LENGTH), "invalid cron"),
            (Window::cron("0 * * * *", "UTC", Duration::ZERO), "invalid lasts"),
            (Window::cron("0 * * * *", "UTC", MAX_LENGTH * 2), "invalid lasts"),
        ] {
            let error = window.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_window_reads_back_from_its_json() {
        for window in [
            Window::once(at("2026-11-22T10:00:00Z"), at("2026-11-22T12:00:00Z")).unwrap(),
            Window::weekly(&[Weekday::Sat, Weekday::Sun], "23:00", "02:00", "Europe/Berlin").unwrap(),
            Window::cron("0 3 * * *", "UTC", Duration::from_secs(60)).unwrap(),
        ] {
            let json = serde_json::to_string(&window).unwrap();
            assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window, "{json}");
        }
    }
}
