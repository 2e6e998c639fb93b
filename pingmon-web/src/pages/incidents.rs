//! The page of incidents: the open ones, then the past.

use std::{collections::HashMap, sync::Arc};

use axum::{extract::State, response::Html};
use pingmon_core::{
    id::MonitorId,
    incident::{About, Closed, Incident},
    store::incidents::IncidentFilter,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    mark::Mark,
    wording::{self, When},
};
use crate::{
    face::Shared,
    failure::Failure,
    links::Links,
    query::{Cursor, Params},
    reading,
};

/// Past incidents on one page.
const PAGE: usize = 50;
/// Open incidents that are listed, and passed over when past ones are looked for.
const OPEN: usize = 500;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    before: Option<Cursor>,
}

#[derive(Serialize)]
struct IncidentsPage {
    open: Vec<IncidentRow>,
    past: Vec<IncidentRow>,
    first: bool,
    /// What to ask for as `before` for the next page.
    next: Option<String>,
}

/// An incident as a line of a list.
#[derive(Serialize)]
pub(super) struct IncidentRow {
    monitor: MonitorId,
    name: String,
    mark: Mark,
    /// It is about the monitoring, not the target.
    blind: bool,
    message: String,
    since: When,
    closed: Option<When>,
    lasted: String,
    /// How it ended; none while it is open.
    ending: Option<&'static str>,
}

impl IncidentRow {
    pub(super) fn new(incident: &Incident, names: &HashMap<MonitorId, String>, now: Timestamp) -> Self {
        let end = incident.closed_at.unwrap_or(now);
        Self {
            monitor: incident.monitor,
            name: names.get(&incident.monitor).cloned().unwrap_or_else(|| "a deleted monitor".into()),
            mark: Mark::of_status(incident.level),
            blind: incident.about == About::Monitoring,
            message: incident.message.clone(),
            since: When::seen_from(now, incident.failing_since),
            closed: incident.closed_at.map(|closed_at| When::seen_from(now, closed_at)),
            lasted: wording::span(end.since(incident.failing_since)),
            ending: incident.closed.map(ending),
        }
    }
}

const fn ending(closed: Closed) -> &'static str {
    match closed {
        Closed::Recovered => "recovered",
        Closed::Paused => "monitor paused",
        Closed::Retired => "monitor retired",
        _ => "closed",
    }
}

pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, Failure> {
    let store = shared.store();
    let now = shared.now();
    let open = store.incidents(IncidentFilter::all().open(), OPEN).await?;
    let room = PAGE + open.len() + 1;
    let rows = reading::incidents(store.as_ref(), IncidentFilter::all(), asked.before, room).await?;
    let (past, next) = past(&rows, asked.before);
    let first = asked.before.is_none();
    let shown = past.iter().copied().chain(open.iter().filter(|_| first));
    let names = reading::names(store, shown.map(|incident| incident.monitor)).await?;
    let page = IncidentsPage {
        open: open.iter().filter(|_| first).map(|incident| IncidentRow::new(incident, &names, now)).collect(),
        past: past.iter().map(|incident| IncidentRow::new(incident, &names, now)).collect(),
        first,
        next: next.map(|cursor| cursor.to_string()),
    };
    shared.templates.render("incidents.html", &shared, &links, &page)
}

/// The first page of closed incidents among `rows`, which came after `from`, and the cursor behind them if more follow.
fn past(rows: &[Incident], from: Option<Cursor>) -> (Vec<&Incident>, Option<Cursor>) {
    let mut closed = rows.iter().enumerate().filter(|(_, incident)| incident.closed_at.is_some());
    let shown: Vec<(usize, &Incident)> = closed.by_ref().take(PAGE).collect();
    let end = shown.last().map_or(0, |(index, _)| index + 1);
    let next = closed.next().and_then(|_| Cursor::behind(&reading::opened(&rows[..end]), from));
    (shown.into_iter().map(|(_, incident)| incident).collect(), next)
}
