//! The status page: what is open, and every monitor with its latest runs.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Html};
use pingmon_core::{
    engine::vitals::Vitals,
    id::MonitorId,
    incident::{About, Incident},
    maintenance::EVIDENCE as MAINTENANCE,
    monitor,
    outcome::Status,
    store::{catalog::Overview, claims::Session, history::Record, incidents::IncidentFilter},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    chart,
    incidents::IncidentRow,
    mark::{self, Mark},
    silences::{self, SilenceRow},
    wording::{self, When},
};
use crate::{face::Shared, failure::Failure, links::Links, query::Params, reading};

/// Monitors on one page.
const PAGE: usize = 100;
/// Runs drawn of each monitor.
const RUNS: usize = 60;
/// Open incidents that are counted.
const COUNTED: usize = 1_000;
/// Open incidents and silences that are listed.
const LISTED: usize = 20;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    /// The name behind which this page begins.
    after: Option<String>,
}

#[derive(Serialize)]
pub(super) struct OverviewPage {
    banner: Banner,
    /// What keeps this page from telling the present.
    hint: Option<&'static str>,
    incidents: Vec<IncidentRow>,
    more_incidents: bool,
    /// What is silenced now.
    silences: Vec<SilenceRow>,
    more_silences: usize,
    groups: Vec<Group>,
    first: bool,
    /// What to ask for as `after` for the next page.
    next: Option<String>,
}

/// The state of everything in one line.
#[derive(Debug, PartialEq, Serialize)]
struct Banner {
    class: &'static str,
    heading: String,
    detail: String,
}

/// Monitors that share the value of the label that groups.
#[derive(Serialize)]
struct Group {
    /// The value; empty for monitors without the label.
    name: String,
    rows: Vec<MonitorRow>,
}

#[derive(Serialize)]
struct MonitorRow {
    id: MonitorId,
    name: String,
    kind: String,
    mark: Mark,
    since: Option<When>,
    note: Option<String>,
    /// What the last run said, when it wasn't up.
    message: Option<String>,
    latency: Option<String>,
    share_up: Option<String>,
    bars: String,
    next: Option<When>,
}

pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, Failure> {
    let store = shared.store();
    let now = shared.now();
    let mut overviews = store.monitors(asked.after.as_deref(), PAGE + 1).await?;
    let more = overviews.len() > PAGE;
    overviews.truncate(PAGE);
    let ids = overviews.iter().map(|overview| overview.monitor.id).collect();
    let histories = reading::histories(store, ids, RUNS).await?;
    let mut open = store.incidents(IncidentFilter::all().open(), COUNTED).await?;
    open.sort_by_key(|incident| severity(incident.level));
    let listed = &open[..open.len().min(LISTED)];
    let names = reading::names(store, listed.iter().map(|incident| incident.monitor)).await?;
    let hint = hint(shared.vitals().as_ref(), &store.sessions().await?);
    let mut silences = silences::on(store.as_ref(), None, now).await?;
    let more_silences = silences.len().saturating_sub(LISTED);
    silences.truncate(LISTED);
    let whole = asked.after.is_none() && !more;
    let page = OverviewPage {
        banner: banner(&overviews, &open, whole, hint.is_none()),
        hint,
        incidents: listed.iter().map(|incident| IncidentRow::new(incident, &names, now)).collect(),
        more_incidents: open.len() > LISTED,
        silences,
        more_silences,
        first: asked.after.is_none(),
        next: overviews.last().filter(|_| more).map(|last| last.monitor.definition.name.clone()),
        groups: groups(overviews.into_iter().zip(histories), shared.group_by(), now),
    };
    shared.templates.render("overview.html", &shared, &links, &page)
}

/// Puts the worst first.
const fn severity(level: Status) -> u8 {
    match level {
        Status::Down => 0,
        Status::Degraded => 1,
        Status::Unknown => 2,
        Status::Up => 3,
    }
}

