//! What runs found, what nobody ran, and how long that is kept.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::claims::Gap;
use crate::{error::Result, id::MonitorId, outcome::Outcome, time::Timestamp};

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Which slot it was for.
    pub slot: Timestamp,
    /// When it started; the distance to the slot is its lateness.
    pub started_at: Timestamp,
    /// What it found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Record {
    /// A run as read from a store.
    pub const fn new(slot: Timestamp, started_at: Timestamp, outcome: Outcome) -> Self {
        Self { slot, started_at, outcome }
    }
}

/// What is older than these instants may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Runs and gaps whose slot is earlier.
    pub results_before: Timestamp,
    /// Closed incidents that closed earlier, deliveries sent or dead whose notice is earlier, and silences that ended earlier.
    pub incidents_before: Timestamp,
}

impl Retention {
    /// Keeps runs from one instant on and incidents from another.
    pub const fn new(results_before: Timestamp, incidents_before: Timestamp) -> Self {
        Self { results_before, incidents_before }
    }
}

/// The recorded past.
#[async_trait]
pub trait History: Send + Sync {
    /// Runs of one monitor, newest slot first, at most `limit` before the slot `before`.
    ///
    /// # Errors
    /// Store errors.
    async fn records(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Record>>;

    /// Gaps of one monitor, newest first, at most `limit` that begin before `before`.
    ///
    /// # Errors
    /// Store errors.
    async fn gaps(&self, monitor: MonitorId, before: Option<Timestamp>, limit: usize) -> Result<Vec<Gap>>;

    /// Removes what may go, at most `limit` rows of each table in one call; answers how many went. Never touches an open
    /// incident, a pending delivery or a silence that isn't over. Sessions that ended are forgotten too once nothing refers to them, but not before
    /// an hour has passed.
    ///
    /// # Errors
    /// Store errors.
    async fn prune(&self, retention: Retention, limit: usize) -> Result<u64>;
}
