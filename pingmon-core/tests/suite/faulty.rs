//! A store that can be made to fail: before it does what it is asked (`down`), after (`mute`: done, but the answer is
//! lost), not at all (`stuck`: the first renewal after it is set is never answered), or later (`doomed`: answered, but lost with the primary when a standby takes over that hadn't heard of it);
//! or at one thing only: what monitors keep (`unreadable`).

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{DeliveryId, IncidentId, MonitorId, SessionId, SilenceId},
    incident::Incident,
    monitor::{Definition, Origin, State},
    notification::{Affected, Delivery},
    silence::{Draft, Silence},
    store::{
        Store,
        catalog::{Catalog, Change, Overview, Put},
        claims::{Claim, Claims, Completion, Gap, Renewal, Session, SessionInfo, Skip, Verdict},
        history::{History, Record, Retention},
        incidents::{IncidentFilter, Incidents},
        outbox::{DeliveryFilter, Outbox, Settlement},
        plugins::{NewPlugin, Plugins, StoredPlugin},
        silences::{SilenceFilter, Silences},
    },
    time::Timestamp,
};

pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    pub(crate) down: AtomicBool,
    pub(crate) mute: AtomicBool,
    pub(crate) doomed: AtomicBool,
    pub(crate) stuck: AtomicBool,
    pub(crate) unreadable: AtomicBool,
}

impl Faulty {
    pub(crate) fn over(inner: &Arc<dyn Store>) -> Arc<Self> {
        let [down, mute, doomed, stuck, unreadable] = [false; 5].map(AtomicBool::new);
        Arc::new(Self { inner: Arc::clone(inner), down, mute, doomed, stuck, unreadable })
    }

    fn reach(&self) -> Result<&Arc<dyn Store>> {
        if self.down.load(SeqCst) { Err(failure("reach the store")) } else { Ok(&self.inner) }
    }

    fn answer<T>(&self, answer: Result<T>) -> Result<T> {
        if self.mute.load(SeqCst) { Err(failure("hear the answer")) } else { answer }
    }
}

fn failure(action: &'static str) -> Error {
    Error::Store { action, retryable: true, source: "no space left on device".into() }
}

#[async_trait]
impl Catalog for Faulty {
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        self.answer(self.reach()?.put(definitions).await)
    }

    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        self.answer(self.reach()?.reconcile(origin, definitions).await)
    }

    async fn set_state(&self, id: MonitorId, state: State) -> Result<()> {
        self.answer(self.reach()?.set_state(id, state).await)
    }

    async fn delete(&self, id: MonitorId) -> Result<()> {
        self.answer(self.reach()?.delete(id).await)
    }

    async fn monitor(&self, id: MonitorId) -> Result<Overview> {
        self.answer(self.reach()?.monitor(id).await)
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Overview>> {
        self.answer(self.reach()?.named(names).await)
    }

    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()> {
        self.answer(self.reach()?.hasten(monitors).await)
    }

    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected> {
        self.answer(self.reach()?.dependents(name, limit).await)
    }

    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>> {
        self.answer(self.reach()?.monitors(after, limit).await)
    }
}

#[async_trait]
impl Claims for Faulty {
    async fn renew(&self, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
        if self.stuck.swap(false, SeqCst) {
            std::future::pending::<()>().await;
        }
        let mut renewal = self.answer(self.reach()?.renew(info, ttl).await)?;
        if self.doomed.load(SeqCst) {
            // It joins here, while the standby will write it down at its next renewal.
            renewal.sessions.iter_mut().for_each(|session| session.joined_at = Timestamp::default());
        }
        Ok(renewal)
    }

    async fn leave(&self, session: SessionId) -> Result<()> {
        self.answer(self.reach()?.leave(session).await)
    }

    async fn claim_except(
        &self,
        session: SessionId,
        kinds: &[Cow<'static, str>],
        except: &[MonitorId],
        limit: usize,
    ) -> Result<Vec<Claim>> {
        self.answer(self.reach()?.claim_except(session, kinds, except, limit).await)
    }

    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>> {
        match self.doomed.load(SeqCst) {
            true => Ok(vec![Verdict::Accepted; batch.len()]),
            false => self.answer(self.reach()?.complete(session, batch).await),
        }
    }

    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
        match self.unreadable.load(SeqCst) {
            true => Err(failure("read what a monitor keeps")),
            false => self.answer(self.reach()?.kept(monitor).await),
        }
    }

    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()> {
        match self.doomed.load(SeqCst) {
            true => Ok(()),
            false => self.answer(self.reach()?.release(session, monitors).await),
        }
    }

    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        self.answer(self.reach()?.lost(session, monitors).await)
    }

    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>> {
        self.answer(self.reach()?.owned(session).await)
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        self.answer(self.reach()?.overdue(before, limit).await)
    }

    async fn skip(&self, batch: &[Skip]) -> Result<usize> {
        self.answer(self.reach()?.skip(batch).await)
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.answer(self.reach()?.sessions().await)
    }
}

#[async_trait]
impl History for Faulty {
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>> {
        self.answer(self.reach()?.records(monitor, before, limit).await)
    }

    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>> {
        self.answer(self.reach()?.gaps(monitor, before, limit).await)
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64> {
        self.answer(self.reach()?.prune(retention, limit).await)
    }
}

#[async_trait]
impl Incidents for Faulty {
    async fn incident(&self, id: IncidentId) -> Result<Incident> {
        self.answer(self.reach()?.incident(id).await)
    }

    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        self.answer(self.reach()?.acknowledge(id, by).await)
    }

    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>> {
        self.answer(self.reach()?.incidents(filter, limit).await)
    }
}

#[async_trait]
impl Outbox for Faulty {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        self.answer(self.reach()?.take(session, channel, limit).await)
    }

    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()> {
        self.answer(self.reach()?.put_back(session, channel).await)
    }

    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()> {
        self.answer(self.reach()?.settle(session, batch).await)
    }

    async fn expire(&self, limit: usize) -> Result<u64> {
        self.answer(self.reach()?.expire(limit).await)
    }

    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()> {
        self.answer(self.reach()?.resend(id, expiry).await)
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        self.answer(self.reach()?.deliveries(filter, limit).await)
    }
}

#[async_trait]
impl Plugins for Faulty {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        self.answer(self.reach()?.put_plugin(plugin).await)
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        self.answer(self.reach()?.remove_plugin(name).await)
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        self.answer(self.reach()?.plugins().await)
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        self.answer(self.reach()?.plugin_bytes(sha256).await)
    }
}

#[async_trait]
impl Silences for Faulty {
    async fn silence(&self, draft: Draft) -> Result<Silence> {
        self.answer(self.reach()?.silence(draft).await)
    }

    async fn end_silence(&self, id: SilenceId) -> Result<Silence> {
        self.answer(self.reach()?.end_silence(id).await)
    }

    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>> {
        self.answer(self.reach()?.silences(filter, limit).await)
    }
}
