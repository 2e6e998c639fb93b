//! `[[maintenance]]`: when monitors are worked on, from what is written to what the engine holds back.

use std::collections::BTreeMap;

use pingmon_core::{error::Result, maintenance::Maintenance, matcher::Matcher};
use schemars::JsonSchema;
use serde::Deserialize;

use super::window::{Cron, Once, Weekly, When};

/// A time in which monitors are worked on: runs go on, and nobody is told of what opens unless it outlasts it. Exactly one
/// of `once`, `weekly` and `cron` says when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    /// What people call it; at most 200 characters.
    name: String,
    /// Names of the monitors; with neither these nor `labels`, all are worked on.
    #[serde(default)]
    monitors: Vec<String>,
    /// Labels that the monitors have, all of them; in a value `*` stands for any text: `{ team = "shop", region = "eu-*" }`.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// One stretch of time.
    once: Option<Once>,
    /// Parts of some days of every week.
    weekly: Option<Weekly>,
    /// From each instant of a cron expression on.
    cron: Option<Cron>,
    /// The IANA time zone of `weekly` and `cron`. Default UTC.
    timezone: Option<String>,
}

impl Work {
    /// What the engine is to know of it.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming what can't be meant.
    pub(super) fn compile(self) -> Result<Maintenance> {
        let Self { name, monitors, labels, once, weekly, cron, timezone } = self;
        let window = When { once, weekly, cron, timezone }.compile()?;
        let mut matcher = Matcher::all();
        (matcher.monitors, matcher.labels) = (monitors, labels);
        Ok(Maintenance::new(name, window, matcher))
    }
}
