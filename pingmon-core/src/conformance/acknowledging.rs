//! Laws of incidents that somebody sees to, and of those that are escalated because nobody does.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::{
    fixture::{CHANNEL, EVERY, Fixture, LEASE, judge, probe},
    outbox::reminder,
};
use crate::{
    error::Error,
    id::{DeliveryId, IncidentId, SessionId},
    incident::{Event, advance},
    notification::{Delivery, DeliveryState, Fold, Step},
    outcome::{Outcome, Status},
    policy::Policy,
    store::{
        claims::{Claim, Verdict},
        outbox::{Settled, Settlement},
    },
    time::Span,
};

/// Whom incidents are escalated to.
const ONCALL: &str = "oncall";
const BOSS: &str = "boss";

/// A session whose only monitor has failed: it tells one channel, a second after 12 s, a third after a minute.
async fn failed(f: &Fixture) -> (SessionId, Claim) {
    let steps = [(12, ONCALL), (60, BOSS)].map(|(after, channel)| Step::new(Duration::from_secs(after), [channel]));
    let shop = probe("shop").escalation(steps);
    let policy = Policy { remind_every: Some(Span(EVERY * 6)), ..shop.policy.clone() };
    f.put(shop.policy(policy)).await;
    let session = f.join().await;
    let claim = f.claim_one(session).await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    (session, claim)
}

/// The incident of a claim.
fn incident(claim: &Claim) -> IncidentId {
    claim.health.target.unwrap().id
}

async fn take(f: &Fixture, session: SessionId, channel: &str) -> Vec<Delivery> {
    f.store.take(session, channel, 10).await.unwrap()
}

async fn send(f: &Fixture, session: SessionId, delivery: &Delivery) {
    f.store.settle(session, &[Settlement::new(delivery, Settled::Sent(None))]).await.unwrap();
}

/// What became of the deliveries of a claim's monitor, earliest first: channel, event, state and why it was folded.
async fn fates(f: &Fixture, claim: &Claim) -> Vec<(String, Event, DeliveryState, Option<String>)> {
    let all = f.deliveries(claim.monitor.id).await.into_iter().rev();
    all.map(|row| (row.notification.channel, row.notification.event, row.state, row.last_error)).collect()
}

fn pending(channel: &str, event: Event) -> (String, Event, DeliveryState, Option<String>) {
    (channel.to_owned(), event, DeliveryState::Pending, None)
}

fn folded(channel: &str, event: Event, why: Fold) -> (String, Event, DeliveryState, Option<String>) {
    (channel.to_owned(), event, DeliveryState::Folded, Some(why.reason().to_owned()))
}

pub async fn acknowledging_says_who_sees_to_an_incident_and_when(f: Fixture) {
    let (_, claim) = failed(&f).await;
    f.advance(Duration::from_secs(1)).await;
    let acknowledged = f.store.acknowledge(incident(&claim), " anna ").await.unwrap();
    assert_eq!(acknowledged.acknowledged_at, Some(f.now().await));
    assert_eq!((acknowledged.acknowledged_by.as_deref(), acknowledged.closed_at), (Some("anna"), None));
    assert_eq!(f.store.incident(acknowledged.id).await.unwrap(), acknowledged);
    assert_eq!(f.incidents(claim.monitor.id).await, [acknowledged]);
}

pub async fn acknowledging_ends_reminders_and_escalation_in_one_go_and_leaves_the_rest(f: Fixture) {
    let (session, claim) = failed(&f).await;
    reminder(&f, session, &claim).await;
    f.store.acknowledge(incident(&claim), "anna").await.unwrap();
    let why = Fold::Acknowledged;
    let expected = [
        pending(CHANNEL, Event::Opened),
        folded(CHANNEL, Event::Reminder, why),
        folded(ONCALL, Event::Escalated, why),
        folded(BOSS, Event::Escalated, why),
    ];
    assert_eq!(fates(&f, &claim).await, expected);
    let overview = f.store.monitor(claim.monitor.id).await.unwrap();
    let at = f.now().await + Duration::from_secs(86_400);
    let judged = crate::incident::Judged { monitor: claim.monitor.id, slot: at, status: Status::Down, at };
    let (_, transitions) = advance(&overview.health, judged, &overview.monitor.definition.policy);
    assert_eq!(transitions, [], "nobody is reminded any more");
}

pub async fn a_run_that_knows_nothing_of_it_is_refused(f: Fixture) {
    let (session, claim) = failed(&f).await;
    f.advance(EVERY).await;
    f.renew(session).await.unwrap();
    let late = judge(&claim, Outcome::up("200"), f.now().await);
    f.store.acknowledge(incident(&claim), "anna").await.unwrap();
    assert_eq!(f.complete(session, &late).await, Verdict::Lost);
    let again = f.claim_one(session).await;
    assert_eq!(again.slot, claim.slot, "the same slot is run again");
    assert!(again.monitor.revision > claim.monitor.revision && again.health.target.unwrap().acknowledged);
    assert_eq!(again.monitor.definition, claim.monitor.definition);
    f.run(session, &again, Outcome::up("200")).await;
    let closed = f.incidents(claim.monitor.id).await.remove(0);
    assert_eq!((closed.closed_at, closed.acknowledged_by.as_deref()), (Some(f.now().await), Some("anna")));
}

