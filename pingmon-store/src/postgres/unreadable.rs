//! Monitors whose row can't be read: a newer program wrote it, or a person. They keep nobody from the others.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::rows::MonitorRow;
use crate::error::{Failure, Result};

/// How long such a monitor isn't claimed again. Somebody may mend it meanwhile, or a newer program run it.
const REST: Duration = Duration::from_secs(300);
/// Most monitors remembered at one time.
const MAX_REMEMBERED: usize = 10_000;

/// A monitor that can't be read.
pub(super) struct Found {
    pub(super) id: Uuid,
    name: String,
    failure: Failure,
}

/// What `read` makes of the rows, and those of which it makes nothing.
pub(super) fn readable<T>(rows: Vec<MonitorRow>, read: impl Fn(&MonitorRow) -> Result<T>) -> (Vec<T>, Vec<Found>) {
    let (mut values, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match read(&row) {
            Ok(value) => values.push(value),
            Err(failure) => unreadable.push(Found { id: row.id, name: row.name, failure }),
        }
    }
    (values, unreadable)
}

/// Those that were met lately.
#[derive(Default)]
pub(super) struct Unreadable(Mutex<HashMap<Uuid, Instant>>);

impl Unreadable {
    /// Says of each that it isn't run, and remembers it.
    pub(super) fn note(&self, unreadable: Vec<Found>) {
        for Found { id, name, failure } in unreadable {
            let error = failure.into_error("claim a monitor", |_| false).chain().to_string();
            tracing::warn!(monitor = name, %id, error, "not run: this program can't read it; put it anew, or run a newer pingmon");
            let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if met.len() < MAX_REMEMBERED {
                met.insert(id, Instant::now());
            }
        }
    }

    /// Those to be passed over for now.
    pub(super) fn recent(&self) -> Vec<Uuid> {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|_, at| at.elapsed() < REST);
        met.keys().copied().collect()
    }
}
