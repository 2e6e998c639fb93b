//! `metric`: numbers that are kept whatever becomes of the run.

use pingmon_core::outcome::MAX_METRICS;

use super::Session;
use crate::wasm::{
    bindings::pingmon::check::{metric, types::Metric},
    verdict,
};

impl metric::Host for Session {
    fn add(&mut self, metric: Metric) -> wasmtime::Result<()> {
        if self.metrics.len() < MAX_METRICS {
            self.metrics.push(verdict::metric(metric));
        }
        Ok(())
    }
}
