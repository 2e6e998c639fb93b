//! Laws of what people do to a monitor beside its definition: pause, resume, retire, delete.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::{ALL, CHANNEL, EVERY, Fixture, Reading, judge, probe};
use crate::{
    error::Error,
    id::{MonitorId, SessionId},
    incident::{About, Closed, Event, Health},
    monitor::{Origin, State, unwatch},
    notification::DeliveryState,
    outcome::Outcome,
    store::{
        catalog::Change,
        claims::{Claim, Gap, GapReason, Verdict},
        incidents::IncidentFilter,
        outbox::DeliveryFilter,
    },
};

/// A session with a monitor that has an open incident about its target and one about the monitoring.
async fn in_trouble(f: &Fixture) -> (SessionId, Claim) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    let claim = f.run_at_slot(session, &claim, Outcome::unknown("no route")).await;
    let open = f.store.incidents(IncidentFilter::all().open(), ALL).await.unwrap();
    assert_eq!(open.iter().map(|incident| incident.about).collect::<Vec<_>>(), [About::Monitoring, About::Target]);
    (session, claim)
}

pub async fn pausing_closes_what_is_open_and_announces_it(f: Fixture) {
    let (session, claim) = in_trouble(&f).await;
    f.advance(Duration::from_secs(1)).await;
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    assert_unwatched(&f, &claim, State::Paused, Closed::Paused).await;
    assert_eq!(f.claim(session, ALL).await, []);
    let late = judge(&claim, Outcome::up("200"), f.now().await);
    assert_eq!(f.complete(session, &late).await, Verdict::Lost);
}

pub async fn retiring_closes_what_is_open_and_announces_it(f: Fixture) {
    let (session, claim) = in_trouble(&f).await;
    f.advance(Duration::from_secs(1)).await;
    f.store.set_state(claim.monitor.id, State::Retired).await.unwrap();
    assert_unwatched(&f, &claim, State::Retired, Closed::Retired).await;
    assert_eq!(f.claim(session, ALL).await, []);
}

pub async fn retiring_by_reconciliation_closes_what_is_open_and_announces_it(f: Fixture) {
    let (_, claim) = in_trouble(&f).await;
    f.advance(Duration::from_secs(1)).await;
    let puts = f.store.reconcile(&Origin::new(Origin::CODE), Vec::new()).await.unwrap();
    assert_eq!((puts[0].id, puts[0].change), (claim.monitor.id, Change::Retired));
    assert_unwatched(&f, &claim, State::Retired, Closed::Retired).await;
}

/// The monitor of `claim` stands as [`unwatch`] says, and everybody is told.
async fn assert_unwatched(f: &Fixture, claim: &Claim, state: State, why: Closed) {
    let Reading { overview, incidents, deliveries, .. } = f.read(claim.monitor.id).await;
    let now = f.now().await;
    let (health, transitions) = unwatch(&claim.monitor, &claim.health, why, now);
    assert_eq!((overview.monitor.state, overview.health), (state, health));
    assert!(overview.monitor.revision > claim.monitor.revision);
    assert_eq!(incidents.len(), 2);
    for incident in incidents {
        assert_eq!((incident.closed_at, incident.closed), (Some(now), Some(why)), "{incident:?}");
    }
    let resolved: Vec<_> =
        deliveries.iter().filter(|delivery| delivery.notification.event == Event::Resolved).collect();
    assert_eq!((resolved.len(), transitions.len()), (2, 2));
    for delivery in resolved {
        let notification = &delivery.notification;
        assert_eq!((notification.channel.as_str(), notification.at, &notification.outcome), (CHANNEL, now, &None));
        assert_eq!((notification.incident.closed, delivery.state), (Some(why), DeliveryState::Pending));
    }
}

pub async fn resuming_records_the_paused_slots_and_makes_the_monitor_due_at_once(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    f.advance(EVERY * 3 + Duration::from_secs(1)).await;
    f.store.set_state(claim.monitor.id, State::Active).await.unwrap();
    let now = f.now().await;
    let reading = f.read(claim.monitor.id).await;
    assert_eq!(reading.gaps, [Gap::new(claim.slot, now, 3, GapReason::Paused)]);
    assert_eq!((reading.overview.slot, reading.overview.monitor.state), (now, State::Active));
    assert!(reading.overview.monitor.revision > claim.monitor.revision);
    let session = f.join().await;
    assert_eq!(f.claim_one(session).await.slot, now);
}

