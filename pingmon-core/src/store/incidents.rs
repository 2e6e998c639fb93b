//! Incidents as read, and acknowledged; they are written by completions and by ending the watch on a monitor.

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

    /// Records that somebody, `by` name, sees to an open incident. In the same transaction its monitor's health says so, which
    /// ends reminders, and deliveries that remind of it or escalate it and weren't attempted are
    /// [folded](crate::notification::Fold::Acknowledged). As after an edit, the monitor has a new revision and is free: an
    /// engine that holds it with its former health can't write that back. Answers the incident; one that was acknowledged
    /// before stays as it is.
    ///
    /// # Errors
    /// `Config` naming `by` as [`acknowledger`](crate::incident::acknowledger) says; `NotFound` when no such incident is
    /// open; store errors.
    async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident>;

    /// Incidents, latest opened first (then by id, descending), at most `limit`.
    ///
    /// # Errors
    /// Store errors.
    async fn incidents(&self, filter: IncidentFilter, limit: usize) -> Result<Vec<Incident>>;
}
