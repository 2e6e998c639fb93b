//! Laws that only two callers at once can break. Each runs a few rounds, the callers on threads of their own and, where
//! the harness has one, on handles of their own.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::{borrow::Cow, collections::BTreeSet, future::Future, sync::Arc};

use tokio::task::JoinSet;

use super::fixture::{ALL, CHANNEL, Fixture, KIND, judge, probe};
use crate::{
    error::Error,
    outcome::Outcome,
    store::{Store, catalog::Change, claims::Verdict, incidents::IncidentFilter, outbox::DeliveryFilter},
};

const ROUNDS: usize = 20;

/// Two calls at once, one on each handle.
async fn race<A, B, T, U>(
    f: &Fixture,
    a: impl FnOnce(Arc<dyn Store>) -> A,
    b: impl FnOnce(Arc<dyn Store>) -> B,
) -> (T, U)
where
    A: Future<Output = T> + Send + 'static,
    B: Future<Output = U> + Send + 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    let (mut left, mut right) = (JoinSet::new(), JoinSet::new());
    left.spawn(a(Arc::clone(&f.store)));
    right.spawn(b(f.second()));
    (left.join_next().await.unwrap().unwrap(), right.join_next().await.unwrap().unwrap())
}

pub async fn two_sessions_claiming_at_once_never_get_the_same_monitor(f: Fixture) {
    f.store.put((0..50).map(|n| probe(&format!("shop {n}"))).collect()).await.unwrap();
    let (a, b) = (f.join().await, f.join().await);
    for _ in 0..ROUNDS {
        let claim = async move |store: Arc<dyn Store>, session| {
            let mut claimed = Vec::new();
            for limit in [7, 1, 12, 5] {
                let claims = store.claim(session, &[Cow::Borrowed(KIND)], limit).await.unwrap();
                assert!(claims.len() <= limit);
                claimed.extend(claims.into_iter().map(|claim| claim.monitor.id));
            }
            claimed
        };
        let (of_a, of_b) = race(&f, |store| claim(store, a), |store| claim(store, b)).await;
        let distinct: BTreeSet<_> = of_a.iter().chain(&of_b).collect();
        assert_eq!((distinct.len(), of_a.len() + of_b.len()), (50, 50));
        f.store.release(a, &of_a).await.unwrap();
        f.store.release(b, &of_b).await.unwrap();
    }
}

pub async fn a_completion_and_an_edit_at_once_leave_one_order_of_the_two(f: Fixture) {
    for round in 0..ROUNDS {
        let name = format!("shop {round}");
        let (session, claim) = f.held(&name).await;
        let id = claim.monitor.id;
        let completion = judge(&claim, Outcome::down("500"), f.now().await);
        let edited = probe(&name).label("team", "shop");
        let (verdict, puts) = race(
            &f,
            |store| async move { store.complete(session, &[completion]).await.unwrap()[0] },
            |store| async move { store.put(vec![edited]).await.unwrap() },
        )
        .await;
        assert_eq!(puts[0].change, Change::Changed);
        let reading = f.read(id).await;
        let rows = usize::from(verdict == Verdict::Accepted);
        assert_eq!([reading.records.len(), reading.incidents.len(), reading.deliveries.len()], [rows; 3]);
        assert_eq!(reading.overview.health.target.is_some(), rows == 1);
        assert_eq!(reading.overview.slot > claim.slot, rows == 1);
        f.store.delete(id).await.unwrap();
    }
}

pub async fn a_completion_and_its_repeat_at_once_are_written_once(f: Fixture) {
    for round in 0..ROUNDS {
        let (session, claim) = f.held(&format!("shop {round}")).await;
        let completion = judge(&claim, Outcome::down("500"), f.now().await);
        let complete = |store: Arc<dyn Store>, completion| async move { store.complete(session, &[completion]).await };
        let (first, second) = (completion.clone(), completion);
        let (a, b) = race(&f, |store| complete(store, first), |store| complete(store, second)).await;
        assert_eq!((a.unwrap(), b.unwrap()), (vec![Verdict::Accepted], vec![Verdict::Accepted]));
        let reading = f.read(claim.monitor.id).await;
        assert_eq!([reading.records.len(), reading.incidents.len(), reading.deliveries.len()], [1; 3]);
    }
}

