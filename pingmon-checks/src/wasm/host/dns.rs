//! `dns`: the addresses of names.

use super::{Reach, Session};
use crate::{
    fault,
    wasm::bindings::pingmon::check::{dns, types::Fault},
};

impl dns::Host for Session {
    async fn lookup(&mut self, name: String) -> wasmtime::Result<Result<Vec<String>, Fault>> {
        self.call()?;
        Ok(self.reach.clone().lookup(&name).await.map_err(Into::into))
    }
}

impl Reach {
    async fn lookup(&self, name: &str) -> Result<Vec<String>, fault::Fault> {
        self.standing.grant.lookup(name)?;
        let found = self.in_time("dns", self.services()?.dialer.resolve(name, 0)).await?;
        Ok(found.iter().map(|address| address.ip().to_string()).collect())
    }
}
