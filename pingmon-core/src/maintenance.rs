//! Maintenance: when monitors are worked on, as far as that is known beforehand. Runs go on meanwhile; what they open is
//! recorded and announced only if it is still open when the maintenance is over.

use std::collections::BTreeMap;

use crate::{error::Result, monitor, notification::Subject, time::Timestamp, window::Window};

/// The evidence of a run that wasn't up during maintenance: which one it was. Such runs don't count in what a target was up.
pub const EVIDENCE: &str = "maintenance";
/// Most maintenances of one engine.
pub const MAX_MAINTENANCES: usize = 1_000;

/// Monitors that are worked on, and when.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Maintenance {
    /// What people call it.
    pub name: String,
    /// When.
    pub window: Window,
    /// The names of the monitors; any when it names none.
    pub monitors: Vec<String>,
    /// Labels that the monitors have, all of them.
    pub labels: BTreeMap<String, String>,
}

impl Maintenance {
    /// Work on all monitors.
    pub fn new(name: impl Into<String>, window: Window) -> Self {
        Self { name: name.into(), window, monitors: Vec::new(), labels: BTreeMap::new() }
    }

    /// Only on these monitors.
    #[must_use]
    pub fn monitors<I: Into<String>>(mut self, names: impl IntoIterator<Item = I>) -> Self {
        self.monitors.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only on monitors with this label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Refuses what can't be a name.
    pub(crate) fn validate(&self) -> Result<()> {
        monitor::name("name", &self.name)
    }

    /// When the work on that monitor ends that goes on at an instant; none when there is none.
    pub fn until(&self, monitor: &Subject, at: Timestamp) -> Option<Timestamp> {
        let named = self.monitors.is_empty() || self.monitors.contains(&monitor.name);
        let labelled = self.labels.iter().all(|(key, value)| monitor.labels.get(key) == Some(value));
        if named && labelled { self.window.end_of(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        monitor::{Definition, Monitor, State},
    };

    #[test]
    fn it_is_about_the_monitors_it_names_and_those_with_all_its_labels() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Window::once(at("2026-11-22T10:00:00Z"), at("2026-11-22T12:00:00Z")).unwrap();
        let all = Maintenance::new("deploy", window);
        let definition = Definition::new("shop", "http").label("team", "shop").label("tier", "1");
        let shop = Subject::of(&Monitor::new(MonitorId::new(), 1, State::Active, definition));
        for (work, applies) in [
            (all.clone(), true),
            (all.clone().monitors(["shop", "db"]), true),
            (all.clone().monitors(["db"]), false),
            (all.clone().label("team", "shop").label("tier", "1"), true),
            (all.clone().label("team", "shop").label("tier", "2"), false),
            (all.clone().monitors(["shop"]).label("region", "eu"), false),
        ] {
            let until = work.until(&shop, at("2026-11-22T11:00:00Z"));
            assert_eq!(until, applies.then(|| at("2026-11-22T12:00:00Z")), "{work:?}");
            assert_eq!(work.until(&shop, at("2026-11-22T12:00:00Z")), None);
        }
    }
}
