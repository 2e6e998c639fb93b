//! One call of a plug-in, from a slot of the pool to its end: within its limits, and in time whatever it does.

use tokio::time::timeout_at;
use wasmtime::Store;

use super::{
    engine::Engine,
    host::{Session, Span},
    verdict::Broken,
};

impl Engine {
    /// Has `work` make an instance and call it. What it comes to, and the host's side of it afterwards.
    pub(super) async fn call<T>(
        &self,
        session: Session,
        span: Span,
        work: impl AsyncFnOnce(&mut Store<Session>) -> wasmtime::Result<T>,
    ) -> (Result<T, Broken>, Session) {
        let mut store = self.store(session);
        let ended = self.within(span, work(&mut store)).await;
        (ended, store.into_data())
    }

    async fn within<T>(&self, span: Span, work: impl Future<Output = wasmtime::Result<T>>) -> Result<T, Broken> {
        let limit = span.limit();
        let slot = timeout_at(span.end, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else { return Err(Broken::Crowded(limit)) };
        let _ticking = self.ticker.run();
        let ended = timeout_at(span.end, work).await;
        ended.map_err(|_| Broken::Late(limit))?.map_err(Broken::Trapped)
    }

    /// The memory and the limits of one call.
    fn store(&self, session: Session) -> Store<Session> {
        let mut store = Store::new(&self.wasmtime, session);
        store.limiter(|session| &mut session.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(self.settings.max_output);
        if let Some(fuel) = self.settings.fuel {
            // Fuel is counted when it's given, so it can be set.
            let _ = store.set_fuel(fuel);
        }
        store
    }
}
