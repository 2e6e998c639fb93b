//! How slow each phase may be.

use pingmon_core::{error::Result, outcome::Outcome};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    latency::Latency,
    stopwatch::{Phase, Timing},
};

/// How slow is too slow, for each phase: `"500ms"` (degraded), or `{ degraded = "500ms", down = "2s" }`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhaseLatencies {
    /// Resolving names.
    dns: Option<Latency>,
    /// Opening connections.
    connect: Option<Latency>,
    /// Agreeing on TLS.
    tls: Option<Latency>,
    /// From the request to the head of the answer.
    first_byte: Option<Latency>,
    /// Reading the body.
    transfer: Option<Latency>,
}

impl PhaseLatencies {
    fn each(&self) -> impl Iterator<Item = (Phase, Latency)> {
        let Self { dns, connect, tls, first_byte, transfer } = *self;
        let phases = [
            (Phase::Dns, dns),
            (Phase::Connect, connect),
            (Phase::Tls, tls),
            (Phase::FirstByte, first_byte),
            (Phase::Transfer, transfer),
        ];
        phases.into_iter().filter_map(|(phase, latency)| Some((phase, latency?)))
    }

    /// # Errors
    /// [`pingmon_core::error::Error::Config`] naming a level that can't be meant.
    pub(super) fn validate(&self) -> Result<()> {
        self.each().try_for_each(|(phase, latency)| latency.validate(&format!("expect.phases.{}", phase.as_str())))
    }

    pub(super) fn judge(&self, timing: &Timing, outcome: &mut Outcome) {
        for (phase, latency) in self.each() {
            latency.judge_as(format!("phases.{}", phase.as_str()), timing.spent(phase), outcome);
        }
    }
}
