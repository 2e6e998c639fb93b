//! Laws of deliveries that are due later than their notice: what waits for a better hour holds up nothing that doesn't.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::{
    fixture::{ALL, CHANNEL, EVERY, Fixture, judge, next, probe},
    outbox::reminder,
};
use crate::{
    id::SessionId,
    incident::Event,
    monitor::State,
    notification::{DEFAULT_EXPIRY, Delivery, DeliveryState, Step},
    outcome::Outcome,
    store::{
        claims::{Claim, Verdict},
        outbox::{Settled, Settlement},
    },
    time::Timestamp,
};

/// When what waits is due, unless something brings it forward.
const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

/// Runs a claim's monitor now; what that has announced is due so much later.
async fn run_later(f: &Fixture, session: SessionId, claim: &Claim, outcome: Outcome, later: Duration) -> Claim {
    let mut completion = judge(claim, outcome, f.now().await);
    for delivery in &mut completion.deliveries {
        delivery.due_at = delivery.due_at + later;
        delivery.expires_at = delivery.expires_at + later;
    }
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    next(claim, &completion)
}

/// As [`run_later`], when the claim's slot has come.
async fn slot_later(f: &Fixture, session: SessionId, claim: &Claim, outcome: Outcome, later: Duration) -> Claim {
    f.advance(claim.slot.since(f.now().await)).await;
    f.renew(session).await.unwrap();
    run_later(f, session, claim, outcome, later).await
}

/// What waits of the deliveries of a claim's monitor, earliest first: event, and when it is due.
async fn waiting(f: &Fixture, claim: &Claim) -> Vec<(Event, Timestamp)> {
    let all = f.deliveries(claim.monitor.id).await.into_iter().rev();
    let pending = all.filter(|delivery| delivery.state == DeliveryState::Pending);
    pending.map(|delivery| (delivery.notification.event, delivery.due_at)).collect()
}

async fn send_all(f: &Fixture, session: SessionId) -> Vec<Delivery> {
    let taken = f.take(session).await;
    let sent: Vec<_> = taken.iter().map(|delivery| Settlement::new(delivery, Settled::Sent(None))).collect();
    f.store.settle(session, &sent).await.unwrap();
    taken
}

pub async fn what_waits_is_brought_forward_by_what_follows_it_sooner(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    assert_eq!(send_all(&f, session).await.len(), 1);
    let claim = slot_later(&f, session, &claim, Outcome::up("200"), HOUR).await;
    assert_eq!(f.take(session).await, [], "it waits");
    let ended_at = f.now().await;
    assert_eq!(waiting(&f, &claim).await, [(Event::Resolved, ended_at + HOUR)]);
    // Another incident: the channel is to hear of it now, and so it hears of the end of the first one too.
    let claim = f.run_at_slot(session, &claim, Outcome::down("502")).await;
    let now = f.now().await;
    assert_eq!(waiting(&f, &claim).await, [(Event::Resolved, now), (Event::Opened, now)]);
    let events = [send_all(&f, session).await, send_all(&f, session).await].concat();
    let events: Vec<_> = events.iter().map(|delivery| delivery.notification.event).collect();
    assert_eq!(events, [Event::Resolved, Event::Opened]);
}

pub async fn what_follows_later_brings_nothing_forward(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = run_later(&f, session, &claim, Outcome::down("500"), HOUR).await;
    let due_at = f.now().await + HOUR;
    let other = f.add("mill").await;
    let mill = f.claim_one(session).await;
    f.run(session, &mill, Outcome::down("500")).await;
    assert_eq!(waiting(&f, &claim).await, [(Event::Opened, due_at)], "another monitor is another matter");
    assert_eq!(send_all(&f, session).await[0].notification.monitor.id, other);
    f.advance(EVERY).await;
    f.renew(session).await.unwrap();
    let reminded = reminder(&f, session, &claim).await;
    assert!(reminded.due_at < due_at);
    assert_eq!(waiting(&f, &claim).await[0], (Event::Opened, due_at), "a reminder isn't news");
    let slot = f.store.monitor(claim.monitor.id).await.unwrap().slot;
    let claim = slot_later(&f, session, &Claim { slot, ..claim }, Outcome::up("200"), HOUR * 2).await;
    assert_eq!(waiting(&f, &claim).await, [(Event::Resolved, f.now().await + HOUR * 2)], "it tells of all of it");
}

