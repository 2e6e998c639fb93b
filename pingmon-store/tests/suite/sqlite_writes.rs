//! Writes that meet others, and writes whose caller goes away.

use std::{borrow::Cow, collections::HashMap, future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use pingmon_core::{
    error::Result,
    id::SessionId,
    monitor::Definition,
    outcome::Outcome,
    store::{
        catalog::Catalog as _,
        claims::{Claim, Claims as _, Completion, SessionInfo, Verdict},
        history::History as _,
    },
};
use pingmon_store::sqlite::SqliteStore;

use crate::sqlite::Place;

const KIND: &str = "probe";
const EVERY: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(600);

async fn joined(store: &SqliteStore) -> SessionId {
    let session = SessionId::new();
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap();
    session
}

async fn add(store: &SqliteStore, count: usize) {
    let named = |n| Definition::new(format!("monitor {n:04}"), KIND).every(EVERY);
    store.put((0..count).map(named).collect()).await.unwrap();
}

async fn claim(store: &SqliteStore, session: SessionId, limit: usize) -> Vec<Claim> {
    store.claim(session, &[Cow::Borrowed(KIND)], limit).await.unwrap()
}

fn completion(claim: &Claim) -> Completion {
    Completion::new(claim, claim.slot, Outcome::up("fine"), claim.slot + EVERY)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_share_the_monitors_and_run_each_slot_once() {
    const MONITORS: usize = 400;
    const ROUNDS: usize = 5;
    let place = Place::new();
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    add(&stores[0], MONITORS).await;
    let work = async |store: Arc<SqliteStore>| {
        let session = joined(&store).await;
        let mut held = Vec::new();
        loop {
            let claims = claim(&store, session, 10).await;
            if claims.is_empty() {
                break;
            }
            held.extend(claims);
        }
        for _ in 0..ROUNDS {
            for claims in held.chunks_mut(50) {
                round(&store, session, claims).await.unwrap();
            }
        }
        held.len()
    };
    let [first, second] = stores.clone();
    let (first, second) = tokio::join!(work(first), work(second));
    assert_eq!(first + second, MONITORS, "each monitor has one owner");
    for overview in stores[0].monitors(None, MONITORS).await.unwrap() {
        assert_eq!(stores[1].records(overview.monitor.id, None, 100).await.unwrap().len(), ROUNDS);
    }
}

/// Polls `future` up to `polls` times, then drops it; what it answered, if it did by then.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let once = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(answer) = once {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_are_dropped_half_way_leave_no_transaction_open() {
    const MONITORS: usize = 50;
    const DROPS: usize = 1_000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let store = place.open().await;
    add(&store, MONITORS).await;
    let session = joined(&store).await;
    let mut claims = claim(&store, session, MONITORS).await;
    let mut acknowledged = HashMap::new();
    let mut dropped = 0;
    while dropped < DROPS {
        let at = random.usize(..MONITORS);
        let completion = completion(&claims[at]);
        let polls = random.usize(..60);
        match poll_and_drop(store.complete(session, std::slice::from_ref(&completion)), polls).await {
            None => dropped += 1,
            Some(answer) => {
                assert_eq!(answer.unwrap(), [Verdict::Accepted]);
                *acknowledged.entry(completion.monitor).or_insert(0) += 1;
                claims[at].slot = completion.next_slot;
            }
        }
    }
    // The writer works its queue in order: this answer comes after all that was dropped.
    assert_eq!(joined_again(&store, session).await, MONITORS as u64);
    let mut behind = place.connect().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut behind).await.expect("no transaction is open");
    sqlx::query("ROLLBACK").execute(&mut behind).await.unwrap();
    for claim in &claims {
        let id = claim.monitor.id;
        let records = store.records(id, None, 10_000).await.unwrap().len();
        let least = acknowledged.get(&id).copied().unwrap_or(0);
        assert!((least..=least + 1).contains(&records), "{records} runs of which {least} were acknowledged");
        let pending = store.monitor(id).await.unwrap().slot;
        let first = claim.slot - EVERY * u32::try_from(least).unwrap();
        assert_eq!(pending, first + EVERY * u32::try_from(records).unwrap(), "run and next slot are stored together");
    }
}

/// Renews, and answers how many monitors there are.
async fn joined_again(store: &SqliteStore, session: SessionId) -> u64 {
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap().monitors
}

#[tokio::test]
#[ignore = "wants a TMPDIR without much room: a file system of 2 MB, as of `mount -t tmpfs -o size=2m`"]
async fn a_file_system_without_room_loses_no_acknowledged_run_and_is_recovered_from_without_restart() {
    const MONITORS: usize = 100;
    let place = Place::new();
    let ballast = place.path().with_file_name("ballast");
    std::fs::write(&ballast, vec![0; 512 * 1024]).unwrap();
    let store = place.open().await;
    add(&store, MONITORS).await;
    let session = joined(&store).await;
    let mut claims = claim(&store, session, MONITORS).await;
    let mut acknowledged = 0;
    let error = loop {
        match round(&store, session, &mut claims).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "this file system has too much room");
    };
    println!("{acknowledged} rounds, then: {}", error.chain());
    assert!(error.is_retryable(), "{}", error.chain());
    for _ in 0..5 {
        let error = round(&store, session, &mut claims).await.unwrap_err();
        assert!(error.is_retryable(), "{}", error.chain());
    }
    for claim in &claims {
        let records = store.records(claim.monitor.id, None, 10_000).await.unwrap().len();
        assert_eq!(records, acknowledged, "reads go on, and nothing of a refused batch is kept");
    }
    std::fs::remove_file(ballast).unwrap();
    round(&store, session, &mut claims).await.expect("with room the same call succeeds");
    for claim in &claims {
        assert_eq!(store.records(claim.monitor.id, None, 10_000).await.unwrap().len(), acknowledged + 1);
    }
    let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check");
    assert_eq!(check.fetch_one(&mut place.connect().await).await.unwrap(), "ok");
}

/// Completes the pending slot of every monitor; when that is stored, the claims are for the next one.
async fn round(store: &SqliteStore, session: SessionId, claims: &mut [Claim]) -> Result<()> {
    let batch: Vec<_> = claims.iter().map(completion).collect();
    let verdicts = store.complete(session, &batch).await?;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted), "{verdicts:?}");
    claims.iter_mut().for_each(|claim| claim.slot = claim.slot + EVERY);
    Ok(())
}
