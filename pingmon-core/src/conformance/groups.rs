//! Laws of deliveries that go as one message: who goes with whom, and that they share one fate.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::{ALL, CHANNEL, Fixture, LEASE, judge, next, probe};
use crate::{
    id::{DeliveryId, SessionId},
    incident::Event,
    notification::{DEFAULT_EXPIRY, Delivery, DeliveryState, Fold, Receipt},
    outcome::Outcome,
    store::{
        claims::{Claim, Completion, Verdict},
        outbox::{DeliveryFilter, MAX_GROUP, Settled, Settlement},
    },
};

const SECOND: Duration = Duration::from_secs(1);
/// How long a group waits.
const WAIT: Duration = Duration::from_secs(8);

/// A completion whose notices go with those of `group`, after a while.
fn grouped(mut completion: Completion, group: &str) -> Completion {
    for delivery in &mut completion.deliveries {
        delivery.due_at = delivery.due_at + WAIT;
        delivery.group = Some(group.to_owned());
    }
    completion
}

/// Runs a claim's monitor now; what it has announced goes with those of `group`.
async fn run(f: &Fixture, session: SessionId, claim: &Claim, outcome: Outcome, group: &str) -> Claim {
    let completion = grouped(judge(claim, outcome, f.now().await), group);
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    next(claim, &completion)
}

/// The same, when the claim's slot has come.
async fn run_at_slot(f: &Fixture, session: SessionId, claim: &Claim, outcome: Outcome, group: &str) -> Claim {
    pass(f, session, claim.slot.since(f.now().await)).await;
    run(f, session, claim, outcome, group).await
}

/// Lets time pass for a session that stays alive.
async fn pass(f: &Fixture, session: SessionId, by: Duration) {
    f.advance(by).await;
    f.renew(session).await.unwrap();
}

/// A session with one monitor each name, all failed one second apart: one "opened" each, of the group of that name.
async fn failed(f: &Fixture, groups: &[(&str, &str)]) -> (SessionId, Vec<Claim>) {
    let session = f.join().await;
    let mut claims = Vec::new();
    for (name, group) in groups {
        f.put(probe(name)).await;
        let claim = f.claim_one(session).await;
        claims.push(run(f, session, &claim, Outcome::down(*name), group).await);
        f.advance(SECOND).await;
    }
    f.renew(session).await.unwrap();
    (session, claims)
}

/// A group of three that is due, with what takes it.
async fn three(f: &Fixture) -> (SessionId, Vec<Claim>, Delivery) {
    let (session, claims) = failed(f, &[("a", "x"), ("b", "x"), ("c", "x")]).await;
    pass(f, session, WAIT).await;
    let taken = take_one(f, session).await;
    assert_eq!(told(&taken), ["a", "b", "c"]);
    (session, claims, taken)
}