pub async fn the_first_who_acknowledges_stays(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let first = f.store.acknowledge(incident(&claim), "anna").await.unwrap();
    let held = f.claim_one(session).await;
    f.advance(Duration::from_secs(1)).await;
    assert_eq!(f.store.acknowledge(incident(&claim), "berta").await.unwrap(), first);
    assert_eq!(f.store.owned(session).await.unwrap(), [held.monitor.id], "nothing changes");
}

pub async fn only_an_open_incident_can_be_acknowledged(f: Fixture) {
    let (session, claim) = failed(&f).await;
    for (id, by) in [(incident(&claim), " "), (incident(&claim), "a\nb")] {
        assert!(matches!(f.store.acknowledge(id, by).await, Err(Error::Config { .. })), "{by:?}");
    }
    let unknown = IncidentId::derive(claim.monitor.id, "target", f.now().await + LEASE);
    assert!(matches!(f.store.acknowledge(unknown, "anna").await, Err(Error::NotFound { .. })));
    f.run_at_slot(session, &claim, Outcome::up("200")).await;
    let before = f.read(claim.monitor.id).await;
    assert!(matches!(f.store.acknowledge(incident(&claim), "anna").await, Err(Error::NotFound { .. })));
    assert_eq!(f.read(claim.monitor.id).await, before);
}

pub async fn an_escalation_waits_for_its_time_and_holds_up_nothing(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let opened = take(&f, session, CHANNEL).await;
    send(&f, session, &opened[0]).await;
    let due_at = f.now().await + Duration::from_secs(12);
    f.advance(Duration::from_millis(11_999)).await;
    f.renew(session).await.unwrap();
    assert_eq!(take(&f, session, ONCALL).await, []);
    f.advance(Duration::from_millis(1)).await;
    let escalated = take(&f, session, ONCALL).await.remove(0);
    assert_eq!((escalated.notification.event, escalated.notification.at), (Event::Escalated, due_at));
    assert_eq!(take(&f, session, BOSS).await, []);
    send(&f, session, &escalated).await;
    f.run(session, &claim, Outcome::up("200")).await;
    for channel in [CHANNEL, ONCALL] {
        assert_eq!(take(&f, session, channel).await[0].notification.event, Event::Resolved, "{channel}");
    }
}

pub async fn an_escalation_supersedes_another_of_the_same_instant(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let escalated = f.deliveries(claim.monitor.id).await.into_iter();
    let mut again = escalated.rev().find(|delivery| delivery.notification.channel == ONCALL).unwrap();
    let mut later = again.clone();
    (again.sequence, again.notification.id) = (200, DeliveryId::derive(again.incident(), "escalated", 200, ONCALL));
    later.notification.at = later.notification.at + Duration::from_secs(1);
    (later.sequence, later.notification.id) = (1, DeliveryId::derive(again.incident(), "escalated", 201, ONCALL));
    f.advance(EVERY).await;
    f.renew(session).await.unwrap();
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    completion.deliveries = vec![again, later];
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let expected = [
        pending(CHANNEL, Event::Opened),
        folded(ONCALL, Event::Escalated, Fold::Superseded),
        pending(ONCALL, Event::Escalated),
        pending(ONCALL, Event::Escalated),
        pending(BOSS, Event::Escalated),
    ];
    assert_eq!(fates(&f, &claim).await, expected);
}

pub async fn an_escalation_that_is_held_back_counts_no_attempt_and_ends_with_its_incident(f: Fixture) {
    let (session, claim) = failed(&f).await;
    f.advance(Duration::from_secs(12)).await;
    f.renew(session).await.unwrap();
    let escalated = take(&f, session, ONCALL).await.remove(0);
    let due_at = f.now().await + Duration::from_secs(5);
    let held = [Settlement::new(&escalated, Settled::Held { due_at })];
    for _ in 0..2 {
        f.store.settle(session, &held).await.unwrap();
        let row = f.deliveries(claim.monitor.id).await.into_iter().find(|row| row.id() == escalated.id()).unwrap();
        assert_eq!((row.state, row.attempts, row.due_at), (DeliveryState::Pending, 0, due_at));
        assert_eq!(row.expires_at.since(row.due_at), escalated.expires_at.since(escalated.due_at));
    }
    assert_eq!(take(&f, session, ONCALL).await, []);
    f.advance(Duration::from_secs(5)).await;
    let again = take(&f, session, ONCALL).await.remove(0);
    assert_eq!((again.id(), again.attempts), (escalated.id(), 1));
    f.store.settle(session, &[Settlement::new(&again, Settled::Held { due_at: due_at + EVERY })]).await.unwrap();
    f.run(session, &claim, Outcome::up("200")).await;
    let fates = fates(&f, &claim).await;
    assert!(fates.contains(&folded(ONCALL, Event::Escalated, Fold::Over)), "{fates:?}");
}

pub async fn the_end_of_an_incident_ends_its_escalation_and_is_told_to_those_who_heard_of_it(f: Fixture) {
    let (session, claim) = failed(&f).await;
    f.run_at_slot(session, &claim, Outcome::up("200")).await;
    assert_eq!(take(&f, session, CHANNEL).await[0].notification.event, Event::Resolved);
    for channel in [ONCALL, BOSS] {
        f.advance(Duration::from_secs(1)).await;
        assert_eq!(take(&f, session, channel).await, [], "{channel}");
        let fates = fates(&f, &claim).await;
        assert!(fates.contains(&folded(channel, Event::Escalated, Fold::Over)), "{fates:?}");
        assert!(fates.contains(&folded(channel, Event::Resolved, Fold::Unheard)), "{fates:?}");
    }
}
