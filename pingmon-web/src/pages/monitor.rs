//! The page of one monitor: its runs, what they measured, what followed, and what was missed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{extract::State, response::Html};
use pingmon_core::{
    id::MonitorId,
    monitor,
    outcome::{Failure as Unmet, Metric, Outcome, Status},
    store::{
        catalog::Overview,
        claims::{Gap, GapReason},
        history::Record,
        incidents::IncidentFilter,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    chart,
    incidents::IncidentRow,
    mark::{self, Mark},
    overview,
    silences::{self, SilenceRow},
    wording::{self, When},
};
use crate::{
    face::Shared,
    failure::Failure,
    links::Links,
    query::{Id, Params},
};

/// Runs on one page.
const RUNS: usize = 100;
/// Gaps and incidents on the page.
const FOLLOWED: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    /// The slot before which the runs begin.
    before: Option<Timestamp>,
}

#[derive(Serialize)]
struct MonitorPage {
    id: MonitorId,
    first: bool,
    head: Head,
    runs: Runs,
    metrics: Vec<MetricRow>,
    failure: Option<LastFailure>,
    incidents: Vec<IncidentRow>,
    /// What silences it now.
    silences: Vec<SilenceRow>,
    gaps: Vec<GapRow>,
}

/// Who the monitor is and how it stands.
#[derive(Serialize)]
struct Head {
    name: String,
    kind: String,
    schedule: String,
    timeout: String,
    notify: Vec<String>,
    labels: Vec<(String, String)>,
    mark: Mark,
    since: Option<When>,
    note: Option<String>,
    message: String,
    next: Option<When>,
    latency: Option<String>,
    share_up: Option<String>,
}

/// The runs, drawn and listed.
#[derive(Serialize)]
struct Runs {
    chart: String,
    /// What the chart's full height stands for; none when no run has a latency.
    longest: Option<String>,
    oldest: Option<When>,
    newest: Option<When>,
    /// Names of the phases with the class that colours them.
    legend: Vec<(String, String)>,
    rows: Vec<RunRow>,
    /// What to ask for as `before` for the next page.
    next: Option<Timestamp>,
}

