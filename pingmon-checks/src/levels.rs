//! Levels: from which figure on a measurement counts as degraded or down. How long it must last is the policy's work.

use std::fmt;

use pingmon_core::{
    error::{Error, Result},
    outcome::Status,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The levels of one figure. One that reaches neither is fine; without any level it is measured and not judged.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Levels<T> {
    /// At or above this the target is degraded.
    pub(crate) degraded: Option<T>,
    /// At or above this the target is down; above `degraded` if both are given.
    pub(crate) down: Option<T>,
}

impl<T> Levels<T> {
    /// Measures without judging.
    pub(crate) const NONE: Self = Self { degraded: None, down: None };
}

impl<T: Copy + PartialOrd + fmt::Display> Levels<T> {
    /// Refuses levels that can't both be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming `field` when `down` isn't above `degraded`.
    pub(crate) fn validate(&self, field: &str) -> Result<()> {
        match (self.degraded, self.down) {
            (Some(degraded), Some(down)) if down <= degraded => Err(Error::config(
                format!("{field}.down"),
                format!("{down} isn't above the degraded level of {degraded}; raise it or leave one of them out"),
            )),
            _ => Ok(()),
        }
    }

    /// The worst level that `figure` reaches and where that level begins.
    pub(crate) fn reached(&self, figure: T) -> Option<(Status, T)> {
        let at = |status, level: Option<T>| level.filter(|level| figure >= *level).map(|level| (status, level));
        at(Status::Down, self.down).or_else(|| at(Status::Degraded, self.degraded))
    }
}

/// A share of a whole, 0 to 100, in tenths.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
pub(crate) struct Percent(f64);

impl Percent {
    /// `part` of `whole` rounded to a tenth, so that what is shown is what was judged; `None` of an empty whole.
    pub(crate) fn of(part: f64, whole: f64) -> Option<Self> {
        (whole > 0.0).then(|| Self::rounded(part / whole * 100.0))
    }

    /// A share rounded to a tenth.
    pub(crate) fn rounded(share: f64) -> Self {
        Self((share * 10.0).round() / 10.0)
    }

    /// The bare number.
    pub(crate) const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=100.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("{share} isn't a percentage between 0 and 100"))
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} percent", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_level_that_is_reached_decides() {
        let levels = Levels { degraded: Some(80), down: Some(95) };
        assert_eq!(levels.reached(79), None);
        assert_eq!(levels.reached(80), Some((Status::Degraded, 80)));
        assert_eq!(levels.reached(95), Some((Status::Down, 95)));
        assert_eq!(Levels::NONE.reached(1_000), None);
    }

    #[test]
    fn a_down_level_that_is_not_above_the_degraded_one_is_refused_by_name() {
        let levels = Levels { degraded: Some(Percent(90.0)), down: Some(Percent(80.0)) };
        let error = levels.validate("cpu").unwrap_err().to_string();
        assert!(error.contains("cpu.down") && error.contains("90 percent"), "{error}");
    }

    #[test]
    fn a_percentage_above_a_hundred_is_refused() {
        let error = serde_json::from_str::<Percent>("101").unwrap_err().to_string();
        assert!(error.contains("between 0 and 100"), "{error}");
        assert_eq!(serde_json::from_str::<Percent>("80").unwrap().to_string(), "80 percent");
    }

    #[test]
    fn what_is_shown_is_what_is_judged() {
        let nearly = Percent::of(79.96, 100.0).unwrap();
        let levels = Levels { degraded: Some(Percent(80.0)), down: None };
        assert_eq!((nearly.to_string().as_str(), levels.reached(nearly).is_some()), ("80 percent", true));
        assert_eq!(Percent::of(0.0, 0.0), None);
    }
}