pub async fn resuming_before_the_pending_slot_passed_records_no_gap(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    f.advance(EVERY / 2).await;
    f.store.set_state(claim.monitor.id, State::Active).await.unwrap();
    let reading = f.read(claim.monitor.id).await;
    assert_eq!((reading.gaps.len(), reading.overview.slot), (0, f.now().await));
}

pub async fn pausing_keeps_the_pending_slot_and_forgets_the_health(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    let reading = f.read(claim.monitor.id).await;
    assert_eq!((reading.overview.slot, reading.overview.health), (claim.slot, Health::default()));
    assert_eq!((reading.deliveries.len(), reading.gaps.len(), reading.records.len()), (0, 0, 1));
}

pub async fn setting_the_state_a_monitor_has_changes_nothing(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let id = claim.monitor.id;
    let before = f.read(id).await;
    f.store.set_state(id, State::Active).await.unwrap();
    assert_eq!(f.read(id).await, before);
    f.run(session, &claim, Outcome::up("200")).await;
    for state in [State::Paused, State::Retired] {
        f.store.set_state(id, state).await.unwrap();
        let before = f.read(id).await;
        f.store.set_state(id, state).await.unwrap();
        assert_eq!(f.read(id).await, before);
    }
}

pub async fn a_retired_monitor_cannot_be_brought_back(f: Fixture) {
    let id = f.add("shop").await;
    f.store.set_state(id, State::Retired).await.unwrap();
    let before = f.read(id).await;
    for state in [State::Active, State::Paused] {
        assert!(matches!(f.store.set_state(id, state).await, Err(Error::NotFound { .. })));
    }
    assert_eq!(f.read(id).await, before);
}

pub async fn a_paused_monitor_can_be_retired(f: Fixture) {
    let id = f.add("shop").await;
    f.store.set_state(id, State::Paused).await.unwrap();
    f.store.set_state(id, State::Retired).await.unwrap();
    assert_eq!(f.store.monitor(id).await.unwrap().monitor.state, State::Retired);
    assert_eq!(f.store.monitors(None, ALL).await.unwrap(), []);
}

pub async fn deleting_removes_everything_of_that_monitor_and_nothing_of_another(f: Fixture) {
    let (session, claim) = in_trouble(&f).await;
    let other = f.add("other").await;
    let other_claim = f.claim_one(session).await;
    f.run(session, &other_claim, Outcome::down("500")).await;
    let before = f.read(other).await;
    let incident = f.incidents(claim.monitor.id).await[0].id;
    f.store.delete(claim.monitor.id).await.unwrap();
    assert!(matches!(f.store.monitor(claim.monitor.id).await, Err(Error::NotFound { .. })));
    assert!(matches!(f.store.incident(incident).await, Err(Error::NotFound { .. })));
    assert_eq!(f.records(claim.monitor.id).await, []);
    assert_eq!(f.store.gaps(claim.monitor.id, None, ALL).await.unwrap(), []);
    assert_eq!(f.store.incidents(IncidentFilter::all(), ALL).await.unwrap(), before.incidents);
    assert_eq!(f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap(), before.deliveries);
    assert_eq!(f.read(other).await, before);
    assert_eq!(f.put(probe("shop")).await.1, Change::Added, "its name is free");
}

pub async fn deleting_a_retired_monitor_leaves_the_new_one_of_its_name(f: Fixture) {
    let old = f.add("shop").await;
    f.store.set_state(old, State::Retired).await.unwrap();
    let new = f.add("shop").await;
    f.store.delete(old).await.unwrap();
    assert!(matches!(f.store.monitor(old).await, Err(Error::NotFound { .. })));
    assert_eq!(f.put(probe("shop")).await, (new, Change::Unchanged));
}

pub async fn what_is_not_there_is_not_found(f: Fixture) {
    let id = MonitorId::new();
    assert!(matches!(f.store.monitor(id).await, Err(Error::NotFound { .. })));
    assert!(matches!(f.store.delete(id).await, Err(Error::NotFound { .. })));
    for state in [State::Active, State::Paused, State::Retired] {
        assert!(matches!(f.store.set_state(id, state).await, Err(Error::NotFound { .. })));
    }
}