async fn take_one(f: &Fixture, session: SessionId) -> Delivery {
    let mut taken = f.take(session).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

/// The monitors that a delivery tells of.
fn told(delivery: &Delivery) -> Vec<&str> {
    let also = delivery.notification.also.iter().map(|also| also.monitor.name.as_str());
    [delivery.notification.monitor.name.as_str()].into_iter().chain(also).collect()
}

async fn settle(f: &Fixture, session: SessionId, delivery: &Delivery, settled: Settled) {
    f.store.settle(session, &[Settlement::new(delivery, settled)]).await.unwrap();
}

/// All deliveries, earliest first.
async fn all(f: &Fixture) -> Vec<Delivery> {
    let mut all = f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
    all.reverse();
    all
}

/// How all deliveries stand, earliest first: state, attempts, and who leads them.
async fn stand(f: &Fixture) -> Vec<(DeliveryState, u32, Option<DeliveryId>)> {
    all(f).await.into_iter().map(|row| (row.state, row.attempts, row.leader)).collect()
}

fn dead() -> Settled {
    Settled::Dead { error: "410 gone".into() }
}

pub async fn the_first_of_a_group_takes_the_others_with_it_due_or_not(f: Fixture) {
    let (session, _) = failed(&f, &[("c", "x"), ("b", "x"), ("a", "x")]).await;
    pass(&f, session, WAIT - SECOND * 3 - Duration::from_micros(1)).await;
    assert_eq!(f.take(session).await, [], "nothing is due yet");
    f.advance(Duration::from_micros(1)).await;
    let taken = take_one(&f, session).await;
    assert_eq!(told(&taken), ["c", "b", "a"], "in the order of their notices");
    let (pending, leader) = (DeliveryState::Pending, Some(taken.id()));
    assert_eq!(stand(&f).await, [(pending, 1, None), (pending, 1, leader), (pending, 1, leader)]);
    let rows = all(&f).await;
    assert!(rows.iter().all(|row| (row.due_at, row.expires_at) == (taken.due_at, taken.expires_at)), "{rows:?}");
    assert!(rows.iter().all(|row| row.notification.also.is_empty() && row.group.as_deref() == Some("x")));
    pass(&f, session, SECOND * 5).await;
    assert_eq!(f.take(session).await, [], "they went with it");
}

pub async fn only_what_is_of_one_group_goes_together(f: Fixture) {
    let (session, _) = failed(&f, &[("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")]).await;
    f.put(probe("e")).await;
    let claim = f.claim_one(session).await;
    f.run(session, &claim, Outcome::down("500")).await;
    f.put(probe("f").notify(["dev"])).await;
    let claim = f.claim_one(session).await;
    run(&f, session, &claim, Outcome::down("500"), "x").await;
    pass(&f, session, WAIT).await;
    let taken = f.take(session).await;
    assert_eq!(taken.iter().map(told).collect::<Vec<_>>(), [vec!["a", "c"], vec!["b", "d"], vec!["e"]]);
    assert_eq!(f.store.take(session, "dev", ALL).await.unwrap().iter().map(told).collect::<Vec<_>>(), [["f"]]);
}

pub async fn a_message_has_its_limit_and_counts_as_one(f: Fixture) {
    let session = f.join().await;
    f.store.put((0..MAX_GROUP + 5).map(|n| probe(&format!("m{n:03}"))).collect()).await.unwrap();
    let (claims, now) = (f.claim(session, ALL).await, f.now().await);
    let runs: Vec<_> = claims.iter().map(|claim| grouped(judge(claim, Outcome::down("500"), now), "x")).collect();
    f.store.complete(session, &runs).await.unwrap();
    f.advance(SECOND).await;
    f.put(probe("alone")).await;
    let claim = f.claim_one(session).await;
    f.run(session, &claim, Outcome::down("500")).await;
    pass(&f, session, WAIT).await;
    let sizes = |taken: &[Delivery]| taken.iter().map(|delivery| told(delivery).len()).collect::<Vec<_>>();
    let first = f.store.take(session, CHANNEL, 1).await.unwrap();
    assert_eq!(sizes(&first), [MAX_GROUP]);
    assert_eq!(sizes(&f.store.take(session, CHANNEL, 2).await.unwrap()), [5, 1]);
    settle(&f, session, &first[0], Settled::Retry { due_at: f.now().await, error: "503".into() }).await;
    assert_eq!(sizes(&f.take(session).await), [MAX_GROUP]);
}

pub async fn what_has_not_happened_yet_goes_with_nothing(f: Fixture) {
    let (session, _) = failed(&f, &[("a", "x")]).await;
    f.put(probe("b")).await;
    let claim = f.claim_one(session).await;
    let mut completion = grouped(judge(&claim, Outcome::down("500"), f.now().await), "x");
    completion.deliveries[0].notification.at = f.now().await + WAIT;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    pass(&f, session, WAIT - SECOND).await;
    assert_eq!(told(&take_one(&f, session).await), ["a"]);
    pass(&f, session, SECOND).await;
    assert_eq!(told(&take_one(&f, session).await), ["b"], "it is due, and goes by itself");
}

pub async fn what_waits_behind_another_notice_goes_along_only_with_that(f: Fixture) {
    let (session, claims) = failed(&f, &[("a", "x"), ("b", "y")]).await;
    pass(&f, session, WAIT).await;
    let taken = f.take(session).await;
    assert_eq!(taken.iter().map(told).collect::<Vec<_>>(), [["a"], ["b"]]);
    settle(&f, session, &taken[0], Settled::Sent(None)).await;
    // Both recover; what opened b is still on its way. Then a fails and recovers once more.
    let a = run_at_slot(&f, session, &claims[0], Outcome::up("200"), "all").await;
    run_at_slot(&f, session, &claims[1], Outcome::up("200"), "all").await;
    let a = run_at_slot(&f, session, &a, Outcome::down("again"), "all").await;
    run_at_slot(&f, session, &a, Outcome::up("200"), "all").await;
    let taken = take_one(&f, session).await;
    assert_eq!(told(&taken), ["a", "a"], "its second outage is told in one, with the end of the first");
    assert_eq!(taken.notification.also[0].opening.as_deref(), Some("again"));
}

pub async fn what_was_folded_leaves_its_group(f: Fixture) {
    let (session, claims) = failed(&f, &[("a", "x"), ("b", "x"), ("c", "x")]).await;
    run(&f, session, &claims[1], Outcome::up("200"), "y").await;
    pass(&f, session, WAIT - SECOND).await;
    assert_eq!(told(&take_one(&f, session).await), ["a", "c"]);
    f.advance(SECOND).await;
    let end = take_one(&f, session).await;
    assert_eq!((told(&end), end.notification.opening.as_deref()), (vec!["b"], Some("b")));
}

pub async fn what_is_brought_forward_leaves_its_group(f: Fixture) {
    let (session, claims) = failed(&f, &[("a", "x"), ("b", "x")]).await;
    let mut sooner = judge(&claims[0], Outcome::up("200"), f.now().await);
    for delivery in &mut sooner.deliveries {
        delivery.notification.event = Event::Escalated;
    }
    assert_eq!(f.complete(session, &sooner).await, Verdict::Accepted);
    let taken = take_one(&f, session).await;
    assert_eq!((told(&taken), taken.notification.event), (vec!["a"], Event::Opened));
}

pub async fn a_repeat_says_the_same_under_the_same_key_whoever_died(f: Fixture) {
    let (session, _, first) = three(&f).await;
    let due_at = f.now().await + SECOND;
    settle(&f, session, &first, Settled::Retry { due_at, error: "503".into() }).await;
    let rows = all(&f).await;
    assert!(rows.iter().all(|row| row.due_at == due_at && row.last_error.as_deref() == Some("503")), "{rows:?}");
    // One that fails meanwhile doesn't join it.
    f.put(probe("d")).await;
    let claim = f.claim_one(session).await;
    run(&f, session, &claim, Outcome::down("500"), "x").await;
    f.advance(SECOND).await;
    let second = take_one(&f, session).await;
    assert_eq!((second.id(), second.attempts, told(&second)), (first.id(), 2, told(&first)));
    f.store.put_back(session, CHANNEL).await.unwrap();
    assert_eq!(take_one(&f, session).await.notification.also, first.notification.also);
    let heir = f.join().await;
    f.advance(LEASE - SECOND).await;
    f.renew(heir).await.unwrap();
    f.advance(SECOND).await;
    let taken = f.take(heir).await;
    assert_eq!(taken.iter().map(told).collect::<Vec<_>>(), [told(&first), vec!["d"]]);
    assert_eq!((taken[0].id(), taken[0].attempts), (first.id(), 4));
    let attempts: Vec<_> = stand(&f).await.into_iter().map(|(_, attempts, _)| attempts).collect();
    assert_eq!(attempts, [4, 4, 4, 1]);
}

pub async fn all_that_was_told_was_heard_and_only_the_leader_has_the_receipt(f: Fixture) {
    let (session, claims, taken) = three(&f).await;
    settle(&f, session, &taken, Settled::Sent(Receipt::new("message 1"))).await;
    let (sent, leader) = (DeliveryState::Sent, Some(taken.id()));
    assert_eq!(stand(&f).await, [(sent, 1, None), (sent, 1, leader), (sent, 1, leader)]);
    let receipts: Vec<_> = all(&f).await.into_iter().map(|row| row.receipt).collect();
    assert_eq!(receipts, [Receipt::new("message 1"), None, None]);
    for claim in &claims[1..] {
        run(&f, session, claim, Outcome::up("200"), "y").await;
        f.advance(SECOND).await;
    }
    pass(&f, session, WAIT).await;
    let ends = take_one(&f, session).await;
    assert_eq!((told(&ends), ends.notification.receipt.clone()), (vec!["b", "c"], None));
    assert_eq!(ends.notification.opening, None);
}

pub async fn what_was_taken_with_others_is_never_folded(f: Fixture) {
    let (session, claims, taken) = three(&f).await;
    run(&f, session, &claims[1], Outcome::up("200"), "y").await;
    pass(&f, session, WAIT).await;
    assert_eq!(f.take(session).await, [], "its end waits for its opening");
    settle(&f, session, &taken, Settled::Retry { due_at: f.now().await, error: "503".into() }).await;
    let again = take_one(&f, session).await;
    assert_eq!((told(&again), again.id()), (told(&taken), taken.id()));
    settle(&f, session, &again, Settled::Sent(None)).await;
    let end = take_one(&f, session).await;
    assert_eq!((told(&end), end.notification.event), (vec!["b"], Event::Resolved));
}

pub async fn an_end_of_which_nothing_was_heard_is_told_with_nothing(f: Fixture) {
    let (session, claims) = failed(&f, &[("a", "x"), ("b", "y")]).await;
    pass(&f, session, WAIT).await;
    let taken = f.take(session).await;
    settle(&f, session, &taken[0], Settled::Sent(None)).await;
    settle(&f, session, &taken[1], dead()).await;
    for claim in &claims {
        run_at_slot(&f, session, claim, Outcome::up("200"), "z").await;
    }
    pass(&f, session, WAIT - SECOND).await;
    assert_eq!(told(&take_one(&f, session).await), ["a"]);
    let end = f.deliveries(claims[1].monitor.id).await.remove(0);
    assert_eq!((end.state, end.last_error.as_deref()), (DeliveryState::Folded, Some(Fold::Unheard.reason())));
    assert_eq!(end.leader, None);
}

pub async fn an_end_that_tells_of_the_whole_outage_does_so_among_others_too(f: Fixture) {
    let (session, claims) = failed(&f, &[("a", "x"), ("b", "x")]).await;
    for claim in &claims {
        run(&f, session, claim, Outcome::up("200"), "y").await;
        f.advance(SECOND).await;
    }
    pass(&f, session, WAIT).await;
    let ends = take_one(&f, session).await.notification;
    assert_eq!(ends.opening.as_deref(), Some("a"));
    assert_eq!(ends.also[0].opening.as_deref(), Some("b"));
}

pub async fn a_group_dies_as_one_and_is_sent_again_as_one(f: Fixture) {
    let (session, _, taken) = three(&f).await;
    settle(&f, session, &taken, dead()).await;
    let rows = all(&f).await;
    let is_dead = |row: &Delivery| row.state == DeliveryState::Dead && row.last_error.as_deref() == Some("410 gone");
    assert!(rows.iter().all(is_dead), "{rows:?}");
    assert_eq!(f.take(session).await, []);
    f.store.resend(taken.id(), DEFAULT_EXPIRY).await.unwrap();
    let again = take_one(&f, session).await;
    assert_eq!((again.id(), again.attempts, told(&again)), (taken.id(), 2, told(&taken)));
    settle(&f, session, &again, Settled::Sent(None)).await;
    assert!(stand(&f).await.iter().all(|(state, ..)| *state == DeliveryState::Sent));
}

pub async fn one_of_a_dead_group_is_sent_again_alone(f: Fixture) {
    let (session, claims, taken) = three(&f).await;
    settle(&f, session, &taken, dead()).await;
    let member = f.deliveries(claims[1].monitor.id).await.remove(0);
    f.store.resend(member.id(), DEFAULT_EXPIRY).await.unwrap();
    let alone = take_one(&f, session).await;
    assert_eq!((alone.id(), alone.leader, told(&alone)), (member.id(), None, vec!["b"]));
    settle(&f, session, &alone, Settled::Sent(None)).await;
    f.store.resend(taken.id(), DEFAULT_EXPIRY).await.unwrap();
    assert_eq!(told(&take_one(&f, session).await), ["a", "c"]);
}

pub async fn a_group_expires_as_one(f: Fixture) {
    let (session, _, taken) = three(&f).await;
    settle(&f, session, &taken, Settled::Retry { due_at: taken.expires_at, error: "503".into() }).await;
    f.advance(taken.expires_at.since(f.now().await)).await;
    assert_eq!(f.store.expire(ALL).await.unwrap(), 1, "what goes with it isn't counted");
    let rows = all(&f).await;
    let expired = |row: &Delivery| row.last_error.as_deref().is_some_and(|error| error.contains("expired"));
    assert!(rows.iter().all(|row| row.state == DeliveryState::Dead && expired(row)), "{rows:?}");
}

pub async fn when_a_leader_is_deleted_the_next_leads(f: Fixture) {
    let (session, claims, taken) = three(&f).await;
    settle(&f, session, &taken, Settled::Retry { due_at: f.now().await, error: "503".into() }).await;
    f.store.delete(claims[0].monitor.id).await.unwrap();
    let next = take_one(&f, session).await;
    assert_eq!((told(&next), next.attempts), (vec!["b", "c"], 2));
    f.store.delete(claims[2].monitor.id).await.unwrap();
    settle(&f, session, &next, Settled::Sent(None)).await;
    assert_eq!(stand(&f).await, [(DeliveryState::Sent, 2, None)]);
}
