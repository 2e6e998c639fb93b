//! Instants, durations and quantities in words for people. Times are UTC.

use std::time::Duration;

use pingmon_core::{outcome::millis, time::Timestamp};
use serde::Serialize;

/// An instant as pages show it: in words, with the exact time behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct When {
    /// RFC 3339, for machines.
    pub(super) iso: String,
    /// `22 Nov 2026, 10:03:05 UTC`
    pub(super) exact: String,
    /// `22 Nov, 10:03:05`
    pub(super) short: String,
    /// `10:03:05`
    pub(super) clock: String,
    /// `3 min ago`, `in 20 s`
    pub(super) words: String,
    /// How long ago, or how far ahead: `3 min`
    pub(super) distance: String,
}

impl When {
    pub(super) fn seen_from(now: Timestamp, at: Timestamp) -> Self {
        let date = at.to_datetime();
        Self {
            iso: at.to_string(),
            exact: date.format("%-d %b %Y, %H:%M:%S UTC").to_string(),
            short: date.format("%-d %b, %H:%M:%S").to_string(),
            clock: date.format("%H:%M:%S").to_string(),
            words: relative(now, at),
            distance: span(now.since(at).max(at.since(now))),
        }
    }
}

fn relative(now: Timestamp, at: Timestamp) -> String {
    let (past, future) = (now.since(at), at.since(now));
    if past < Duration::from_secs(1) && future < Duration::from_secs(1) {
        "now".into()
    } else if future.is_zero() {
        format!("{} ago", span(past))
    } else {
        format!("in {}", span(future))
    }
}

/// A length of time, no more precise than one cares for: `42 s`, `3 min`, `5 h 20 min`, `3 days`.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..36_000 if seconds % 3_600 >= 60 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A latency to three digits: `0.24 ms`, `3.2 ms`, `123 ms`, `1.24 s`.
pub(super) fn latency(took: Duration) -> String {
    match millis(took) {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 9_995.0 => format!("{:.2} s", ms / 1_000.0),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

/// A share of a whole; rounded down, so that 100 % means all.
pub(super) fn percent(part: usize, whole: usize) -> Option<String> {
    let tenths = (part * 1_000).checked_div(whole)?;
    Some(if part == whole { "100 %".into() } else { format!("{}.{} %", tenths / 10, tenths % 10) })
}

/// `1 monitor`, `2 monitors`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number as u64))
}

/// A number with its thousands set apart: `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A metric's value in its unit: `3.1 GiB`, `47.2 %`, `12 ms`, `1,204`.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => bytes(value),
        "percent" => format!("{} %", number(value)),
        "ms" if value >= 0.0 => Duration::try_from_secs_f64(value / 1_000.0).map_or_else(|_| number(value), latency),
        "" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

fn bytes(value: f64) -> String {
    let mut scaled = value;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if scaled.abs() < 1_024.0 {
            return format!("{} {unit}", number(scaled));
        }
        scaled /= 1_024.0;
    }
    format!("{} PiB", number(scaled))
}

fn number(value: f64) -> String {
    let whole = value.abs() < 1e15 && value.fract() == 0.0;
    match value.abs() {
        size if whole => format!("{}{}", if value < 0.0 { "-" } else { "" }, grouped(size as u64)),
        size if size >= 1e15 => format!("{value:e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_latencies_read_as_people_say_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_600, "1 h"),
            (19_300, "5 h 21 min"),
            (90_000, "25 h"),
            (260_000, "3 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
        for (micros, words) in
            [(240, "0.24 ms"), (3_240, "3.2 ms"), (123_456, "123 ms"), (999_700, "1.00 s"), (12_340_000, "12.3 s")]
        {
            assert_eq!(latency(Duration::from_micros(micros)), words);
        }
    }

    #[test]
    fn an_instant_is_told_from_both_sides() {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        let second = Duration::from_secs(1);
        assert_eq!(When::seen_from(now, now).words, "now");
        assert_eq!(When::seen_from(now, now - 200 * second).words, "3 min ago");
        assert_eq!(When::seen_from(now, now + 20 * second).words, "in 20 s");
        assert_eq!(When::seen_from(now, now).exact, "21 Sep 2026, 14:13:20 UTC");
    }

    #[test]
    fn quantities_carry_their_unit() {
        for (value, unit, words) in [
            (3_328_599_654.0, "bytes", "3.1 GiB"),
            (512.0, "bytes", "512 B"),
            (47.23, "percent", "47.2 %"),
            (1_204.0, "", "1,204"),
            (-3.0, "", "-3"),
            (0.012, "", "0.012"),
            (0.72, "", "0.72"),
            (1e-9, "", "0"),
            (12.0, "ms", "12 ms"),
            (3.5, "MB/s", "3.5 MB/s"),
            (1e300, "", "1e300"),
            (f64::MAX, "ms", "1.7976931348623157e308"),
        ] {
            assert_eq!(quantity(value, unit), words);
        }
    }

    #[test]
    fn all_is_hundred_percent_and_almost_all_is_not() {
        assert_eq!(percent(60, 60).as_deref(), Some("100 %"));
        assert_eq!(percent(9_999, 10_000).as_deref(), Some("99.9 %"));
        assert_eq!(percent(0, 0), None);
        assert_eq!(count(1, "monitor"), "1 monitor");
        assert_eq!(count(100_000, "monitor"), "100,000 monitors");
    }
}
