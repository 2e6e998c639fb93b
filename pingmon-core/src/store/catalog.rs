//! The monitors that are defined, and edits to them.

use async_trait::async_trait;

use crate::{
    error::Result,
    id::MonitorId,
    incident::Health,
    monitor::{Definition, Monitor, Origin, State},
    notification::Affected,
    time::Timestamp,
};

/// What a call changed about one monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It wasn't there.
    Added,
    /// It was there with another definition.
    Changed,
    /// It was there just so.
    Unchanged,
    /// It is run no more.
    Retired,
}

/// What [`Catalog::put`] did with one definition.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Put {
    /// The monitor it belongs to.
    pub id: MonitorId,
    /// The name in the definition.
    pub name: String,
    /// What changed.
    pub change: Change,
}

impl Put {
    /// What happened to the monitor of that name.
    pub const fn new(id: MonitorId, name: String, change: Change) -> Self {
        Self { id, name, change }
    }
}

/// A monitor that came in by another way than through an engine, see [`Catalog::adopt`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adoption {
    /// The name it was given.
    pub name: String,
    /// Why it can't be run as it was written; none when it is one of the monitors now.
    pub problem: Option<String>,
}

impl Adoption {
    /// What became of the monitor of that name.
    pub fn new(name: impl Into<String>, problem: Option<String>) -> Self {
        Self { name: name.into(), problem }
    }
}

/// A monitor with what is known of its present state: a line of an overview.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Overview {
    /// The monitor.
    pub monitor: Monitor,
    /// Its health between runs.
    pub health: Health,
    /// The slot that is due next, or due now.
    pub slot: Timestamp,
}

impl Overview {
    /// A monitor with its state.
    pub const fn new(monitor: Monitor, health: Health, slot: Timestamp) -> Self {
        Self { monitor, health, slot }
    }
}

/// The monitors that are defined.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Adds or edits monitors by name, all or none, in one transaction; answers in the order of `definitions`.
    ///
    /// A new monitor is due at [`first_slot`](crate::monitor::first_slot). A changed one gets a new revision, loses its
    /// owner (whoever claims it next has the new definition) and is due at
    /// [`slot_after_edit`](crate::monitor::slot_after_edit). A paused one stays paused. The same definition again
    /// changes nothing. Names of retired monitors are free.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) when a definition is out of its limits or a name occurs twice;
    /// store errors.
    async fn put(&self, definitions: Vec<Definition>) -> Result<Vec<Put>>;

    /// Makes the monitors of `origin` exactly `definitions`, all or nothing, in one transaction: as
    /// [`put`](Self::put), and whatever else has this origin is retired. A name that another origin owns is edited and
    /// taken over. Answers one line a definition, then one for each that was retired.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    async fn reconcile(&self, origin: &Origin, definitions: Vec<Definition>) -> Result<Vec<Put>>;

    /// Takes in up to `limit` monitors that people wrote straight into the database, where the store has a place for
    /// them. One that can't be used is answered with its problem, once, and stays there until it is mended; the others
    /// are not kept from being taken in.
    ///
    /// # Errors
    /// Store errors.
    async fn adopt(&self, limit: usize) -> Result<Vec<Adoption>> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// Pauses, resumes or retires a monitor. Any change makes a new revision and frees it from its owner.
    ///
    /// Pausing and retiring close what is open ([`unwatch`](crate::monitor::unwatch)) and announce that, in the same
    /// transaction. Resuming records a gap `paused` from the pending slot to now, if that slot has passed, and makes the
    /// monitor due at once. A retired monitor can't be brought back.
    ///
    /// # Errors
    /// `NotFound` when there is no such monitor, or it is retired already and is to be otherwise; store errors.
    async fn set_state(&self, id: MonitorId, state: State) -> Result<()>;

    /// Removes a monitor and all its history, incidents and deliveries.
    ///
    /// # Errors
    /// `NotFound` when there is none; store errors.
    async fn delete(&self, id: MonitorId) -> Result<()>;

    /// One monitor with its present state.
    ///
    /// # Errors
    /// `NotFound` when there is none; store errors.
    async fn monitor(&self, id: MonitorId) -> Result<Overview>;

    /// The monitors of these names that aren't retired, by name.
    ///
    /// # Errors
    /// Store errors.
    async fn named(&self, names: &[String]) -> Result<Vec<Overview>>;

    /// Makes active monitors due at once that would be due later: they get a new revision and lose their owner, so that
    /// whoever claims them next runs them. A pending slot that has passed stays as it is.
    ///
    /// # Errors
    /// Store errors.
    async fn hasten(&self, monitors: &[MonitorId]) -> Result<()>;

    /// The active monitors that depend on the one of that name, straight or through others: how many, and the names of the
    /// first `limit`.
    ///
    /// # Errors
    /// Store errors.
    async fn dependents(&self, name: &str, limit: usize) -> Result<Affected>;

    /// Monitors that aren't retired, by name (in the order of its UTF-8 bytes), at most `limit` after the name `after`.
    ///
    /// # Errors
    /// Store errors.
    async fn monitors(&self, after: Option<&str>, limit: usize) -> Result<Vec<Overview>>;
}
