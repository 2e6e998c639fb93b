//! The facts of a notice as JSON: what a webhook posts, a command reads, a plug-in is told and a template may say. A public
//! format, written out here so that a change inside pingmon can't change it. The webhook channel documents it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Affected, Link, Notification, Subject};
use crate::{
    id::{DeliveryId, IncidentId, MonitorId},
    incident::{About, Closed, Event, Incident},
    outcome::{Outcome, Status},
    time::{Span, Timestamp},
};

/// The facts of a notice, to be written as JSON. Fields may be added, none will change its meaning.
#[derive(Debug, Serialize)]
pub struct Facts<'a> {
    id: DeliveryId,
    event: Event,
    at: Timestamp,
    headline: String,
    lasted: Span,
    monitor: MonitorFacts<'a>,
    incident: IncidentFacts<'a>,
    outcome: Option<&'a Outcome>,
    confirmed_by: &'a [String],
    affected: &'a Affected,
    also: Vec<AlsoFacts<'a>>,
    links: &'a [Link],
    opening: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct MonitorFacts<'a> {
    id: MonitorId,
    name: &'a str,
    kind: &'a str,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct IncidentFacts<'a> {
    id: IncidentId,
    about: About,
    level: Status,
    failing_since: Timestamp,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    closed: Option<Closed>,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct AlsoFacts<'a> {
    event: Event,
    at: Timestamp,
    monitor: MonitorFacts<'a>,
    incident: IncidentFacts<'a>,
    opening: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Those of a notice.
    pub fn of(notice: &'a Notification) -> Self {
        let also = notice.also.iter().map(|companion| AlsoFacts {
            event: companion.event,
            at: companion.at,
            monitor: MonitorFacts::of(&companion.monitor),
            incident: IncidentFacts::of(&companion.incident),
            opening: companion.opening.as_deref(),
        });
        Self {
            id: notice.id,
            event: notice.event,
            at: notice.at,
            headline: notice.headline(),
            lasted: notice.lasted(),
            monitor: MonitorFacts::of(&notice.monitor),
            incident: IncidentFacts::of(&notice.incident),
            outcome: notice.outcome.as_ref(),
            confirmed_by: &notice.confirmed_by,
            affected: &notice.affected,
            also: also.collect(),
            links: &notice.links,
            opening: notice.opening.as_deref(),
        }
    }
}

impl<'a> MonitorFacts<'a> {
    fn of(monitor: &'a Subject) -> Self {
        Self { id: monitor.id, name: &monitor.name, kind: &monitor.kind, labels: &monitor.labels }
    }
}

impl<'a> IncidentFacts<'a> {
    fn of(incident: &'a Incident) -> Self {
        Self {
            id: incident.id,
            about: incident.about,
            level: incident.level,
            failing_since: incident.failing_since,
            opened_at: incident.opened_at,
            closed_at: incident.closed_at,
            closed: incident.closed,
            message: &incident.message,
        }
    }
}