/// What readers must know before they believe the rest.
fn hint(vitals: Option<&Vitals>, sessions: &[Session]) -> Option<&'static str> {
    match vitals {
        _ if sessions.is_empty() => {
            Some("No engine is running: nothing is being checked, what stands below is the past.")
        }
        Some(vitals) if !vitals.is_ready() => {
            Some("The engine of this replica isn't doing its work at the moment: runs may be late or missing.")
        }
        _ => None,
    }
}

/// The worst that is confirmed comes first, then what is failing unconfirmed on this page. `whole` says that
/// `overviews` are all there are, `watched` that engines do their work.
fn banner(overviews: &[Overview], open: &[Incident], whole: bool, watched: bool) -> Banner {
    let open_as =
        |about, level| open.iter().filter(|incident| incident.about == about && incident.level == level).count();
    let (down, degraded) = (open_as(About::Target, Status::Down), open_as(About::Target, Status::Degraded));
    let blind = open_as(About::Monitoring, Status::Unknown);
    let active = || overviews.iter().filter(|overview| overview.monitor.state == monitor::State::Active);
    let unconfirmed = active()
        .filter(|overview| overview.health.target.is_none())
        .filter(|overview| matches!(overview.health.status, Some(Status::Degraded | Status::Down)))
        .count();
    let (class, heading) = if down > 0 {
        ("down", format!("{} down", wording::count(down, "monitor")))
    } else if degraded > 0 {
        ("degraded", format!("{} degraded", wording::count(degraded, "monitor")))
    } else if unconfirmed > 0 {
        ("degraded", format!("{} failing, not confirmed", wording::count(unconfirmed, "monitor")))
    } else if blind > 0 {
        ("unknown", format!("{} can't be judged", wording::count(blind, "monitor")))
    } else if overviews.is_empty() && whole {
        ("idle", "Nothing is watched yet".into())
    } else if active().all(|overview| overview.health.status.is_none()) && whole {
        ("idle", "Waiting for the first results".into())
    } else if watched {
        ("up", "All systems operational".into())
    } else {
        ("unknown", "No open incident".into())
    };
    Banner {
        class,
        heading,
        detail: detail(overviews, [(down, "down"), (degraded, "degraded"), (blind, "unknown")], whole),
    }
}

/// `26 monitors · 1 down · 2 degraded`
fn detail(overviews: &[Overview], open: [(usize, &str); 3], whole: bool) -> String {
    let watched = if whole {
        wording::count(overviews.len(), "monitor")
    } else {
        format!("more than {}", wording::count(PAGE, "monitor"))
    };
    let confirmed: Vec<String> =
        open.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(" · {count} {word}")).collect();
    let confirmed = if confirmed.is_empty() { " · no open incident".into() } else { confirmed.concat() };
    watched + &confirmed
}

/// Groups by name, those without the label last; the order by name stays within a group.
fn groups(monitors: impl Iterator<Item = (Overview, Vec<Record>)>, label: &str, now: Timestamp) -> Vec<Group> {
    let mut groups: BTreeMap<(bool, String), Vec<MonitorRow>> = BTreeMap::new();
    for (overview, records) in monitors {
        let group = overview.monitor.definition.labels.get(label).cloned();
        let key = (group.is_none(), group.unwrap_or_default());
        groups.entry(key).or_default().push(MonitorRow::new(overview, &records, now));
    }
    groups.into_iter().map(|((_, name), rows)| Group { name, rows }).collect()
}

impl MonitorRow {
    fn new(overview: Overview, records: &[Record], now: Timestamp) -> Self {
        let last = records.first().map(|record| &record.outcome);
        let failing = last.filter(|outcome| outcome.status != Status::Up && !outcome.message.is_empty());
        let active = overview.monitor.state == monitor::State::Active;
        Self {
            mark: Mark::of_monitor(&overview),
            since: overview.health.since.filter(|_| active).map(|since| When::seen_from(now, since)),
            note: mark::note(&overview, now),
            message: failing.filter(|_| active).map(|outcome| outcome.message.clone()),
            latency: last.and_then(|outcome| outcome.latency).map(wording::latency),
            share_up: share_up(records),
            bars: chart::runs(records, RUNS),
            next: active.then(|| When::seen_from(now, overview.slot.max(now))),
            id: overview.monitor.id,
            name: overview.monitor.definition.name,
            kind: overview.monitor.definition.kind,
        }
    }
}

