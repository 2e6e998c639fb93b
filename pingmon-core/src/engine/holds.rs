//! What people hold back: the monitors that are worked on or silenced, by the config and by the store. What follows from
//! it for a run is decided by `incident`.

use std::sync::{PoisonError, RwLock};

use crate::{maintenance::Maintenance, notification::Subject, silence::Silence, time::Timestamp};

/// Why nobody is told of a monitor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hold {
    /// In words: `maintenance "deploy"`, `silence by anna`.
    pub(super) because: String,
    /// Which work is done on it; none when it is only silenced.
    pub(super) work: Option<String>,
    /// When that ends, as far as is known.
    pub(super) until: Timestamp,
}

/// All that is held back.
#[derive(Default)]
pub(super) struct Holds {
    maintenances: RwLock<Vec<Maintenance>>,
    silences: RwLock<Vec<Silence>>,
}

impl Holds {
    pub(super) fn new(maintenances: Vec<Maintenance>) -> Self {
        Self { maintenances: RwLock::new(maintenances), silences: RwLock::default() }
    }

    /// Follows the config.
    pub(super) fn replace_maintenances(&self, maintenances: Vec<Maintenance>) {
        *self.maintenances.write().unwrap_or_else(PoisonError::into_inner) = maintenances;
    }

    /// Follows the store.
    pub(super) fn replace_silences(&self, silences: Vec<Silence>) {
        *self.silences.write().unwrap_or_else(PoisonError::into_inner) = silences;
    }

    /// Why nobody is to be told of that monitor now, if so. Work on it comes first: it says more.
    pub(super) fn find(&self, monitor: &Subject, now: Timestamp) -> Option<Hold> {
        self.maintenance(monitor, now).or_else(|| self.silence(monitor, now))
    }

    fn maintenance(&self, monitor: &Subject, now: Timestamp) -> Option<Hold> {
        let maintenances = self.maintenances.read().unwrap_or_else(PoisonError::into_inner);
        maintenances.iter().find_map(|work| {
            let until = work.until(monitor, now)?;
            Some(Hold { because: format!("maintenance \"{}\"", work.name), work: Some(work.name.clone()), until })
        })
    }

    fn silence(&self, monitor: &Subject, now: Timestamp) -> Option<Hold> {
        let silences = self.silences.read().unwrap_or_else(PoisonError::into_inner);
        let on = silences.iter().filter(|silence| silence.holds(monitor, now));
        let silence = on.max_by_key(|silence| (silence.maintenance, silence.until))?;
        let work = silence.maintenance.then(|| silence.reason());
        Some(Hold { because: silence.to_string(), work, until: silence.until })
    }
}
