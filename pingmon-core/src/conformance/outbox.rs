//! Laws of the outbox: order, one taker at a time, and what death, delay and refusal do to a delivery.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::{ALL, CHANNEL, EVERY, Fixture, LEASE, judge, probe};
use crate::{
    error::Error,
    id::{DeliveryId, SessionId},
    incident::{Event, Transition},
    monitor::{Definition, State},
    notification::{DEFAULT_EXPIRY, Delivery, DeliveryState, Subject, announce},
    outcome::Outcome,
    store::{
        claims::{Claim, Verdict},
        outbox::{DeliveryFilter, Settled, Settlement},
    },
    time::Timestamp,
};

const SECOND: Duration = Duration::from_secs(1);

/// A session with one monitor each name, all failed one second apart: one "opened" each on every channel.
async fn failed(f: &Fixture, definitions: impl IntoIterator<Item = Definition>) -> (SessionId, Vec<Claim>) {
    let session = f.join().await;
    let mut claims = Vec::new();
    for definition in definitions {
        f.put(definition).await;
        let claim = f.claim_one(session).await;
        claims.push(f.run(session, &claim, Outcome::down("500")).await);
        f.advance(SECOND).await;
    }
    (session, claims)
}

fn told(deliveries: &[Delivery]) -> Vec<(&str, Event, u32)> {
    let names = deliveries.iter().map(|delivery| delivery.notification.monitor.name.as_str());
    let events = deliveries.iter().map(|delivery| (delivery.notification.event, delivery.attempts));
    names.zip(events).map(|(name, (event, attempts))| (name, event, attempts)).collect()
}

async fn settle(f: &Fixture, session: SessionId, delivery: &Delivery, settled: Settled) {
    f.store.settle(session, &[Settlement::new(delivery, settled)]).await.unwrap();
}

async fn stored(f: &Fixture, id: DeliveryId) -> Delivery {
    let all = f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
    all.into_iter().find(|delivery| delivery.id() == id).unwrap()
}

fn retry(due_at: Timestamp) -> Settled {
    Settled::Retry { due_at, error: "503".into() }
}

pub async fn taking_counts_the_attempt_and_changes_nothing_else(f: Fixture) {
    let (session, claims) = failed(&f, [probe("shop")]).await;
    let written = f.deliveries(claims[0].monitor.id).await.remove(0);
    assert_eq!((written.state, written.attempts), (DeliveryState::Pending, 0));
    let taken = f.take(session).await;
    assert_eq!(taken, [Delivery { attempts: 1, ..written }]);
    assert_eq!(stored(&f, taken[0].id()).await, taken[0]);
}

pub async fn deliveries_are_taken_in_the_order_of_their_notices_up_to_the_limit(f: Fixture) {
    // Names against the order in time, so that only time can make it.
    let (session, _) = failed(&f, ["d", "c", "b", "a"].map(probe)).await;
    assert_eq!(f.store.take(session, CHANNEL, 0).await.unwrap(), []);
    let first = f.store.take(session, CHANNEL, 3).await.unwrap();
    assert_eq!(told(&first), [("d", Event::Opened, 1), ("c", Event::Opened, 1), ("b", Event::Opened, 1)]);
    assert_eq!(told(&f.take(session).await), [("a", Event::Opened, 1)]);
}

pub async fn a_delivery_is_taken_by_one_session_at_a_time(f: Fixture) {
    let (session, _) = failed(&f, [probe("shop")]).await;
    let other = f.join().await;
    assert_eq!(f.take(session).await.len(), 1);
    assert_eq!(f.take(session).await, []);
    assert_eq!(f.take(other).await, []);
}

pub async fn a_channel_gets_only_its_own_deliveries(f: Fixture) {
    let (session, _) = failed(&f, [probe("a").notify(["dev"]), probe("b")]).await;
    assert_eq!(f.store.take(session, "nobody", ALL).await.unwrap(), []);
    assert_eq!(told(&f.take(session).await), [("b", Event::Opened, 1)]);
    assert_eq!(told(&f.store.take(session, "dev", ALL).await.unwrap()), [("a", Event::Opened, 1)]);
}

