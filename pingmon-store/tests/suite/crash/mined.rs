//! A store and a channel that end their process, as `kill -9` does, at one point of the way of one notice.

use std::{
    borrow::Cow,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    id::{DeliveryId, IncidentId, MonitorId, SessionId, SilenceId},
    incident::{Event, Incident},
    monitor::{Definition, Origin, State},
    notification::{Affected, Delivery, Notification},
    notifier::Notifier,
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
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::receiver::Post;

/// Where a process is killed, in the order in which a notice comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Point {
    BeforeComplete,
    AfterComplete,
    BeforeTake,
    AfterTake,
    BeforeSend,
    AfterSend,
    BeforeSettle,
    AfterSettle,
}

impl Point {
    pub(super) const ALL: [Self; 8] = [
        Self::BeforeComplete,
        Self::AfterComplete,
        Self::BeforeTake,
        Self::AfterTake,
        Self::BeforeSend,
        Self::AfterSend,
        Self::BeforeSettle,
        Self::AfterSettle,
    ];
}

/// What the process is killed at.
pub(super) struct Mine {
    point: Point,
    event: Event,
    /// Whether the notice has arrived.
    sent: AtomicBool,
}

impl Mine {
    pub(super) fn at(point: Point, event: Event) -> Arc<Self> {
        Arc::new(Self { point, event, sent: AtomicBool::new(false) })
    }

    fn is_about(&self, notice: &Notification) -> bool {
        notice.event == self.event
    }

    /// Ends the process if the notice in question is at that point. Nothing else of it runs on: its runtime has one thread.
    fn reach(&self, point: Point, is_there: bool) {
        if is_there && point == self.point {
            let killed = Command::new("kill").args(["-KILL", &process::id().to_string()]).status();
            loop {
                assert!(killed.is_ok(), "kill can be run");
                thread::park();
            }
        }
    }
}

/// A channel that posts notices.
pub(super) struct MinedPost {
    pub(super) post: Post,
    pub(super) mine: Arc<Mine>,
}

#[async_trait]
impl Notifier for MinedPost {
    async fn send(&self, notice: &Notification) -> Result<()> {
        let is_it = self.mine.is_about(notice);
        self.mine.reach(Point::BeforeSend, is_it);
        self.post.send(notice).await?;
        self.mine.sent.fetch_or(is_it, SeqCst);
        self.mine.reach(Point::AfterSend, is_it);
        Ok(())
    }
}

/// A store over another.
pub(super) struct Mined {
    inner: Arc<dyn Store>,
    mine: Arc<Mine>,
    /// Whether the notice is written.
    laid: AtomicBool,
    /// So that nobody takes what is just being written.
    turn: Mutex<()>,
}

impl Mined {
    pub(super) fn over(inner: Arc<dyn Store>, mine: Arc<Mine>) -> Arc<Self> {
        Arc::new(Self { inner, mine, laid: AtomicBool::new(false), turn: Mutex::new(()) })
    }
}

#[async_trait]
impl Catalog for Mined {
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        self.inner.put(definitions).await
    }

    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>> {
        self.inner.reconcile(origin, definitions).await
    }

    async fn set_state(&self, id: MonitorId, state: State) -> Result<()> {
        self.inner.set_state(id, state).await
    }

    async fn delete(&self, id: MonitorId) -> Result<()> {
        self.inner.delete(id).await
    }

    async fn monitor(&self, id: MonitorId) -> Result<Overview> {
        self.inner.monitor(id).await
    }

    async fn named(&self, names: &[String]) -> Result<Vec<Overview>> {
        self.inner.named(names).await
    }

    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()> {
        self.inner.hasten(monitors).await
    }

    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected> {
        self.inner.dependents(name, limit).await
    }

    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>> {
        self.inner.monitors(after, limit).await
    }
}

#[async_trait]
impl Claims for Mined {
    async fn renew(&self, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
        self.inner.renew(info, ttl).await
    }

    async fn leave(&self, session: SessionId) -> Result<()> {
        self.inner.leave(session).await
    }

    async fn claim_except(
        &self,
        session: SessionId,
        kinds: &[Cow<'static, str>],
        except: &[MonitorId],
        limit: usize,
    ) -> Result<Vec<Claim>> {
        self.inner.claim_except(session, kinds, except, limit).await
    }

    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>> {
        let _turn = self.turn.lock().await;
        let lays =
            batch.iter().flat_map(|run| &run.deliveries).any(|delivery| self.mine.is_about(&delivery.notification));
        self.mine.reach(Point::BeforeComplete, lays);
        let verdicts = self.inner.complete(session, batch).await;
        self.laid.fetch_or(lays, SeqCst);
        self.mine.reach(Point::AfterComplete, lays);
        verdicts
    }

    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()> {
        self.inner.release(session, monitors).await
    }

    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        self.inner.lost(session, monitors).await
    }

    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>> {
        self.inner.owned(session).await
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        self.inner.overdue(before, limit).await
    }

    async fn skip(&self, batch: &[Skip]) -> Result<usize> {
        self.inner.skip(batch).await
    }

    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
        self.inner.kept(monitor).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.inner.sessions().await
    }
}

#[async_trait]
impl History for Mined {
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>> {
        self.inner.records(monitor, before, limit).await
    }

    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>> {
        self.inner.gaps(monitor, before, limit).await
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64> {
        self.inner.prune(retention, limit).await
    }
}

#[async_trait]
impl Incidents for Mined {
    async fn incident(&self, id: IncidentId) -> Result<Incident> {
        self.inner.incident(id).await
    }

    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        self.inner.acknowledge(id, by).await
    }

    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>> {
        self.inner.incidents(filter, limit).await
    }
}

#[async_trait]
impl Outbox for Mined {
    async fn take(&self, session: SessionId, channel: &str, limit: usize) -> Result<Vec<Delivery>> {
        let _turn = self.turn.lock().await;
        self.mine.reach(Point::BeforeTake, self.laid.load(SeqCst));
        let taken = self.inner.take(session, channel, limit).await?;
        self.mine.reach(Point::AfterTake, taken.iter().any(|delivery| self.mine.is_about(&delivery.notification)));
        Ok(taken)
    }

    async fn put_back(&self, session: SessionId, channel: &str) -> Result<()> {
        self.inner.put_back(session, channel).await
    }

    async fn settle(&self, session: SessionId, batch: &[Settlement]) -> Result<()> {
        let sent = self.mine.sent.load(SeqCst);
        self.mine.reach(Point::BeforeSettle, sent);
        let settled = self.inner.settle(session, batch).await;
        self.mine.reach(Point::AfterSettle, sent);
        settled
    }

    async fn expire(&self, limit: usize) -> Result<u64> {
        self.inner.expire(limit).await
    }

    async fn resend(&self, id: DeliveryId, expiry: Duration) -> Result<()> {
        self.inner.resend(id, expiry).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, limit: usize) -> Result<Vec<Delivery>> {
        self.inner.deliveries(filter, limit).await
    }
}

#[async_trait]
impl Plugins for Mined {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        self.inner.put_plugin(plugin).await
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        self.inner.remove_plugin(name).await
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        self.inner.plugins().await
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        self.inner.plugin_bytes(sha256).await
    }
}

#[async_trait]
impl Silences for Mined {
    async fn silence(&self, draft: Draft) -> Result<Silence> {
        self.inner.silence(draft).await
    }

    async fn end_silence(&self, id: SilenceId) -> Result<Silence> {
        self.inner.end_silence(id).await
    }

    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>> {
        self.inner.silences(filter, limit).await
    }
}
