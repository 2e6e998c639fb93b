//! The JSON that a webhook posts: a public format, written out here so that a change inside pingmon can't change it. The
//! module above documents it for receivers.

use std::collections::BTreeMap;

use pingmon_core::{
    id::{DeliveryId, IncidentId, MonitorId},
    incident::{About, Closed, Event},
    notification::Notification,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Payload<'a> {
    id: DeliveryId,
    event: Event,
    at: Timestamp,
    headline: String,
    monitor: Monitor<'a>,
    incident: Incident<'a>,
    outcome: Option<&'a Outcome>,
}

#[derive(Serialize)]
struct Monitor<'a> {
    id: MonitorId,
    name: &'a str,
    kind: &'a str,
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Incident<'a> {
    id: IncidentId,
    about: About,
    level: Status,
    failing_since: Timestamp,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    closed: Option<Closed>,
    message: &'a str,
}

impl<'a> Payload<'a> {
    pub(super) fn of(notification: &'a Notification) -> Self {
        let Notification { monitor, incident, .. } = notification;
        Self {
            id: notification.id,
            event: notification.event,
            at: notification.at,
            headline: notification.headline(),
            monitor: Monitor { id: monitor.id, name: &monitor.name, kind: &monitor.kind, labels: &monitor.labels },
            incident: Incident {
                id: incident.id,
                about: incident.about,
                level: incident.level,
                failing_since: incident.failing_since,
                opened_at: incident.opened_at,
                closed_at: incident.closed_at,
                closed: incident.closed,
                message: &incident.message,
            },
            outcome: notification.outcome.as_ref(),
        }
    }
}
