//! Laws of the recorded past: paging, and what pruning takes and leaves.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::{ALL, EVERY, Fixture, LEASE};
use crate::{
    id::{MonitorId, SessionId},
    notification::DeliveryState,
    outcome::Outcome,
    store::{
        claims::{Claim, Gap, GapReason, Skip},
        history::Retention,
        outbox::{Settled, Settlement},
    },
    time::Timestamp,
};

/// Runs a claimed monitor at each of the next slots, one outcome a slot.
async fn run_slots(f: &Fixture, session: SessionId, claim: Claim, outcomes: &[Outcome]) -> Claim {
    let mut claim = claim;
    for outcome in outcomes {
        claim = f.run_at_slot(session, &claim, outcome.clone()).await;
    }
    claim
}

fn ups(count: usize) -> Vec<Outcome> {
    (0..count).map(|n| Outcome::up(n.to_string())).collect()
}

pub async fn records_are_paged_newest_slot_first(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let first = claim.slot;
    run_slots(&f, session, claim.clone(), &ups(5)).await;
    let slots = async |before, limit| {
        let records = f.store.records(claim.monitor.id, before, limit).await.unwrap();
        records.into_iter().map(|record| record.slot.since(first).as_secs() / 10).collect::<Vec<_>>()
    };
    assert_eq!(slots(None, ALL).await, [4, 3, 2, 1, 0]);
    assert_eq!(slots(None, 2).await, [4, 3]);
    assert_eq!(slots(Some(first + EVERY * 3), 2).await, [2, 1], "the slot itself isn't before");
    assert!(slots(Some(first), ALL).await.is_empty());
    assert!(slots(None, 0).await.is_empty());
}

pub async fn gaps_are_paged_newest_first(f: Fixture) {
    let id = f.add("shop").await;
    let first = f.now().await;
    let mut expected = Vec::new();
    for reason in [GapReason::NoEngine, GapReason::Overload, GapReason::StoreDown, GapReason::Paused] {
        f.advance(EVERY).await;
        let claim = f.store.overdue(f.now().await, 1).await.unwrap().remove(0);
        let gap = Gap::new(claim.slot, claim.slot + EVERY, 1, reason);
        assert_eq!(f.store.skip(&[Skip::new(&claim, gap, gap.until)]).await.unwrap(), 1);
        expected.insert(0, gap);
    }
    assert_eq!(f.store.gaps(id, None, ALL).await.unwrap(), expected);
    assert_eq!(f.store.gaps(id, None, 3).await.unwrap(), expected[..3]);
    assert_eq!(f.store.gaps(id, Some(first + EVERY * 2), 1).await.unwrap(), expected[2..3]);
    assert_eq!(f.store.gaps(id, Some(first), ALL).await.unwrap(), []);
}

pub async fn the_past_of_one_monitor_is_not_another_s(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    run_slots(&f, session, claim, &ups(2)).await;
    let other = f.add("other").await;
    for id in [other, MonitorId::new()] {
        assert_eq!(f.records(id).await, []);
        assert_eq!(f.store.gaps(id, None, ALL).await.unwrap(), []);
    }
}

pub async fn pruning_removes_runs_and_gaps_of_earlier_slots(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let id = claim.monitor.id;
    let first = claim.slot;
    let mut claim = run_slots(&f, session, claim, &ups(2)).await;
    // The third run and the fourth end so late that a slot goes by.
    for _ in 0..2 {
        for _ in 0..2 {
            f.advance(EVERY).await;
            f.renew(session).await.unwrap();
        }
        claim = f.run(session, &claim, Outcome::up("late")).await;
    }
    let before = f.read(id).await;
    assert_eq!((before.records.len(), before.gaps.len()), (4, 2));
    let nothing = Retention::new(first, Timestamp::from_micros(0));
    assert_eq!(f.store.prune(nothing, ALL).await.unwrap(), 0);
    assert_eq!(f.read(id).await, before);
    let third = before.records[1].slot;
    assert_eq!(f.store.prune(Retention::new(third, first), ALL).await.unwrap(), 2);
    let rest = f.read(id).await;
    assert_eq!((rest.records, rest.gaps), (before.records[..2].to_vec(), before.gaps.clone()));
    let fourth = before.records[0].slot;
    assert_eq!(f.store.prune(Retention::new(fourth, first), ALL).await.unwrap(), 2);
    let rest = f.read(id).await;
    assert_eq!((rest.records, rest.gaps), (before.records[..1].to_vec(), before.gaps[..1].to_vec()));
}

pub async fn pruning_takes_no_more_than_its_limit_of_each_table(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let id = claim.monitor.id;
    run_slots(&f, session, claim, &ups(5)).await;
    let everything = Retention::new(Timestamp::MAX, Timestamp::MAX);
    let mut left = Vec::new();
    for _ in 0..4 {
        f.store.prune(everything, 2).await.unwrap();
        left.push(f.records(id).await.len());
    }
    assert_eq!(left, [3, 1, 0, 0]);
    assert_eq!(f.store.prune(everything, 2).await.unwrap(), 0);
}

pub async fn pruning_leaves_open_incidents_and_pending_deliveries(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let id = claim.monitor.id;
    run_slots(&f, session, claim, &[Outcome::down("500")]).await;
    let before = f.read(id).await;
    f.advance(Duration::from_secs(86_400 * 400)).await;
    f.store.prune(Retention::new(Timestamp::MAX, Timestamp::MAX), ALL).await.unwrap();
    let after = f.read(id).await;
    assert_eq!((after.incidents, after.deliveries), (before.incidents, before.deliveries));
    assert_eq!((after.overview, after.records.len()), (before.overview, 0));
}

pub async fn pruning_removes_incidents_closed_and_deliveries_settled_earlier(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let id = claim.monitor.id;
    let outcomes = [Outcome::down("1"), Outcome::up("2"), Outcome::down("3"), Outcome::up("4")];
    run_slots(&f, session, claim, &outcomes).await;
    let taken = f.take(session).await;
    let dead = Settled::Dead { error: "gone".into() };
    f.store.settle(session, &[Settlement::new(&taken[0], dead)]).await.unwrap();
    let before = f.read(id).await;
    assert_eq!((before.incidents.len(), before.deliveries.len()), (2, 4));
    let closed_first = before.incidents[1].closed_at.unwrap();
    let earlier = Retention::new(Timestamp::from_micros(0), closed_first);
    assert_eq!(f.store.prune(earlier, ALL).await.unwrap(), 1, "the first notice is earlier, its incident's end isn't");
    assert_eq!(f.read(id).await.incidents, before.incidents);
    let all = Retention::new(Timestamp::from_micros(0), Timestamp::MAX);
    assert_eq!(f.store.prune(all, ALL).await.unwrap(), 4);
    let after = f.read(id).await;
    assert_eq!((after.incidents.len(), after.records.len()), (0, 4));
    assert_eq!(after.deliveries, before.deliveries[..1]);
    assert_eq!(after.deliveries[0].state, DeliveryState::Pending);
}

pub async fn pruning_forgets_no_living_session_and_frees_nothing_it_owns(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    for _ in 0..300 {
        f.advance(LEASE - Duration::from_secs(1)).await;
        f.renew(session).await.unwrap();
    }
    f.store.prune(Retention::new(Timestamp::MAX, Timestamp::MAX), ALL).await.unwrap();
    f.run(session, &claim, Outcome::up("200")).await;
}
