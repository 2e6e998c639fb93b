//! One call of a plug-in, from a slot of the pool to its end: within its limits, and in time whatever it does.

use std::pin::{Pin, pin};

use tokio::{sync::SemaphorePermit, time::timeout_at};
use wasmtime::Store;

use super::{
    engine::Engine,
    host::{Session, Span},
    verdict::Broken,
};

impl Engine {
    /// Has `work` make an instance and call it. What it comes to, and the host's side of it afterwards.
    pub(super) fn call<T>(
        &self,
        session: Session,
        span: Span,
        work: impl AsyncFnOnce(&mut Store<Session>) -> wasmtime::Result<T>,
    ) -> impl Future<Output = (Result<T, Broken>, Session)> {
        // Here, and what it's for in its place: both are too large to be handed on from future to future.
        let store = self.store(session);
        async move {
            let slot = match self.slot(span).await {
                Ok(slot) => slot,
                Err(crowded) => return (Err(crowded), store.into_data()),
            };
            // Gone before the slot is free again, also when nobody waits any longer: until then it has its place in the pool.
            let mut store = store;
            let ended = self.within(span, pin!(work(&mut store))).await;
            let session = store.into_data();
            drop(slot);
            (ended, session)
        }
    }

    async fn within<T>(
        &self,
        span: Span,
        work: Pin<&mut impl Future<Output = wasmtime::Result<T>>>,
    ) -> Result<T, Broken> {
        let _ticking = self.ticker.run();
        let ended = timeout_at(span.end, work).await;
        ended.map_err(|_| Broken::Late(span.limit()))?.map_err(Broken::Trapped)
    }

    /// A slot of the pool, as soon as there is one.
    async fn slot(&self, span: Span) -> Result<SemaphorePermit<'_>, Broken> {
        // Most often there is: then no timer is needed.
        if let Ok(free) = self.slots.try_acquire() {
            return Ok(free);
        }
        let slot = timeout_at(span.end, self.slots.acquire()).await;
        slot.ok().and_then(Result::ok).ok_or_else(|| Broken::Crowded(span.limit()))
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
