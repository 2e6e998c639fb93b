//! `state`: what a monitor keeps between runs.

use super::Session;
use crate::wasm::bindings::pingmon::check::state;

impl state::Host for Session {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.reach.standing.state.get(&key))
    }

    fn set(&mut self, key: String, value: Option<Vec<u8>>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.reach.standing.state.set(key, value))
    }
}
