//! What a held monitor keeps from run to run: read from the store when its check asks for it the first time after the
//! claim, and from then on what the store has accepted of this engine's runs. A monitor that is claimed anew is read anew.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::registry::Watched;
use crate::{check::Keeper, error::Result, id::MonitorId, store::Store};

/// What one monitor keeps, as the store has it.
pub(super) struct Kept {
    store: Arc<dyn Store>,
    /// None until somebody asks.
    read: Mutex<Option<Box<Bytes>>>,
}

type Bytes = Option<Arc<[u8]>>;

impl Kept {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, read: Mutex::default() }
    }

    /// A run was accepted that had this to keep.
    pub(super) fn replace(&self, bytes: Arc<[u8]>) {
        self.set(Some(bytes));
    }

    fn set(&self, bytes: Bytes) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(bytes));
    }

    fn known(&self) -> Option<Bytes> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).as_deref().cloned()
    }
}

#[async_trait]
impl Keeper for Watched {
    async fn kept(&self, _: MonitorId) -> Result<Bytes> {
        if let Some(known) = self.kept.known() {
            return Ok(known);
        }
        let read = self.kept.store.kept(self.id).await?.map(Arc::from);
        self.kept.set(read.clone());
        Ok(read)
    }
}
