//! Silences: what people don't want to be told of for a time. Engines read them with each poll.

use async_trait::async_trait;

use crate::{
    error::Result,
    id::SilenceId,
    silence::{Draft, Silence},
};

/// Which silences are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SilenceFilter {
    /// Only those that aren't over, whether they have begun or not.
    pub alive: bool,
}

impl SilenceFilter {
    /// All silences that are kept.
    pub const fn all() -> Self {
        Self { alive: false }
    }

    /// Only those that aren't over.
    #[must_use]
    pub const fn alive(mut self) -> Self {
        self.alive = true;
        self
    }
}

/// The silences that were, are and will be.
#[async_trait]
pub trait Silences: Send + Sync {
    /// Records what somebody asks for, as [`Draft::begin`] has it by the store's clock.
    ///
    /// # Errors
    /// As [`Draft::begin`]; [`too_many`](crate::silence::too_many) when
    /// [`MAX_ALIVE`](crate::silence::MAX_ALIVE) aren't over; store errors.
    async fn silence(&self, draft: Draft) -> Result<Silence>;

    /// Ends a silence now, as [`Silence::ended`] has it; answers it.
    ///
    /// # Errors
    /// `NotFound` when there is none of that id that isn't over; store errors.
    async fn end_silence(&self, id: SilenceId) -> Result<Silence>;

    /// Silences, latest end first (then by id, descending), at most `limit`.
    ///
    /// # Errors
    /// Store errors.
    async fn silences(&self, filter: SilenceFilter, limit: usize) -> Result<Vec<Silence>>;
}