pub async fn what_waits_on_another_channel_is_left_in_peace(f: Fixture) {
    f.put(probe("shop").notify([CHANNEL, "dev"])).await;
    let session = f.join().await;
    let claim = f.claim_one(session).await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    for channel in [CHANNEL, "dev"] {
        let opened = f.store.take(session, channel, ALL).await.unwrap();
        f.store.settle(session, &[Settlement::new(&opened[0], Settled::Sent(None))]).await.unwrap();
    }
    let claim = slot_later(&f, session, &claim, Outcome::up("200"), HOUR).await;
    f.advance(claim.slot.since(f.now().await)).await;
    f.renew(session).await.unwrap();
    let mut completion = judge(&claim, Outcome::down("502"), f.now().await);
    completion.deliveries.retain(|delivery| delivery.notification.channel == CHANNEL);
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    assert_eq!(f.take(session).await.len(), 1);
    assert_eq!(f.store.take(session, "dev", ALL).await.unwrap(), []);
}

pub async fn what_was_attempted_keeps_the_time_it_is_due_again(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    let opened = f.take(session).await.remove(0);
    let due_at = f.now().await + HOUR;
    let retry = Settled::Retry { due_at, error: "429".into() };
    f.store.settle(session, &[Settlement::new(&opened, retry)]).await.unwrap();
    let claim = f.run_at_slot(session, &claim, Outcome::up("200")).await;
    assert_eq!(waiting(&f, &claim).await, [(Event::Opened, due_at), (Event::Resolved, f.now().await)]);
}

pub async fn an_escalation_takes_along_what_waits_before_it_once_its_time_has_come(f: Fixture) {
    let step = Step::new(SECOND * 8, [CHANNEL]);
    f.put(probe("shop").escalation([step])).await;
    let session = f.join().await;
    let claim = f.claim_one(session).await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    let start = f.now().await;
    completion.deliveries[0].due_at = start + HOUR;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let due_at = start + SECOND * 8;
    assert_eq!(waiting(&f, &claim).await, [(Event::Opened, due_at), (Event::Escalated, due_at)]);
    assert_eq!(f.take(session).await, [], "and not before");
    f.advance(SECOND * 8).await;
    assert_eq!(send_all(&f, session).await[0].notification.event, Event::Opened);
    assert_eq!(send_all(&f, session).await[0].notification.event, Event::Escalated);
}

pub async fn the_end_of_a_paused_monitors_incident_is_told_wherever_it_was_announced(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    // Somebody whom the definition doesn't name is told, and at once.
    let mut routed = completion.deliveries[0].clone();
    routed.notification.channel = "pager".to_owned();
    routed.notification.id = crate::id::DeliveryId::derive(routed.incident(), "opened", 1, "pager");
    completion.deliveries[0].due_at = f.now().await + HOUR;
    completion.deliveries.push(routed);
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let opened = f.store.take(session, "pager", ALL).await.unwrap();
    f.store.settle(session, &[Settlement::new(&opened[0], Settled::Sent(None))]).await.unwrap();
    f.advance(SECOND).await;
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    let resolved = f.store.take(session, "pager", ALL).await.unwrap();
    assert_eq!((resolved.len(), resolved[0].notification.event), (1, Event::Resolved));
    let due_at = completion.deliveries[0].due_at;
    let waiting = waiting(&f, &claim).await;
    assert!(waiting.contains(&(Event::Resolved, due_at)), "no sooner than what it tells in one: {waiting:?}");
    let all = f.deliveries(claim.monitor.id).await;
    let expires: Vec<_> = all.iter().map(|delivery| delivery.expires_at.since(delivery.due_at)).collect();
    assert!(expires[..2].iter().all(|time| *time == DEFAULT_EXPIRY), "{expires:?}");
}
