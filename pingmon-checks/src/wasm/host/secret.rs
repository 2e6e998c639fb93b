//! `secret`: what the operator granted, and nothing else.

use secrecy::ExposeSecret as _;

use super::Session;
use crate::wasm::bindings::pingmon::check::{secret, types::Fault};

impl secret::Host for Session {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, Fault>> {
        let found = self.reach.standing.grant.secret(&name);
        Ok(found.map(|secret| secret.expose_secret().to_owned()).map_err(Into::into))
    }
}
