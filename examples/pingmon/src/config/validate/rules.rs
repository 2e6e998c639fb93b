//! The rules that lie over all monitors: when they are worked on, and who else is told of them.

use std::collections::{HashMap, HashSet};

use pingmon_core::{check::parse_config, maintenance::Maintenance, route::Route};
use serde_json::Value;

use super::Reader;
use crate::config::{maintenance::Work, telling::Routing};

impl<'c> Reader<'c> {
    pub(super) fn maintenances(&mut self) -> Vec<Maintenance> {
        let monitors: HashSet<_> = self.names_of("monitor").into_iter().collect();
        let (mut maintenances, mut names) = (Vec::new(), HashMap::new());
        for (path, table) in self.items("maintenance") {
            let named = self.name(&path, table, &mut names).is_some();
            let table = Value::Object(table.clone());
            self.references(&path, &table, "monitors", &monitors);
            let work = self.exhaust(table, &path, |table| parse_config::<Work>(table)?.compile());
            maintenances.extend(work.filter(|_| named));
        }
        maintenances
    }

    pub(super) fn routes(&mut self) -> Vec<Route> {
        let [monitors, channels] = ["monitor", "notifier"].map(|what| HashSet::from_iter(self.names_of(what)));
        let mut routes = Vec::new();
        for (path, table) in self.items("route") {
            let table = Value::Object(table.clone());
            self.references(&path, &table, "monitors", &monitors);
            self.references(&path, &table, "notify", &channels);
            routes.extend(self.exhaust(table, &path, |table| parse_config::<Routing>(table).map(Routing::compile)));
        }
        routes
    }

    /// The notifiers that a monitor tells which names none: all, but those that are told by routes.
    pub(super) fn unrouted(&self) -> Vec<&'c str> {
        let routed = self.items("route").filter_map(|(_, table)| table.get("notify")?.as_array());
        let routed: HashSet<_> = routed.flatten().filter_map(Value::as_str).collect();
        self.names_of("notifier").into_iter().filter(|name| !routed.contains(name)).collect()
    }
}