pub async fn a_completion_racing_the_end_of_its_session_is_stored_whole_or_not_at_all(f: Fixture) {
    for round in 0..ROUNDS {
        let (session, claim) = f.held(&format!("shop {round}")).await;
        let completion = judge(&claim, Outcome::down("500"), f.now().await);
        let (completed, ()) = race(
            &f,
            |store| async move { store.complete(session, &[completion]).await },
            |store| async move { store.leave(session).await.unwrap() },
        )
        .await;
        let rows = match completed {
            Ok(verdicts) => {
                assert_eq!(verdicts, [Verdict::Accepted]);
                1
            }
            Err(Error::SessionEnded) => 0,
            Err(error) => panic!("{error}"),
        };
        let reading = f.read(claim.monitor.id).await;
        assert_eq!([reading.records.len(), reading.incidents.len(), reading.deliveries.len()], [rows; 3]);
        assert_eq!(reading.overview.health.target.is_some(), rows == 1);
        f.store.delete(claim.monitor.id).await.unwrap();
    }
}

pub async fn a_reader_who_sees_part_of_a_completion_finds_the_rest(f: Fixture) {
    for round in 0..ROUNDS {
        let (session, claim) = f.held(&format!("shop {round}")).await;
        let id = claim.monitor.id;
        let completion = judge(&claim, Outcome::down("500"), f.now().await);
        let (verdicts, ()) = race(
            &f,
            |store| async move { store.complete(session, &[completion]).await.unwrap() },
            |store| async move {
                // Whichever part shows first, those read after it are there.
                let opened = store.monitor(id).await.unwrap().health.target.is_some();
                let incidents = store.incidents(IncidentFilter::all().of(id), ALL).await.unwrap().len();
                let records = store.records(id, None, ALL).await.unwrap().len();
                let deliveries = store.deliveries(DeliveryFilter::all().of(id), ALL).await.unwrap().len();
                let slot_moved = store.monitor(id).await.unwrap().slot > claim.slot;
                let seen = [usize::from(opened), incidents, records, deliveries, usize::from(slot_moved)];
                assert!(seen.is_sorted() && seen[4] <= 1, "{seen:?}");
            },
        )
        .await;
        assert_eq!(verdicts, [Verdict::Accepted]);
    }
}

pub async fn two_sessions_taking_at_once_never_get_the_same_delivery(f: Fixture) {
    f.store.put((0..20).map(|n| probe(&format!("shop {n}"))).collect()).await.unwrap();
    let (a, b) = (f.join().await, f.join().await);
    let now = f.now().await;
    let claims = f.claim(a, ALL).await;
    let batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("500"), now)).collect();
    f.store.complete(a, &batch).await.unwrap();
    let take = async move |store: Arc<dyn Store>, session| {
        let mut taken = Vec::new();
        for limit in [3, 1, 8] {
            let deliveries = store.take(session, CHANNEL, limit).await.unwrap();
            assert!(deliveries.len() <= limit);
            taken.extend(deliveries);
        }
        taken
    };
    let (of_a, of_b) = race(&f, |store| take(store, a), |store| take(store, b)).await;
    let all: Vec<_> = of_a.iter().chain(&of_b).collect();
    assert!(all.iter().all(|delivery| delivery.attempts == 1));
    assert_eq!((all.iter().map(|delivery| delivery.id()).collect::<BTreeSet<_>>().len(), all.len()), (20, 20));
}

pub async fn two_sessions_taking_at_once_never_share_a_group(f: Fixture) {
    f.store.put((0..30).map(|n| probe(&format!("shop {n}"))).collect()).await.unwrap();
    let (a, b) = (f.join().await, f.join().await);
    let now = f.now().await;
    let claims = f.claim(a, ALL).await;
    let mut batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("500"), now)).collect();
    for (n, run) in batch.iter_mut().enumerate() {
        run.deliveries[0].group = Some(format!("group {}", n % 3));
    }
    f.store.complete(a, &batch).await.unwrap();
    let take = async move |store: Arc<dyn Store>, session| {
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.extend(store.take(session, CHANNEL, 2).await.unwrap());
        }
        taken
    };
    let (of_a, of_b) = race(&f, |store| take(store, a), |store| take(store, b)).await;
    let mut sizes: Vec<_> = of_a.iter().chain(&of_b).map(|delivery| 1 + delivery.notification.also.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 10, 10]);
}

pub async fn one_name_added_twice_at_once_is_one_monitor(f: Fixture) {
    for round in 0..ROUNDS {
        let name = format!("shop {round}");
        let put = async |store: Arc<dyn Store>, definition| store.put(vec![definition]).await.unwrap().remove(0);
        let (first, second) = (probe(&name), probe(&name));
        let (a, b) = race(&f, |store| put(store, first), |store| put(store, second)).await;
        assert_eq!(a.id, b.id);
        let changes = [a.change, b.change];
        assert!(changes.contains(&Change::Added) && changes.contains(&Change::Unchanged), "{changes:?}");
    }
}
