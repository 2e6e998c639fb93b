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

#[cfg(feature = "system")]
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

/// How bad it is when an expectation isn't met.
#[cfg(any(feature = "http", feature = "postgres", feature = "handshake"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The target works, but not as well as it should.
    Degraded,
    /// The target counts as failed.
    #[default]
    Down,
}

#[cfg(any(feature = "http", feature = "postgres", feature = "handshake"))]
impl From<Level> for Status {
    fn from(level: Level) -> Self {
        match level {
            Level::Degraded => Self::Degraded,
            Level::Down => Self::Down,
        }
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
        assert_eq!(Levels { degraded: None, down: None }.reached(1_000), None);
    }

    #[test]
    fn a_down_level_that_is_not_above_the_degraded_one_is_refused_by_name() {
        let levels = Levels { degraded: Some(90), down: Some(80) };
        let error = levels.validate("cpu").unwrap_err().to_string();
        assert!(error.contains("cpu.down") && error.contains("90"), "{error}");
    }
}
