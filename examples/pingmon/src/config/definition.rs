//! One monitor's table as a definition: schedule, timeout, policy, channels. Its kind's own table is the kind's business.

use std::{collections::BTreeMap, time::Duration};

use pingmon_core::{
    check::parse_config,
    error::{Error, Result},
    monitor::{Definition, Origin},
    notification::Step,
    policy::Policy,
    schedule::Schedule,
    time::Span,
};
use serde_json::{Map, Value};

use super::{file, suggest::hint};

/// What monitors have that is a matter of policy.
const POLICY: [&str; 10] = [
    "open_after",
    "close_after",
    "degraded_after",
    "unknown_after",
    "retry_every",
    "remind_every",
    "remind_factor",
    "remind_at_most",
    "confirm_by",
    "flap",
];
/// How long a run may take unless something else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A monitor's table over the defaults, and which of its settings come from them.
pub(super) fn inherit(own: &Map<String, Value>, defaults: &Map<String, Value>) -> (Value, Map<String, Value>) {
    let is_overruled = |key: &str| own.contains_key(key) || (key == "every" && own.contains_key("cron"));
    let inherited: Map<_, _> = defaults
        .iter()
        .filter(|(key, _)| !is_overruled(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let table = own.iter().chain(&inherited).map(|(key, value)| (key.clone(), value.clone())).collect();
    (Value::Object(table), inherited)
}

/// What a monitor's table says and whether it is enabled. Everything is checked but its name and its kind's table.
/// Without a schedule of its own it is due every `interval`, without `notify` it tells `channels`.
///
/// # Errors
/// [`Error::Config`] for the first field that is wrong.
pub(super) fn definition(
    table: &Value,
    inherited: &Map<String, Value>,
    interval: Duration,
    channels: &[&str],
    escalations: &BTreeMap<&str, Vec<Step>>,
) -> Result<(Definition, bool)> {
    let part = |policy: bool| -> Value {
        let fields = table.as_object().into_iter().flatten();
        let fields = fields.filter(|(key, _)| POLICY.contains(&key.as_str()) == policy);
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    let monitor: file::Monitor = parse_config(&part(false))?;
    let policy: Policy = parse_config(&part(true))?;
    let schedule = schedule(&monitor, interval)?;
    let escalation = monitor.escalation.as_deref().map_or(Ok(Vec::new()), |name| {
        let unknown = || format!("no escalation is named \"{name}\", {}", hint(name, escalations.keys().copied()));
        escalations.get(name).cloned().ok_or_else(|| Error::config("escalation", unknown()))
    })?;
    let everyone = || channels.iter().map(|name| (*name).to_owned()).collect();
    let mut definition = Definition::new("unchecked", "unchecked")
        .timeout(timeout(&monitor, &schedule, inherited.contains_key("timeout")))
        .schedule(schedule)
        .policy(policy)
        .notify(monitor.notify.unwrap_or_else(everyone))
        .escalation(escalation)
        .origin(Origin::new(Origin::FILE));
    definition.depends_on = monitor.depends_on;
    definition.labels = monitor.labels;
    definition.validate()?;
    definition.name = monitor.name;
    Ok((definition, monitor.enabled))
}

fn schedule(monitor: &file::Monitor, interval: Duration) -> Result<Schedule> {
    match (monitor.every, &monitor.cron) {
        (Some(_), Some(_)) => Err(Error::config("cron", "stands beside `every`: one of them is to stay")),
        (_, Some(cron)) => Schedule::cron(cron, monitor.timezone.as_deref().unwrap_or("UTC")),
        _ if monitor.timezone.is_some() => Err(Error::config("timezone", "has no meaning without `cron`")),
        (every, None) => Schedule::every(every.map_or(interval, |span| span.0)),
    }
}

/// What is given for this very monitor is taken at its word; what is general is shortened to the interval.
fn timeout(monitor: &file::Monitor, schedule: &Schedule, is_inherited: bool) -> Duration {
    let given = monitor.timeout.map(|span| span.0);
    match (given, schedule) {
        (Some(timeout), _) if !is_inherited => timeout,
        (_, Schedule::Every(Span(interval))) => given.unwrap_or(TIMEOUT).min(*interval),
        _ => given.unwrap_or(TIMEOUT),
    }
}
