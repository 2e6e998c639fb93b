//! Incidents as read; they are written by completions and by ending the watch on a monitor.

use async_trait::async_trait;

use crate::{
    error::Result,
    id::{IncidentId, MonitorId},
    incident::Incident,
    time::Timestamp,
};

/// Which incidents are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncidentFilter {
    /// Only those of this monitor.
    pub monitor: Option<MonitorId>,
    /// Only those that are open.
    pub open: bool,
    /// Only those opened before.
    pub before: Option<Timestamp>,
}

impl IncidentFilter {
    /// All incidents.
    pub const fn all() -> Self {
        Self { monitor: None, open: false, before: None }
    }

    /// Only those of this monitor.
    #[must_use]
    pub const fn of(mut self, monitor: MonitorId) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Only those that are open.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Only those opened before this instant.
    #[must_use]
    pub const fn before(mut self, before: Timestamp) -> Self {
        self.before = Some(before);
        self
    }
}

/// The incidents that were, and are.
#[async_trait]
pub trait Incidents: Send + Sync {
    /// One incident.
    ///
    /// # Errors
    /// `NotFound` when there is none; store errors.
    async fn incident(&self, id: IncidentId) -> Result<Incident>;

    /// Incidents, latest opened first (then by id, descending), at most `limit`.
    ///
    /// # Errors
    /// Store errors.
    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>>;
}
