//! The units of this kind's levels besides percent: each shows itself with its unit.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, JsonSchema)]
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

/// Bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, JsonSchema)]
pub(super) struct Rate(pub(super) u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes per second", self.0)
    }
}

/// Load per processor, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
pub(super) struct PerCore(f64);

impl PerCore {
    /// Rounded, so that what is shown is what was judged.
    pub(super) fn rounded(load: f64) -> Self {
        Self((load * 100.0).round() / 100.0)
    }
}

impl TryFrom<f64> for PerCore {
    type Error = String;

    fn try_from(load: f64) -> Result<Self, String> {
        not_negative(load).map(Self)
    }
}

impl fmt::Display for PerCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per processor", self.0)
    }
}

/// Percent of one processor, in tenths; more than 100 when several are used.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
pub(super) struct CorePercent(f64);

impl CorePercent {
    /// Rounded, so that what is shown is what was judged.
    pub(super) fn rounded(share: f64) -> Self {
        Self((share * 10.0).round() / 10.0)
    }

    /// The bare number.
    pub(super) const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for CorePercent {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        not_negative(share).map(Self)
    }
}

impl fmt::Display for CorePercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} percent of a processor", self.0)
    }
}

fn not_negative(number: f64) -> Result<f64, String> {
    if number >= 0.0 { Ok(number) } else { Err(format!("{number} is below zero")) }
}