/// The share of runs that found the target working, of those that could judge it. What went wrong during maintenance
/// doesn't count.
pub(super) fn share_up(records: &[Record]) -> Option<String> {
    let counts = |record: &&Record| !record.outcome.evidence.contains_key(MAINTENANCE);
    let of = |status| records.iter().filter(counts).filter(|record| record.outcome.status == status).count();
    let working = of(Status::Up) + of(Status::Degraded);
    wording::percent(working, working + of(Status::Down))
}

#[cfg(test)]
mod tests {
    use pingmon_core::{
        incident::{self, Health, Judged},
        monitor::{Definition, Monitor},
        outcome::Outcome,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    /// A monitor after runs of these verdicts, with the incidents they left open.
    fn watched(statuses: &[Status]) -> (Overview, Vec<Incident>) {
        let monitor = Monitor::new(MonitorId::new(), 1, monitor::State::Active, Definition::new("shop", "http"));
        let policy = monitor.definition.policy.clone();
        let mut health = Health::default();
        let mut open = Vec::new();
        for status in statuses {
            let run = Judged { monitor: monitor.id, slot: NOW, status: *status, at: NOW };
            let (after, transitions) = incident::advance(&health, run, &policy);
            health = after;
            open.extend(transitions.iter().map(|transition| transition.to_incident(monitor.id, "refused")));
        }
        (Overview::new(monitor, health, NOW), open)
    }

    #[test]
    fn the_banner_tells_the_worst_that_is_confirmed() {
        use Status::{Degraded, Down, Unknown, Up};
        for (statuses, class, heading) in [
            (&[][..], "idle", "Waiting for the first results"),
            (&[Up], "up", "All systems operational"),
            (&[Up, Down], "degraded", "1 monitor failing, not confirmed"),
            (&[Down, Down], "down", "1 monitor down"),
            (&[Degraded, Degraded], "degraded", "1 monitor degraded"),
            (&[Unknown; 5], "unknown", "1 monitor can't be judged"),
        ] {
            let (overview, open) = watched(statuses);
            let banner = banner(&[overview], &open, true, true);
            assert_eq!((banner.class, banner.heading.as_str()), (class, heading), "{statuses:?}");
        }
        assert_eq!(banner(&[], &[], true, true).heading, "Nothing is watched yet");
    }

    #[test]
    fn without_an_engine_nothing_is_called_operational() {
        let (overview, open) = watched(&[Status::Up]);
        assert_eq!(banner(&[overview], &open, true, false).heading, "No open incident");
        assert!(hint(None, &[]).is_some_and(|hint| hint.contains("No engine is running")));
    }

    #[test]
    fn monitors_without_the_label_come_last() {
        let of = |name: &str, group: Option<&str>| {
            let definition = group.iter().fold(Definition::new(name, "http"), |it, group| it.label("group", *group));
            let monitor = Monitor::new(MonitorId::new(), 1, monitor::State::Active, definition);
            (Overview::new(monitor, Health::default(), NOW), Vec::new())
        };
        let monitors = [of("a", None), of("b", Some("web")), of("c", Some("data")), of("d", Some("web"))];
        let groups = groups(monitors.into_iter(), "group", NOW);
        let shown: Vec<(&str, usize)> = groups.iter().map(|group| (group.name.as_str(), group.rows.len())).collect();
        assert_eq!(shown, [("data", 1), ("web", 2), ("", 1)]);
    }

    #[test]
    fn runs_that_could_not_judge_count_neither_way() {
        let record = |outcome| Record::new(NOW, NOW, outcome);
        let records = [record(Outcome::up("")), record(Outcome::unknown("")), record(Outcome::down(""))];
        assert_eq!(share_up(&records).as_deref(), Some("50.0 %"));
        assert_eq!(share_up(&records[1..2]), None);
    }
}
