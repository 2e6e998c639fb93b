//! What carried the answer: the protocol, the redirects and the URL they led to.

use hyper::Version;
use pingmon_core::{
    error::Result,
    outcome::{Outcome, Status},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::{Bounds, Table};
use crate::levels::Level;

/// How many redirects there have to be: `1`, or bounds with a level.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of redirects, or a table such as { at_most = 2 }")]
pub(super) enum Redirects {
    /// This many.
    Exactly(usize),
    /// So many.
    Within(RedirectBounds),
}

/// How many redirects there have to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedirectBounds {
    /// No fewer than this.
    at_least: Option<usize>,
    /// No more than this.
    at_most: Option<usize>,
    /// How bad it is when there are more or fewer: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    level: Level,
}

/// The compiled rule on redirects.
pub(super) struct RedirectRule {
    bounds: Bounds,
    level: Level,
}

impl RedirectRule {
    /// # Errors
    /// [`pingmon_core::error::Error::Config`] when no number could be right.
    pub(super) fn compile(redirects: Redirects) -> Result<Self> {
        let (bounds, level) = match redirects {
            Redirects::Exactly(number) => (Bounds::exactly(number), Level::Down),
            Redirects::Within(RedirectBounds { at_least, at_most, level }) => {
                (Bounds::from(Table { at_least, at_most }), level)
            }
        };
        bounds.validate("expect.redirects")?;
        Ok(Self { bounds, level })
    }

    pub(super) fn judge(&self, followed: usize, outcome: &mut Outcome) {
        if !self.bounds.hold(followed) {
            outcome.fail(Status::from(self.level), "redirects", self.bounds.to_string(), followed.to_string());
        }
    }
}

/// A version of HTTP by its usual name.
pub(super) const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/0.9",
    }
}
