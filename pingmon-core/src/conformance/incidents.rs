//! Laws of incidents as stores keep them. When one opens or closes is `incident::advance`'s business.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::{ALL, EVERY, Fixture, judge, next, probe};
use crate::{
    error::Error,
    id::{IncidentId, MonitorId},
    incident::{About, Closed, Health},
    outcome::{Outcome, Status},
    store::incidents::IncidentFilter,
};

pub async fn an_incident_opens_once_and_closes_once(f: Fixture) {
    let (session, mut claim) = f.held("shop").await;
    let first = claim.slot;
    for outcome in [Outcome::down("1"), Outcome::down("2"), Outcome::up("3"), Outcome::up("4")] {
        claim = f.run_at_slot(session, &claim, outcome).await;
        let open = f.store.incidents(IncidentFilter::all().open(), ALL).await.unwrap();
        assert_eq!(open.len(), claim.health.open().count());
    }
    let incidents = f.incidents(claim.monitor.id).await;
    assert_eq!(incidents.len(), 1);
    let incident = &incidents[0];
    assert_eq!(incident.id, IncidentId::derive(claim.monitor.id, "target", first));
    assert_eq!((incident.monitor, incident.about, incident.level), (claim.monitor.id, About::Target, Status::Down));
    assert_eq!((incident.opened_slot, incident.opened_at, incident.failing_since), (first, first, first));
    assert_eq!((incident.closed_at, incident.closed), (Some(first + EVERY * 2), Some(Closed::Recovered)));
    assert_eq!(f.store.incident(incident.id).await.unwrap(), *incident);
}

pub async fn an_incident_keeps_the_message_of_the_run_that_opened_it(f: Fixture) {
    let (session, mut claim) = f.held("shop").await;
    for outcome in [Outcome::degraded("slow"), Outcome::down("worse"), Outcome::up("well")] {
        claim = f.run_at_slot(session, &claim, outcome).await;
        assert_eq!(f.incidents(claim.monitor.id).await[0].message, "slow");
    }
}

pub async fn an_incident_follows_the_level_of_its_failure(f: Fixture) {
    let (session, mut claim) = f.held("shop").await;
    let first = claim.slot;
    for (outcome, level) in [
        (Outcome::degraded("slow"), Status::Degraded),
        (Outcome::down("500"), Status::Down),
        (Outcome::degraded("slow"), Status::Degraded),
    ] {
        claim = f.run_at_slot(session, &claim, outcome).await;
        let incidents = f.incidents(claim.monitor.id).await;
        assert_eq!((incidents.len(), incidents[0].level, incidents[0].closed_at), (1, level, None));
        assert_eq!(incidents[0].opened_at, first);
    }
}

pub async fn an_incident_about_the_monitoring_stands_beside_one_about_the_target(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run_at_slot(session, &claim, Outcome::down("500")).await;
    let claim = f.run_at_slot(session, &claim, Outcome::unknown("no route")).await;
    let open = f.store.incidents(IncidentFilter::all().open(), ALL).await.unwrap();
    let seen: Vec<_> = open.iter().map(|incident| (incident.about, incident.level)).collect();
    assert_eq!(seen, [(About::Monitoring, Status::Unknown), (About::Target, Status::Down)]);
    f.run_at_slot(session, &claim, Outcome::down("500")).await;
    let open = f.store.incidents(IncidentFilter::all().open(), ALL).await.unwrap();
    assert_eq!(open.iter().map(|incident| incident.about).collect::<Vec<_>>(), [About::Target]);
}

pub async fn at_most_one_incident_about_one_thing_is_open(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run_at_slot(session, &claim, Outcome::down("500")).await;
    f.advance(EVERY).await;
    // What a worker would write that had forgotten the open incident.
    let mut forgetful = claim.clone();
    forgetful.health = Health::default();
    let completion = judge(&forgetful, Outcome::down("500"), f.now().await);
    assert_eq!(completion.transitions.len(), 1);
    // Whether it refuses the row or the second opening is the store's choice.
    let _ = f.store.complete(session, &[completion]).await;
    let open = f.store.incidents(IncidentFilter::all().open(), ALL).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].opened_slot + EVERY, claim.slot, "the first one stays");
}

pub async fn a_closed_incident_stays_closed(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let down = f.run_at_slot(session, &claim, Outcome::down("500")).await;
    let up = f.run_at_slot(session, &down, Outcome::up("200")).await;
    let before = f.incidents(claim.monitor.id).await;
    f.advance(EVERY).await;
    // What a worker would write that hadn't noticed the end.
    let mut unaware = up.clone();
    unaware.health = down.health;
    let completion = judge(&unaware, Outcome::up("200"), f.now().await);
    assert_eq!(completion.transitions.len(), 1);
    let _ = f.store.complete(session, &[completion]).await;
    assert_eq!(f.incidents(claim.monitor.id).await, before);
}

pub async fn the_same_monitor_can_fail_again(f: Fixture) {
    let (session, mut claim) = f.held("shop").await;
    for outcome in [Outcome::down("1"), Outcome::up("2"), Outcome::down("3"), Outcome::up("4"), Outcome::down("5")] {
        claim = f.run_at_slot(session, &claim, outcome).await;
    }
    let incidents = f.incidents(claim.monitor.id).await;
    let seen: Vec<_> = incidents.iter().map(|incident| (incident.message.as_str(), incident.closed)).collect();
    assert_eq!(seen, [("5", None), ("3", Some(Closed::Recovered)), ("1", Some(Closed::Recovered))]);
}

pub async fn incidents_are_listed_latest_first_then_by_id_descending(f: Fixture) {
    let session = f.join().await;
    let mut monitors = Vec::new();
    for round in 0..3 {
        let names: Vec<_> = (0..3).map(|n| format!("shop {round} {n}")).collect();
        f.store.put(names.iter().map(|name| probe(name)).collect()).await.unwrap();
        f.advance(Duration::from_secs(1)).await;
        let now = f.now().await;
        let claims = f.claim(session, ALL).await;
        let batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("500"), now)).collect();
        f.store.complete(session, &batch).await.unwrap();
        monitors.extend(claims.iter().zip(&batch).map(|(claim, completion)| next(claim, completion)));
    }
    let recovered = f.run_at_slot(session, &monitors[0], Outcome::up("200")).await.monitor.id;
    let all = f.store.incidents(IncidentFilter::all(), ALL).await.unwrap();
    assert_eq!(all.len(), 9);
    assert!(all.is_sorted_by_key(|incident| std::cmp::Reverse((incident.opened_at, incident.id))));
    let listed = async |filter, limit| f.store.incidents(filter, limit).await.unwrap();
    assert_eq!(listed(IncidentFilter::all(), 4).await, all[..4]);
    assert_eq!(listed(IncidentFilter::all().before(all[0].opened_at), ALL).await, all[3..]);
    assert_eq!(listed(IncidentFilter::all().before(all[3].opened_at), 2).await, all[6..8]);
    assert_eq!(listed(IncidentFilter::all().open(), ALL).await.len(), 8);
    assert_eq!(listed(IncidentFilter::all().of(recovered), ALL).await.len(), 1);
    assert_eq!(listed(IncidentFilter::all().of(recovered).open(), ALL).await, []);
    assert_eq!(listed(IncidentFilter::all().of(MonitorId::new()), ALL).await, []);
}

pub async fn an_unknown_incident_is_not_found(f: Fixture) {
    let id = IncidentId::derive(MonitorId::new(), "target", f.now().await);
    assert!(matches!(f.store.incident(id).await, Err(Error::NotFound { .. })));
}
