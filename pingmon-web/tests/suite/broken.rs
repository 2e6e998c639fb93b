//! A store that fails at everything, or never answers.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{DeliveryId, IncidentId, MonitorId, SessionId, SilenceId},
    incident::Incident,
    monitor::{Definition, Origin, State},
    notification::{Affected, Delivery},
    silence::{Draft, Silence},
    store::{
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

pub(crate) enum Broken {
    Failing,
    Hung,
}

/// What the database said: never for the reader.
pub(crate) const CAUSE: &str = "password authentication failed for user \"pingmon\" at 10.0.0.7";

impl Broken {
    async fn answer<T>(&self) -> Result<T> {
        match self {
            Self::Failing => Err(Error::Store { action: "read", retryable: true, source: CAUSE.into() }),
            Self::Hung => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Catalog for Broken {
    async fn put(&self, _: Vec<Definition>) -> Result<Vec<Put>> {
        self.answer().await
    }
    async fn reconcile(&self, _: &Origin, _: Vec<Definition>) -> Result<Vec<Put>> {
        self.answer().await
    }
    async fn set_state(&self, _: MonitorId, _: State) -> Result<()> {
        self.answer().await
    }
    async fn delete(&self, _: MonitorId) -> Result<()> {
        self.answer().await
    }
    async fn monitor(&self, _: MonitorId) -> Result<Overview> {
        self.answer().await
    }
    async fn named(&self, _: &[String]) -> Result<Vec<Overview>> {
        self.answer().await
    }
    async fn hasten(&self, _: &[MonitorId]) -> Result<()> {
        self.answer().await
    }
    async fn dependents(&self, _: &str, _: usize) -> Result<Affected> {
        self.answer().await
    }
    async fn monitors(&self, _: Option<&str>, _: usize) -> Result<Vec<Overview>> {
        self.answer().await
    }
}

#[async_trait]
impl Claims for Broken {
    async fn renew(&self, _: &SessionInfo, _: Duration) -> Result<Renewal> {
        self.answer().await
    }
    async fn leave(&self, _: SessionId) -> Result<()> {
        self.answer().await
    }
    async fn claim_except(
        &self,
        _: SessionId,
        _: &[Cow<'static, str>],
        _: &[MonitorId],
        _: usize,
    ) -> Result<Vec<Claim>> {
        self.answer().await
    }
    async fn complete(&self, _: SessionId, _: &[Completion]) -> Result<Vec<Verdict>> {
        self.answer().await
    }
    async fn kept(&self, _: MonitorId) -> Result<Option<Vec<u8>>> {
        self.answer().await
    }
    async fn release(&self, _: SessionId, _: &[MonitorId]) -> Result<()> {
        self.answer().await
    }
    async fn lost(&self, _: SessionId, _: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        self.answer().await
    }
    async fn owned(&self, _: SessionId) -> Result<Vec<MonitorId>> {
        self.answer().await
    }
    async fn overdue(&self, _: Timestamp, _: usize) -> Result<Vec<Claim>> {
        self.answer().await
    }
    async fn skip(&self, _: &[Skip]) -> Result<usize> {
        self.answer().await
    }
    async fn sessions(&self) -> Result<Vec<Session>> {
        self.answer().await
    }
}

#[async_trait]
impl History for Broken {
    async fn records(&self, _: MonitorId, _: Option<Timestamp>, _: usize) -> Result<Vec<Record>> {
        self.answer().await
    }
    async fn gaps(&self, _: MonitorId, _: Option<Timestamp>, _: usize) -> Result<Vec<Gap>> {
        self.answer().await
    }
    async fn prune(&self, _: Retention, _: usize) -> Result<u64> {
        self.answer().await
    }
}

#[async_trait]
impl Incidents for Broken {
    async fn incident(&self, _: IncidentId) -> Result<Incident> {
        self.answer().await
    }
    async fn acknowledge(&self, _: IncidentId, _: &str) -> Result<Incident> {
        self.answer().await
    }
    async fn incidents(&self, _: IncidentFilter, _: usize) -> Result<Vec<Incident>> {
        self.answer().await
    }
}

#[async_trait]
impl Outbox for Broken {
    async fn take(&self, _: SessionId, _: &str, _: usize) -> Result<Vec<Delivery>> {
        self.answer().await
    }
    async fn settle(&self, _: SessionId, _: &[Settlement]) -> Result<()> {
        self.answer().await
    }
    async fn put_back(&self, _: SessionId, _: &str) -> Result<()> {
        self.answer().await
    }
    async fn expire(&self, _: usize) -> Result<u64> {
        self.answer().await
    }
    async fn resend(&self, _: DeliveryId, _: Duration) -> Result<()> {
        self.answer().await
    }
    async fn deliveries(&self, _: DeliveryFilter, _: usize) -> Result<Vec<Delivery>> {
        self.answer().await
    }
}

#[async_trait]
impl Plugins for Broken {
    async fn put_plugin(&self, _: NewPlugin) -> Result<Change> {
        self.answer().await
    }
    async fn remove_plugin(&self, _: &str) -> Result<()> {
        self.answer().await
    }
    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        self.answer().await
    }
    async fn plugin_bytes(&self, _: &str) -> Result<Vec<u8>> {
        self.answer().await
    }
}

#[async_trait]
impl Silences for Broken {
    async fn silence(&self, _: Draft) -> Result<Silence> {
        self.answer().await
    }
    async fn end_silence(&self, _: SilenceId) -> Result<Silence> {
        self.answer().await
    }
    async fn silences(&self, _: SilenceFilter, _: usize) -> Result<Vec<Silence>> {
        self.answer().await
    }
}