pub async fn a_later_notice_waits_while_an_earlier_one_of_its_channel_and_monitor_is_pending(f: Fixture) {
    let (session, claims) = failed(&f, [probe("shop")]).await;
    let opened = f.take(session).await;
    assert_eq!(told(&opened), [("shop", Event::Opened, 1)]);
    f.run_at_slot(session, &claims[0], Outcome::up("200")).await;
    assert_eq!(f.take(session).await, [], "the earlier one is being sent");
    settle(&f, session, &opened[0], retry(f.now().await + SECOND)).await;
    assert_eq!(f.take(session).await, [], "the earlier one waits for its retry");
    f.advance(SECOND).await;
    let opened = f.take(session).await;
    assert_eq!(told(&opened), [("shop", Event::Opened, 2)]);
    settle(&f, session, &opened[0], Settled::Sent(None)).await;
    assert_eq!(told(&f.take(session).await), [("shop", Event::Resolved, 1)]);
}

pub async fn a_dead_letter_makes_way_for_the_next(f: Fixture) {
    let (session, claims) = failed(&f, [probe("shop")]).await;
    let opened = f.take(session).await.remove(0);
    let worse = reminder(&f, session, &claims[0]).await;
    settle(&f, session, &opened, Settled::Dead { error: "410 gone".into() }).await;
    let dead = stored(&f, opened.id()).await;
    assert_eq!((dead.state, dead.last_error.as_deref(), dead.attempts), (DeliveryState::Dead, Some("410 gone"), 1));
    assert_eq!(f.take(session).await, [Delivery { attempts: 1, ..worse }]);
    f.advance(EVERY).await;
    f.renew(session).await.unwrap();
    assert_eq!(f.take(session).await, []);
}

pub async fn a_broken_channel_delays_no_other_and_a_stuck_monitor_no_other(f: Fixture) {
    let (session, claims) = failed(&f, [probe("a").notify([CHANNEL, "dev"]), probe("b")]).await;
    let stuck = f.take(session).await;
    assert_eq!(told(&stuck), [("a", Event::Opened, 1), ("b", Event::Opened, 1)]);
    for event in [Event::Opened, Event::Resolved] {
        let sent = f.store.take(session, "dev", ALL).await.unwrap();
        assert_eq!(told(&sent), [("a", event, 1)]);
        settle(&f, session, &sent[0], Settled::Sent(None)).await;
        if event == Event::Opened {
            f.run_at_slot(session, &claims[0], Outcome::up("200")).await;
        }
    }
    settle(&f, session, &stuck[1], Settled::Sent(None)).await;
    f.run_at_slot(session, &claims[1], Outcome::up("200")).await;
    assert_eq!(told(&f.take(session).await), [("b", Event::Resolved, 1)]);
}

pub async fn a_held_notice_is_not_taken_before_it_is_due(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    let due_at = f.now().await + SECOND * 5;
    completion.deliveries[0].due_at = due_at;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    f.advance(SECOND * 5 - Duration::from_micros(1)).await;
    assert_eq!(f.take(session).await, []);
    f.advance(Duration::from_micros(1)).await;
    assert_eq!(f.take(session).await.len(), 1);
}

pub async fn a_retry_waits_until_it_is_due_and_keeps_the_error(f: Fixture) {
    let (session, _) = failed(&f, [probe("shop")]).await;
    let taken = f.take(session).await.remove(0);
    let due_at = f.now().await + SECOND * 3;
    settle(&f, session, &taken, retry(due_at)).await;
    let waiting = stored(&f, taken.id()).await;
    assert_eq!((waiting.state, waiting.due_at, waiting.attempts), (DeliveryState::Pending, due_at, 1));
    assert_eq!(waiting.last_error.as_deref(), Some("503"));
    assert_eq!(f.take(session).await, []);
    f.advance(SECOND * 3).await;
    assert_eq!(f.take(session).await, [Delivery { attempts: 2, ..waiting }]);
}

pub async fn what_is_put_back_can_be_taken_again_with_its_attempts_counted(f: Fixture) {
    let (session, _) = failed(&f, [probe("a").notify([CHANNEL, "dev"]), probe("b")]).await;
    let other = f.join().await;
    let of_a = f.store.take(session, CHANNEL, 1).await.unwrap().remove(0);
    let of_b = f.store.take(other, CHANNEL, 1).await.unwrap().remove(0);
    assert_eq!(f.store.take(session, "dev", ALL).await.unwrap().len(), 1);
    f.store.put_back(session, CHANNEL).await.unwrap();
    assert_eq!(stored(&f, of_a.id()).await, of_a);
    settle(&f, session, &of_a, Settled::Sent(None)).await;
    assert_eq!(stored(&f, of_a.id()).await, of_a, "that attempt is over");
    assert_eq!(f.store.take(other, "dev", ALL).await.unwrap(), [], "another channel's stays taken");
    assert_eq!(f.take(other).await, [Delivery { attempts: 2, ..of_a }], "another session's stays taken");
    settle(&f, other, &of_b, Settled::Sent(None)).await;
    assert_eq!(stored(&f, of_b.id()).await.state, DeliveryState::Sent);
    f.store.put_back(SessionId::new(), CHANNEL).await.unwrap();
}

