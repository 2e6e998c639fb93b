//! `clock`: time, by the store's clock.

use pingmon_core::time::micros;

use super::Session;
use crate::wasm::bindings::pingmon::check::clock;

impl clock::Host for Session {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let now = self.reach.span.started_at.as_micros().saturating_add(micros(self.reach.span.started.elapsed()));
        Ok(u64::try_from(now).unwrap_or_default())
    }

    fn elapsed(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(micros(self.reach.span.started.elapsed())).unwrap_or_default())
    }
}
