//! Many lengths of time, and what can be said of them in a line or a few.

use std::{fmt, time::Duration};

/// How long the longest bar of a histogram is.
const BAR: usize = 50;
/// Most bars of a histogram.
const BARS: usize = 16;
/// What the first bar counts; each further one counts up to twice as much.
const FIRST: Duration = Duration::from_millis(1);

/// Lengths of time, in order.
#[derive(Clone, Default)]
pub(crate) struct Distribution(Vec<Duration>);

impl Distribution {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// What so many microseconds are together; less than none counts as none.
    pub(crate) fn of_micros(micros: impl IntoIterator<Item = i64>) -> Self {
        Self::of(micros.into_iter().map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or_default())))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand don't exceed.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let rank = (self.0.len() * share).div_ceil(1_000).max(1) - 1;
        self.0.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.per_mille(1_000)
    }

    /// A line for each power of two milliseconds: up to how long, how many, and a bar.
    pub(crate) fn histogram(&self) -> String {
        let mut bars: Vec<(Duration, usize)> = (0..BARS).map(|bar| (FIRST * (1 << bar), 0)).collect();
        for time in &self.0 {
            let bar = bars.partition_point(|(until, _)| until < time).min(BARS - 1);
            bars[bar].1 += 1;
        }
        let (first, last) = (bars.iter().position(|(_, n)| *n > 0), bars.iter().rposition(|(_, n)| *n > 0));
        let most = bars.iter().map(|(_, n)| *n).max().unwrap_or_default().max(1);
        let shown = bars.get(first.unwrap_or_default()..=last.unwrap_or_default()).unwrap_or_default();
        let line = |(until, n): &(Duration, usize)| {
            format!("  up to {:>8} {n:>8} {}\n", format!("{until:?}"), "#".repeat((n * BAR).div_ceil(most)))
        };
        shown.iter().map(line).collect()
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [500, 990, 1_000].map(|share| self.per_mille(share));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}, max {all:.1?} of {}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_bars_are_read_off_the_times() {
        let times = Distribution::of_micros([3_000, 1_000, 2_000, 70_000, -5]);
        assert_eq!(times.per_mille(500), Duration::from_millis(2));
        assert_eq!(times.max(), Duration::from_millis(70));
        let histogram = times.histogram();
        let counts: Vec<_> = histogram.lines().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
        assert_eq!(counts, ["2", "1", "1", "0", "0", "0", "0", "1"], "{histogram}");
        assert_eq!(Distribution::default().max(), Duration::ZERO);
    }
}