pub async fn the_deliveries_of_a_dead_session_are_free_with_the_same_id_and_their_attempts(f: Fixture) {
    let (dead, _) = failed(&f, [probe("shop")]).await;
    let taken = f.take(dead).await.remove(0);
    let heir = f.join().await;
    f.advance(LEASE - SECOND).await;
    assert!(matches!(f.store.take(dead, CHANNEL, ALL).await, Err(Error::SessionEnded)));
    f.renew(heir).await.unwrap();
    assert_eq!(f.take(heir).await, [Delivery { attempts: 2, ..taken }]);
}

pub async fn a_late_settlement_changes_nothing(f: Fixture) {
    let (session, _) = failed(&f, [probe("shop")]).await;
    let other = f.join().await;
    let first = f.take(session).await.remove(0);
    settle(&f, other, &first, Settled::Sent(None)).await;
    assert_eq!(stored(&f, first.id()).await, first, "another session hasn't taken it");
    settle(&f, session, &first, retry(f.now().await)).await;
    let waiting = stored(&f, first.id()).await;
    settle(&f, session, &first, Settled::Sent(None)).await;
    assert_eq!(stored(&f, first.id()).await, waiting, "it isn't taken any more");
    let second = f.take(session).await.remove(0);
    settle(&f, session, &first, Settled::Sent(None)).await;
    assert_eq!(stored(&f, first.id()).await, second, "that attempt is over");
    settle(&f, session, &second, Settled::Sent(None)).await;
    settle(&f, session, &second, Settled::Dead { error: "late".into() }).await;
    let sent = stored(&f, first.id()).await;
    assert_eq!((sent.state, sent.attempts), (DeliveryState::Sent, 2));
    assert_eq!(f.take(session).await, []);
}

pub async fn a_settlement_of_an_ended_session_changes_nothing(f: Fixture) {
    let (dead, _) = failed(&f, [probe("shop")]).await;
    let taken = f.take(dead).await.remove(0);
    f.advance(LEASE).await;
    let sent = [Settlement::new(&taken, Settled::Sent(None))];
    assert!(matches!(f.store.settle(dead, &sent).await, Err(Error::SessionEnded)));
    assert_eq!(stored(&f, taken.id()).await.state, DeliveryState::Pending);
}

pub async fn settlements_of_one_batch_are_judged_one_by_one(f: Fixture) {
    let (session, _) = failed(&f, ["a", "b", "c"].map(probe)).await;
    let taken = f.take(session).await;
    let gone = Delivery { attempts: 7, ..taken[1].clone() };
    let batch = [
        Settlement::new(&taken[0], Settled::Sent(None)),
        Settlement::new(&gone, Settled::Sent(None)),
        Settlement::new(&taken[2], Settled::Dead { error: "410".into() }),
    ];
    f.store.settle(session, &batch).await.unwrap();
    let mut states = Vec::new();
    for delivery in &taken {
        states.push(stored(&f, delivery.id()).await.state);
    }
    assert_eq!(states, [DeliveryState::Sent, DeliveryState::Pending, DeliveryState::Dead]);
}

pub async fn expired_deliveries_become_dead_letters_that_say_so(f: Fixture) {
    failed(&f, ["a", "b", "c"].map(probe)).await;
    assert_eq!(f.store.expire(ALL).await.unwrap(), 0);
    f.advance(DEFAULT_EXPIRY - SECOND).await;
    assert_eq!(f.store.expire(1).await.unwrap(), 1);
    f.advance(SECOND * 2).await;
    assert_eq!(f.store.expire(ALL).await.unwrap(), 2);
    assert_eq!(f.store.expire(ALL).await.unwrap(), 0);
    for delivery in f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap() {
        assert_eq!(delivery.state, DeliveryState::Dead);
        assert!(delivery.last_error.unwrap().contains("expired"));
    }
    let session = f.join().await;
    assert_eq!(f.take(session).await, []);
}

