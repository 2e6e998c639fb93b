//! Laws of what nobody needs to hear any more, of receipts, and of letters that are sent again.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::{
    fixture::{ALL, CHANNEL, Fixture, judge, probe},
    outbox::reminder,
};
use crate::{
    error::Error,
    id::{DeliveryId, SessionId},
    incident::Event,
    notification::{DEFAULT_EXPIRY, Delivery, DeliveryState, Fold, Receipt},
    outcome::Outcome,
    store::{
        claims::{Claim, Verdict},
        outbox::{DeliveryFilter, Settled, Settlement},
    },
};

/// A session whose only monitor has failed.
async fn failed(f: &Fixture) -> (SessionId, Claim) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    (session, claim)
}

async fn settle(f: &Fixture, session: SessionId, delivery: &Delivery, settled: Settled) {
    f.store.settle(session, &[Settlement::new(delivery, settled)]).await.unwrap();
}

/// Takes the one delivery that there is to take.
async fn take_one(f: &Fixture, session: SessionId) -> Delivery {
    let mut taken = f.take(session).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

/// What became of the deliveries of a claim's monitor, earliest first: event, state and what is said of it.
async fn fates(f: &Fixture, claim: &Claim) -> Vec<(Event, DeliveryState, Option<String>)> {
    let all = f.deliveries(claim.monitor.id).await.into_iter().rev();
    all.map(|delivery| (delivery.notification.event, delivery.state, delivery.last_error)).collect()
}

fn folded(event: Event, why: Fold) -> (Event, DeliveryState, Option<String>) {
    (event, DeliveryState::Folded, Some(why.reason().to_owned()))
}

fn dead() -> Settled {
    Settled::Dead { error: "410 gone".into() }
}

pub async fn an_opening_that_was_never_attempted_is_told_with_the_end_of_its_incident(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let claim = f.run_at_slot(session, &claim, Outcome::up("200")).await;
    let pending = (Event::Resolved, DeliveryState::Pending, None);
    assert_eq!(fates(&f, &claim).await, [folded(Event::Opened, Fold::Resolved), pending]);
    let taken = take_one(&f, session).await;
    assert_eq!(taken.notification.event, Event::Resolved);
    assert_eq!(taken.notification.opening.as_deref(), Some("500"), "it is to tell of the whole outage");
    settle(&f, session, &taken, Settled::Sent(None)).await;
    assert_eq!(f.take(session).await, []);
}

pub async fn what_was_attempted_is_not_folded(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let opened = take_one(&f, session).await;
    f.run_at_slot(session, &claim, Outcome::up("200")).await;
    let error = "503".to_owned();
    settle(&f, session, &opened, Settled::Retry { due_at: f.now().await, error }).await;
    let again = take_one(&f, session).await;
    assert_eq!((again.id(), again.attempts), (opened.id(), 2));
    settle(&f, session, &again, Settled::Sent(None)).await;
    let resolved = take_one(&f, session).await.notification;
    assert_eq!((resolved.event, resolved.opening), (Event::Resolved, None));
}

pub async fn a_reminder_is_superseded_by_the_next_and_the_opening_is_not(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let first = reminder(&f, session, &claim).await;
    let mut again = Claim { slot: f.store.monitor(claim.monitor.id).await.unwrap().slot, ..claim.clone() };
    again.health.target.as_mut().unwrap().sequence += 1;
    let second = reminder(&f, session, &again).await;
    assert_ne!(first.id(), second.id());
    let pending = |event| (event, DeliveryState::Pending, None);
    let expected = [pending(Event::Opened), folded(Event::Reminder, Fold::Superseded), pending(Event::Reminder)];
    assert_eq!(fates(&f, &claim).await, expected);
    let last = Claim { slot: f.store.monitor(claim.monitor.id).await.unwrap().slot, ..again };
    f.run_at_slot(session, &last, Outcome::up("200")).await;
    let told = [
        folded(Event::Opened, Fold::Resolved),
        folded(Event::Reminder, Fold::Superseded),
        folded(Event::Reminder, Fold::Resolved),
        pending(Event::Resolved),
    ];
    assert_eq!(fates(&f, &claim).await, told);
}

pub async fn folding_is_by_incident_and_channel(f: Fixture) {
    let session = f.join().await;
    let mut claims = Vec::new();
    for name in ["shop", "mill"] {
        f.put(probe(name).notify([CHANNEL, "dev"])).await;
        let claim = f.claim_one(session).await;
        claims.push(f.run(session, &claim, Outcome::down("500")).await);
    }
    let attempted = f.store.take(session, "dev", ALL).await.unwrap();
    f.run_at_slot(session, &claims[0], Outcome::up("200")).await;
    for delivery in f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap() {
        let notice = &delivery.notification;
        let is_told = notice.event == Event::Opened && notice.channel == CHANNEL && notice.monitor.name == "shop";
        assert_eq!(delivery.state == DeliveryState::Folded, is_told, "{delivery:?}");
    }
    assert_eq!(attempted.len(), 2);
}

pub async fn who_heard_nothing_of_an_incident_does_not_hear_of_its_end(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let opened = take_one(&f, session).await;
    settle(&f, session, &opened, dead()).await;
    f.run_at_slot(session, &claim, Outcome::up("200")).await;
    assert_eq!(f.take(session).await, []);
    let dead = (Event::Opened, DeliveryState::Dead, Some("410 gone".to_owned()));
    assert_eq!(fates(&f, &claim).await, [dead, folded(Event::Resolved, Fold::Unheard)]);
}

pub async fn who_heard_of_an_incident_hears_of_its_end_whatever_died_between(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let opened = take_one(&f, session).await;
    settle(&f, session, &opened, Settled::Sent(None)).await;
    reminder(&f, session, &claim).await;
    let reminded = take_one(&f, session).await;
    settle(&f, session, &reminded, dead()).await;
    let slot = f.store.monitor(claim.monitor.id).await.unwrap().slot;
    f.run_at_slot(session, &Claim { slot, ..claim }, Outcome::up("200")).await;
    let resolved = take_one(&f, session).await;
    assert_eq!((resolved.notification.event, resolved.notification.opening), (Event::Resolved, None));
}

pub async fn what_waits_behind_a_folded_end_is_taken_at_once(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let opened = take_one(&f, session).await;
    settle(&f, session, &opened, dead()).await;
    let claim = f.run_at_slot(session, &claim, Outcome::up("200")).await;
    f.run_at_slot(session, &claim, Outcome::down("502")).await;
    assert_eq!(take_one(&f, session).await.notification.incident.message, "502");
}

pub async fn the_first_receipt_of_an_incident_comes_with_its_later_notices(f: Fixture) {
    let (session, claim) = failed(&f).await;
    let receipt = |text: &str| Receipt::new(text);
    for (number, expected) in [(1, None), (2, receipt("message 1")), (3, receipt("message 1"))] {
        let taken = take_one(&f, session).await;
        assert_eq!(taken.notification.receipt, expected);
        settle(&f, session, &taken, Settled::Sent(receipt(&format!("message {number}")))).await;
        let stored = f.deliveries(claim.monitor.id).await.remove(0);
        assert_eq!((stored.receipt, stored.notification.receipt), (receipt(&format!("message {number}")), None));
        let slot = f.store.monitor(claim.monitor.id).await.unwrap().slot;
        let claim = Claim { slot, ..claim.clone() };
        match number {
            1 => drop(reminder(&f, session, &claim).await),
            2 => drop(f.run_at_slot(session, &claim, Outcome::up("200")).await),
            // Another incident has its own.
            _ => {
                let health = f.store.monitor(claim.monitor.id).await.unwrap().health;
                f.run_at_slot(session, &Claim { health, ..claim }, Outcome::down("500")).await;
                assert_eq!(take_one(&f, session).await.notification.receipt, None);
            }
        }
    }
}

pub async fn a_dead_letter_is_sent_again_under_its_id_with_a_new_expiry(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    completion.deliveries[0].expires_at = f.now().await + Duration::from_secs(5);
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let opened = take_one(&f, session).await;
    settle(&f, session, &opened, dead()).await;
    f.advance(Duration::from_secs(10)).await;
    let minute = Duration::from_secs(60);
    f.store.resend(opened.id(), minute).await.unwrap();
    let now = f.now().await;
    let again = take_one(&f, session).await;
    assert_eq!((again.id(), again.attempts, again.due_at), (opened.id(), 2, now));
    assert_eq!((again.state, again.expires_at), (DeliveryState::Pending, now + minute));
    settle(&f, session, &opened, Settled::Sent(None)).await;
    assert_eq!(fates(&f, &claim).await[0].1, DeliveryState::Pending, "the first attempt is over");
    settle(&f, session, &again, Settled::Sent(None)).await;
    assert_eq!(fates(&f, &claim).await[0].1, DeliveryState::Sent);
}

pub async fn only_a_dead_letter_is_sent_again(f: Fixture) {
    let (session, _) = failed(&f).await;
    let opened = take_one(&f, session).await;
    let resend = async |id| f.store.resend(id, DEFAULT_EXPIRY).await;
    assert!(matches!(resend(opened.id()).await, Err(Error::NotFound { .. })));
    settle(&f, session, &opened, Settled::Sent(None)).await;
    assert!(matches!(resend(opened.id()).await, Err(Error::NotFound { .. })));
    let unknown = DeliveryId::derive(opened.incident(), "opened", 9, "nobody");
    assert!(matches!(resend(unknown).await, Err(Error::NotFound { .. })));
    assert_eq!(f.take(session).await, []);
}