#[derive(Serialize)]
struct RunRow {
    slot: When,
    lateness: String,
    mark: Mark,
    latency: Option<String>,
    phases: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct MetricRow {
    name: String,
    labels: Vec<(String, String)>,
    value: String,
}

/// The latest run that wasn't up, among those on the page.
#[derive(Serialize)]
struct LastFailure {
    at: When,
    mark: Mark,
    message: String,
    failed: Vec<Unmet>,
    evidence: Vec<(String, String)>,
}

#[derive(Serialize)]
struct GapRow {
    from: When,
    until: When,
    lasted: String,
    slots: String,
    reason: &'static str,
}

pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Id(id): Id<MonitorId>,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, Failure> {
    let store = shared.store();
    let now = shared.now();
    let overview = store.monitor(id).await?;
    let mut records = store.records(id, asked.before, RUNS + 1).await?;
    let more = records.len() > RUNS;
    records.truncate(RUNS);
    let incidents = store.incidents(IncidentFilter::all().of(id), FOLLOWED).await?;
    let gaps = store.gaps(id, None, FOLLOWED).await?;
    let names = HashMap::from([(id, overview.monitor.definition.name.clone())]);
    let page = MonitorPage {
        id,
        first: asked.before.is_none(),
        metrics: records.first().map(|record| metrics(&record.outcome.metrics)).unwrap_or_default(),
        failure: records
            .iter()
            .find(|record| record.outcome.status != Status::Up)
            .map(|record| last_failure(record, now)),
        incidents: incidents.iter().map(|incident| IncidentRow::new(incident, &names, now)).collect(),
        silences: silences::on(store.as_ref(), Some(&overview.monitor), now).await?,
        gaps: gaps.iter().map(|gap| GapRow::new(gap, now)).collect(),
        head: Head::new(overview, &records, now),
        runs: Runs::new(&records, more, now),
    };
    shared.templates.render("monitor.html", &shared, &links, &page)
}

impl Head {
    fn new(overview: Overview, records: &[Record], now: Timestamp) -> Self {
        let last = records.first().map(|record| &record.outcome);
        let active = overview.monitor.state == monitor::State::Active;
        let mark = Mark::of_monitor(&overview);
        let note = mark::note(&overview, now);
        let definition = overview.monitor.definition;
        Self {
            mark,
            note,
            since: overview.health.since.filter(|_| active).map(|since| When::seen_from(now, since)),
            message: last.map(|outcome| outcome.message.clone()).unwrap_or_default(),
            next: active.then(|| When::seen_from(now, overview.slot.max(now))),
            latency: last.and_then(|outcome| outcome.latency).map(wording::latency),
            share_up: overview::share_up(records),
            name: definition.name,
            kind: definition.kind,
            schedule: definition.schedule.to_string(),
            timeout: definition.timeout.to_string(),
            notify: definition.notify,
            labels: definition.labels.into_iter().collect(),
        }
    }
}

impl Runs {
    fn new(records: &[Record], more: bool, now: Timestamp) -> Self {
        let names = phase_names(records);
        let longest_total = records.iter().map(|record| total(&record.outcome)).max().unwrap_or_default();
        let longest = chart::longest(records);
        let draw = if longest.is_zero() { chart::runs } else { chart::latencies };
        let at = |record: &Record| When::seen_from(now, record.started_at);
        Self {
            chart: draw(records, RUNS),
            longest: (!longest.is_zero()).then(|| wording::latency(longest)),
            oldest: records.last().map(at),
            newest: records.first().map(at),
            rows: records.iter().map(|record| RunRow::new(record, &names, longest_total, now)).collect(),
            next: records.last().filter(|_| more).map(|last| last.slot),
            legend: names.iter().map(|name| (name.clone(), chart::phase_class(&names, name))).collect(),
        }
    }
}

/// The phases that occur, in the order they are first met.
fn phase_names(records: &[Record]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in records.iter().flat_map(|record| &record.outcome.phases) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
    }
    names
}

fn total(outcome: &Outcome) -> Duration {
    outcome.phases.iter().map(|(_, took)| *took).fold(Duration::ZERO, Duration::saturating_add)
}

impl RunRow {
    fn new(record: &Record, names: &[String], longest: Duration, now: Timestamp) -> Self {
        let outcome = &record.outcome;
        Self {
            slot: When::seen_from(now, record.slot),
            lateness: wording::latency(record.started_at.since(record.slot)),
            mark: Mark::of_status(outcome.status),
            latency: outcome.latency.map(wording::latency),
            phases: (!outcome.phases.is_empty()).then(|| chart::phases(outcome, names, longest)),
            message: outcome.message.clone(),
        }
    }
}

fn metrics(metrics: &[Metric]) -> Vec<MetricRow> {
    let row = |metric: &Metric| MetricRow {
        name: metric.name.to_string(),
        labels: metric.labels.clone().into_iter().collect(),
        value: wording::quantity(metric.value, &metric.unit),
    };
    metrics.iter().map(row).collect()
}

fn last_failure(record: &Record, now: Timestamp) -> LastFailure {
    let outcome = &record.outcome;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    LastFailure {
        at: When::seen_from(now, record.started_at),
        mark: Mark::of_status(outcome.status),
        message: outcome.message.clone(),
        failed: outcome.failed.clone(),
        evidence: outcome.evidence.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
    }
}

impl GapRow {
    fn new(gap: &Gap, now: Timestamp) -> Self {
        Self {
            from: When::seen_from(now, gap.from),
            until: When::seen_from(now, gap.until),
            lasted: wording::span(gap.until.since(gap.from)),
            slots: wording::grouped(gap.slots),
            reason: reason(gap.reason),
        }
    }
}

const fn reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::NoEngine => "no engine was running it",
        GapReason::Overload => "the engine had no room",
        GapReason::StoreDown => "the store took no writes",
        GapReason::Paused => "it was paused",
        _ => "for another reason",
    }
}
