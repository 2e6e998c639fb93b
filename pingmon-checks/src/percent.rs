//! A share of a whole, as it is written, shown and judged.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

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
    use crate::levels::Levels;

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
