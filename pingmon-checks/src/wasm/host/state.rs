//! `state`: what a monitor keeps between runs.

use tokio::time::timeout_at;

use super::Session;
use crate::wasm::{bindings::pingmon::check::state, state::Unreadable};

impl state::Host for Session {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let got = timeout_at(self.reach.span.deadline, self.state.get(&key)).await;
        Ok(got.unwrap_or_else(|_| Err(late()))?)
    }

    async fn set(&mut self, key: String, value: Option<Vec<u8>>) -> wasmtime::Result<Result<(), String>> {
        let set = timeout_at(self.reach.span.deadline, self.state.set(key, value)).await;
        Ok(set.unwrap_or_else(|_| Err(late()))?)
    }
}

fn late() -> Unreadable {
    Unreadable("the store didn't answer in time".to_owned())
}