pub async fn a_delivery_being_sent_does_not_expire(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    completion.deliveries[0].expires_at = f.now().await + SECOND;
    f.complete(session, &completion).await;
    let taken = f.take(session).await.remove(0);
    f.advance(SECOND * 2).await;
    assert_eq!(f.store.expire(ALL).await.unwrap(), 0);
    settle(&f, session, &taken, retry(f.now().await)).await;
    assert_eq!(f.store.expire(ALL).await.unwrap(), 1);
}

pub async fn a_delivery_of_a_retired_monitor_is_still_sent(f: Fixture) {
    let (session, claims) = failed(&f, [probe("shop")]).await;
    f.store.set_state(claims[0].monitor.id, State::Retired).await.unwrap();
    assert_eq!(told(&f.take(session).await), [("shop", Event::Resolved, 1)]);
}

pub async fn deliveries_are_listed_latest_notice_first_and_filtered(f: Fixture) {
    let (session, claims) = failed(&f, ["a", "b", "c"].map(probe)).await;
    f.run_at_slot(session, &claims[1], Outcome::up("200")).await;
    let all = f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
    let expected =
        [("b", Event::Resolved, 0), ("c", Event::Opened, 0), ("b", Event::Opened, 0), ("a", Event::Opened, 0)];
    assert_eq!(told(&all), expected);
    assert_eq!(f.store.deliveries(DeliveryFilter::all(), 2).await.unwrap(), all[..2]);
    let of_b = DeliveryFilter::all().of(claims[1].monitor.id);
    assert_eq!(told(&f.store.deliveries(of_b, ALL).await.unwrap()), [expected[0], expected[2]]);
    let taken = f.store.take(session, CHANNEL, 1).await.unwrap();
    settle(&f, session, &taken[0], Settled::Sent(None)).await;
    let in_state = async |state| f.store.deliveries(DeliveryFilter::all().state(state), ALL).await.unwrap();
    assert_eq!(told(&in_state(DeliveryState::Sent).await), [("a", Event::Opened, 1)]);
    assert_eq!(in_state(DeliveryState::Pending).await, all[..2]);
    assert_eq!(in_state(DeliveryState::Folded).await, all[2..3]);
    assert_eq!(f.store.deliveries(of_b.state(DeliveryState::Dead), ALL).await.unwrap(), []);
}

pub async fn notices_of_one_instant_are_ordered_by_their_sequence(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut completion = judge(&claim, Outcome::down("500"), f.now().await);
    let first = completion.deliveries[0].clone();
    // Against their order, and so many that ids in that order by chance are no worry.
    completion.deliveries = (1..=7).rev().map(|sequence| numbered(&first, sequence)).collect();
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let listed = f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
    assert_eq!(listed, completion.deliveries);
    for delivery in listed.iter().rev() {
        let taken = f.take(session).await;
        assert_eq!(taken.iter().map(Delivery::id).collect::<Vec<_>>(), [delivery.id()]);
        settle(&f, session, &taken[0], Settled::Sent(None)).await;
    }
}

/// What becomes of a claim's incident being announced again.
pub(super) async fn reminder(f: &Fixture, session: SessionId, claim: &Claim) -> Delivery {
    f.advance(claim.slot.since(f.now().await)).await;
    f.renew(session).await.unwrap();
    let now = f.now().await;
    let mut completion = judge(claim, Outcome::down("500"), now);
    let (about, mut incident) = claim.health.open().map(|(about, open)| (about, *open)).next().unwrap();
    (incident.sequence, incident.announced_at) = (incident.sequence + 1, now);
    let transition =
        Transition { event: Event::Reminder, about, incident, closed: None, at: now, hold: Duration::ZERO };
    completion.transitions = vec![transition];
    let (subject, channels) = (Subject::of(&claim.monitor), &claim.monitor.definition.notify);
    completion.deliveries = announce(&subject, channels, &completion.transitions, None, DEFAULT_EXPIRY);
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    completion.deliveries.remove(0)
}

fn numbered(delivery: &Delivery, sequence: u32) -> Delivery {
    let mut numbered = Delivery { sequence, ..delivery.clone() };
    numbered.notification.id = DeliveryId::derive(delivery.incident(), "reminder", sequence, CHANNEL);
    numbered
}
