//! Several handles to one schema, what is in the way of opening one, and calls whose caller goes away.

use std::{
    borrow::Cow,
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use pingmon_core::{
    conformance::fixture::{CHANNEL, judge, probe},
    error::Error,
    id::SessionId,
    monitor::Definition,
    outcome::Outcome,
    store::{
        catalog::Catalog as _,
        claims::{Claim, Claims as _, Completion, SessionInfo, Verdict},
        history::History as _,
        outbox::Outbox as _,
    },
};
use pingmon_store::postgres::{PgOptions, PgStore};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::time::{Instant, sleep};

use crate::postgres::Place;

const KIND: &str = "probe";
const EVERY: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(600);

async fn renew(store: &PgStore, session: SessionId) -> u64 {
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap().monitors
}

async fn add(store: &PgStore, count: usize) {
    let named = |n| Definition::new(format!("monitor {n:04}"), KIND).every(EVERY);
    store.put((0..count).map(named).collect()).await.unwrap();
}

async fn claim(store: &PgStore, session: SessionId, limit: usize) -> Vec<Claim> {
    store.claim(session, &[Cow::Borrowed(KIND)], limit).await.unwrap()
}

fn completion(claim: &Claim) -> Completion {
    Completion::new(claim, claim.slot, Outcome::up("fine"), claim.slot + EVERY)
}

/// The refusal of what can't be opened.
async fn refusal(options: PgOptions, url: &str) -> String {
    match options.open(url).await.unwrap_err() {
        Error::Config { field, reason } => {
            assert_eq!(field, "store.url");
            reason
        }
        error => panic!("not a refusal of the URL: {}", error.chain()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_share_the_monitors_and_run_each_slot_once() {
    const MONITORS: usize = 400;
    const ROUNDS: usize = 5;
    let place = Place::new().await;
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    add(&stores[0], MONITORS).await;
    let work = async |store: Arc<PgStore>| {
        let session = SessionId::new();
        renew(&store, session).await;
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
                let batch: Vec<_> = claims.iter().map(completion).collect();
                let verdicts = store.complete(session, &batch).await.unwrap();
                assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
                claims.iter_mut().for_each(|claim| claim.slot = claim.slot + EVERY);
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

#[tokio::test]
async fn a_claim_and_a_take_pass_over_what_others_are_changing_and_wait_for_none_of_it() {
    let place = Place::new().await;
    let store = place.open().await;
    let held = store.put(vec![probe("held"), probe("free")]).await.unwrap()[0].id;
    let session = SessionId::new();
    renew(&store, session).await;
    let lock = async |table: &str| {
        let mut conn = place.connect().await;
        let lock = format!("BEGIN; SELECT FROM {}.{table} WHERE monitor = '{held}' FOR UPDATE", place.schema);
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut conn).await.unwrap();
        conn
    };

    let locked = lock("schedule").await;
    let mut claims = claim(&store, session, 10).await;
    assert_eq!(claims.iter().map(|claim| claim.monitor.definition.name.as_str()).collect::<Vec<_>>(), ["free"]);
    locked.close().await.unwrap();
    while claims.len() < 2 {
        claims.extend(claim(&store, session, 10).await);
    }

    let down: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("refused"), claim.slot)).collect();
    assert_eq!(store.complete(session, &down).await.unwrap(), [Verdict::Accepted; 2]);
    let _locked = lock("deliveries").await;
    let taken = store.take(session, CHANNEL, 10).await.unwrap();
    assert_eq!(taken.iter().map(|delivery| delivery.notification.monitor.name.as_str()).collect::<Vec<_>>(), ["free"]);
}

#[tokio::test]
async fn a_batch_that_has_a_monitor_twice_is_stored_in_its_order() {
    let place = Place::new().await;
    let store = place.open().await;
    add(&store, 3).await;
    let session = SessionId::new();
    renew(&store, session).await;
    let claims = claim(&store, session, 3).await;
    let mut batch: Vec<_> = claims.iter().map(completion).collect();
    for claim in &claims {
        batch.push(completion(&Claim::new(claim.monitor.clone(), claim.health.clone(), claim.slot + EVERY)));
    }
    assert_eq!(store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; 6]);
    for claim in &claims {
        assert_eq!(store.monitor(claim.monitor.id).await.unwrap().slot, claim.slot + EVERY * 2);
        assert_eq!(store.records(claim.monitor.id, None, 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_a_session_leaves_is_freed_in_parts_that_a_statement_has_time_for() {
    const MONITORS: usize = 5_000;
    let place = Place::new().await;
    let store = place.open().await;
    add(&store, MONITORS).await;
    let (dead, living) = (SessionId::new(), SessionId::new());
    renew(&store, dead).await;
    assert_eq!(claim(&store, dead, MONITORS).await.len(), MONITORS);
    store.renew(&SessionInfo::new(dead, "host", "1.0.0", 1), Duration::from_millis(1)).await.unwrap();
    renew(&store, living).await;
    let mut taken = Vec::new();
    while taken.iter().sum::<usize>() < MONITORS {
        taken.push(claim(&store, living, MONITORS).await.len());
    }
    assert_eq!(taken, [2_000, 2_000, 1_000]);
    store.leave(living).await.unwrap();
    assert_eq!(place.count("SELECT count(*) FROM {schema}.schedule WHERE owner IS NOT NULL").await, 0);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.sessions WHERE NOT freed").await, 0);
}

#[tokio::test]
async fn statistics_from_before_the_claims_send_no_batch_through_all_monitors() {
    const MONITORS: usize = 3_000;
    const BATCH: usize = 300;
    let place = Place::new().await;
    let store = place.open().await;
    add(&store, MONITORS).await;
    place.execute("ANALYZE {schema}.schedule").await;
    let session = SessionId::new();
    renew(&store, session).await;
    let claims = claim(&store, session, MONITORS).await;
    store.close().await;
    // What a connection read is counted for all to see once it has closed.
    let read = async |index: &str| {
        let read =
            "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_all_indexes WHERE schemaname = '{schema}'";
        place.count(&format!("{read} AND indexrelname = '{index}'")).await
    };
    let more_than = async |rows| {
        let closing = Instant::now();
        while read("schedule_pkey").await <= rows {
            assert!(closing.elapsed() < Duration::from_secs(20), "the server counts what was read");
        }
        read("schedule_pkey").await
    };
    let before = more_than(0).await;
    let store = place.open().await;
    let batch: Vec<_> = claims[..BATCH].iter().map(completion).collect();
    assert_eq!(store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; BATCH]);
    assert_eq!(store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; BATCH], "as stored before");
    store.close().await;
    let by_key = more_than(before).await - before;
    assert!(by_key < MONITORS as i64, "each of three statements reads the rows of its batch: {by_key}");
    assert_eq!(read("schedule_owner").await, 0);
}

#[tokio::test]
async fn a_slot_that_has_a_row_keeps_it_and_holds_up_nobody() {
    let place = Place::new().await;
    let store = PgOptions::new().schema(&place.schema).open(&place.local_url()).await.unwrap();
    add(&store, 3).await;
    let session = SessionId::new();
    renew(&store, session).await;
    let claims = claim(&store, session, 3).await;
    let other = claims[1].monitor.id;
    let row = format!(
        "INSERT INTO {{schema}}.results SELECT monitor, slot, slot, 1, 'up', 'the first', NULL FROM {{schema}}.schedule
        WHERE monitor = '{other}'"
    );
    place.execute(&row).await;
    let batch: Vec<_> = claims.iter().map(completion).collect();
    assert_eq!(store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; 3]);
    for claim in &claims {
        let records = store.records(claim.monitor.id, None, 10).await.unwrap();
        let expected = if claim.monitor.id == other { "the first" } else { "fine" };
        assert_eq!(records.iter().map(|record| record.outcome.message.as_str()).collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_open_a_new_schema_at_once_all_find_it_ready() {
    let place = Arc::new(Place::new().await);
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let place = Arc::clone(&place);
        opening.spawn(async move { add(&place.open().await, 1).await });
    }
    opening.join_all().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused_with_the_reason() {
    let place = Place::new().await;
    let (server, _) = place.url().rsplit_once('/').unwrap();
    let reason = refusal(PgOptions::new(), &format!("{server}/nowhere")).await;
    assert!(reason.contains("names no database of this server"), "{reason}");
}

#[tokio::test]
async fn a_closed_store_refuses_instead_of_hanging() {
    let place = Place::new().await;
    let store = place.open().await;
    store.close().await;
    assert!(matches!(store.monitors(None, 1).await, Err(Error::Store { retryable: false, .. })));
}

/// Polls `future` up to `polls` times, then drops it; what it answered, if it did by then.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_dropped_half_way_leave_no_transaction_open() {
    const MONITORS: usize = 50;
    const DROPS: usize = 10_000;
    /// How many may wait for a connection at one time.
    const LINE: usize = 100;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new().await;
    place.open().await.close().await;
    // What it is called tells its connections from those of other tests.
    let store = place.connect_by(&format!("{}?application_name={}", place.url(), place.schema)).await;
    add(&store, MONITORS).await;
    let session = SessionId::new();
    renew(&store, session).await;
    let mut claims = claim(&store, session, MONITORS).await;
    let mut acknowledged = HashMap::new();
    let mut dropped = 0;
    while dropped < DROPS {
        let at = random.usize(..MONITORS);
        let completion = completion(&claims[at]);
        match poll_and_drop(store.complete(session, std::slice::from_ref(&completion)), random.usize(..200)).await {
            None => {
                dropped += 1;
                if dropped % LINE == 0 {
                    // Waits in line behind what the dropped calls began.
                    renew(&store, session).await;
                }
            }
            Some(answer) => {
                assert_eq!(answer.unwrap(), [Verdict::Accepted]);
                *acknowledged.entry(completion.monitor).or_insert(0_u32) += 1;
                claims[at].slot = completion.next_slot;
            }
        }
    }
    let over = Instant::now();
    while place.transactions_of(&place.schema).await > 0 {
        assert!(over.elapsed() < Duration::from_secs(1), "a transaction is open still");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(renew(&store, session).await, MONITORS as u64, "the connections go on");
    for claim in &claims {
        let id = claim.monitor.id;
        let records = u32::try_from(store.records(id, None, 10_000).await.unwrap().len()).unwrap();
        let least = acknowledged.get(&id).copied().unwrap_or(0);
        assert!((least..=least + 1).contains(&records), "{records} runs of which {least} were acknowledged");
        let pending = store.monitor(id).await.unwrap().slot;
        assert_eq!(pending, claim.slot + EVERY * (records - least), "run and next slot are stored together");
    }
}
