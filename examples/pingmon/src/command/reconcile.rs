//! Makes the store's monitors of origin `file` what the config file says, and tells what that changed.

use std::{collections::HashMap, fmt, time::Duration};

use pingmon_core::{
    error::Result,
    id::MonitorId,
    monitor::{Origin, State},
    store::{Store, catalog::Change},
};

use tracing::warn;

use crate::config::Planned;

/// How many monitors are asked for at a time.
const PAGE: usize = 1_000;
/// Most names that a summary spells out.
const MAX_NAMED: usize = 10;
/// How long to wait before a store that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// What reconciling changed, by name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    pub(super) added: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) retired: Vec<String>,
    pub(super) unchanged: usize,
    pub(super) paused: Vec<String>,
    pub(super) resumed: Vec<String>,
}

/// Adds, edits and retires, then pauses what isn't enabled and resumes what is: for the monitors of the file, the file
/// decides.
///
/// # Errors
/// Store errors; then a second call completes what the first began.
pub(super) async fn reconcile(store: &dyn Store, monitors: Vec<Planned>) -> Result<Changes> {
    let enabled: Vec<_> = monitors.iter().map(|monitor| monitor.enabled).collect();
    let definitions = monitors.into_iter().map(|monitor| monitor.definition).collect();
    let puts = store.reconcile(&Origin::new(Origin::FILE), definitions).await?;
    let mut changes = Changes::default();
    let mut wanted = HashMap::new();
    for (position, put) in puts.into_iter().enumerate() {
        if let Some(enabled) = enabled.get(position) {
            wanted.insert(put.id, if *enabled { State::Active } else { State::Paused });
        }
        match put.change {
            Change::Added => changes.added.push(put.name),
            Change::Changed => changes.changed.push(put.name),
            Change::Retired => changes.retired.push(put.name),
            Change::Unchanged => changes.unchanged += 1,
        }
    }
    set_states(store, &wanted, &mut changes).await?;
    Ok(changes)
}

/// As [`reconcile`], until a store that can't be reached answers.
///
/// # Errors
/// Store errors that another try doesn't mend.
pub(super) async fn reconcile_when_possible(store: &dyn Store, monitors: Vec<Planned>) -> Result<Changes> {
    loop {
        tokio::time::sleep(RETRY).await;
        match reconcile(store, monitors.clone()).await {
            Err(error) if error.is_retryable() => warn!(error = error.chain(), "still waiting for the store"),
            done => return done,
        }
    }
}

async fn set_states(store: &dyn Store, wanted: &HashMap<MonitorId, State>, changes: &mut Changes) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = store.monitors(after.as_deref(), PAGE).await?;
        for monitor in page.iter().map(|overview| &overview.monitor) {
            let state = wanted.get(&monitor.id).copied().unwrap_or(monitor.state);
            if state != monitor.state {
                store.set_state(monitor.id, state).await?;
                let names = if state == State::Paused { &mut changes.paused } else { &mut changes.resumed };
                names.push(monitor.definition.name.clone());
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.monitor.definition.name.clone()),
            _ => return Ok(()),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("retired", &self.retired),
            ("paused", &self.paused),
            ("resumed", &self.resumed),
        ];
        let mut parts: Vec<_> =
            groups.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| named(what, names)).collect();
        if self.unchanged > 0 || parts.is_empty() {
            parts.push(format!("{} unchanged", self.unchanged));
        }
        f.write_str(&parts.join(", "))
    }
}

/// `2 added (shop api, db)`.
fn named(what: &str, names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > MAX_NAMED { ", …" } else { "" };
    format!("{} {what} ({shown}{more})", names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_one_short_line() {
        let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>();
        let changes = Changes { added: names(2), retired: names(12), unchanged: 3, ..Changes::default() };
        let expected = "2 added (m0, m1), 12 retired (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, …), 3 unchanged";
        assert_eq!(changes.to_string(), expected);
        assert_eq!(Changes::default().to_string(), "0 unchanged");
    }
}
