//! A network that is cut between the store and its server, and an answer that is lost: every call ends in time, and the
//! contract's own verbs tell what became of it.

use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};

use pingmon_core::{
    conformance::fixture::{CHANNEL, KIND, judge, next, probe},
    error::Result,
    id::SessionId,
    monitor::Definition,
    outcome::Outcome,
    store::{
        catalog::{Catalog as _, Change},
        claims::{Claims as _, SessionInfo, Verdict},
        history::History as _,
        outbox::Outbox as _,
    },
};
use pingmon_store::postgres::PgStore;
use sqlx::AssertSqlSafe;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    postgres::Place,
    proxy::{Proxy, Way},
};

/// What an engine waits for a call at most.
const LIMIT: Duration = Duration::from_secs(5);
/// What a call takes that works, with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A call that writes and reads, and may be made at any time.
pub(crate) async fn renew(store: &PgStore) -> Result<()> {
    let info = SessionInfo::new(SessionId::new(), "host", "1.0.0", 1);
    store.renew(&info, Duration::from_secs(60)).await.map(drop)
}

/// A call fails, within the limit and so that it may be made again.
pub(crate) async fn fails_in_time<T>(call: impl Future<Output = Result<T>>) {
    let started = Instant::now();
    let error = call.await.err().expect("no server could be reached");
    assert!(error.is_retryable(), "{}", error.chain());
    assert!(started.elapsed() <= LIMIT, "{:?}: {}", started.elapsed(), error.chain());
}

pub(crate) async fn succeeds_at_once<T>(call: impl Future<Output = Result<T>>) {
    let started = Instant::now();
    call.await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(started.elapsed() <= AT_ONCE, "{:?}", started.elapsed());
}

/// A store behind a proxy.
async fn behind_a_proxy() -> (Proxy, Place, Arc<PgStore>) {
    let place = Place::new().await;
    place.open().await.close().await;
    let proxy = Proxy::new(place.port()).await;
    let store = Arc::new(place.connect_by(&place.url_by(proxy.port)).await);
    (proxy, place, store)
}

/// Calls at once, more than the store has connections.
fn calls(store: &Arc<PgStore>) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(store);
        calls.spawn(async move { fails_in_time(renew(&store)).await });
    }
    calls
}

/// Cuts the way while connections are idle, one waits for a lock, and none is open yet.
async fn cut(how: Way) {
    let (proxy, place, store) = behind_a_proxy().await;
    let new = Arc::new(place.connect_by(&place.url_by(proxy.port)).await);
    let warm: Vec<_> = (0..4).map(|_| renew(&store)).collect();
    futures_util::future::try_join_all(warm).await.unwrap();
    let mut locked = place.connect().await;
    let lock = format!("BEGIN; LOCK TABLE {}.sessions", place.schema);
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut locked).await.unwrap();
    let mut running = JoinSet::new();
    let waiting = Arc::clone(&store);
    running.spawn(async move { fails_in_time(renew(&waiting)).await });
    while place.locks_awaited().await == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    proxy.set(how);
    let (old, unused) = (calls(&store), calls(&new));
    running.join_all().await;
    old.join_all().await;
    unused.join_all().await;
    drop(locked);
    proxy.set(Way::Open);
    for store in [store, new] {
        succeeds_at_once(renew(&store)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_in_time_over_a_cut_network_and_the_next_succeeds_at_once_when_it_heals() {
    tokio::join!(cut(Way::Silent), cut(Way::Answerless));
}

#[tokio::test]
async fn a_silent_host_is_passed_over_within_one_call_and_asked_last_from_then_on() {
    let (proxy, place, _) = behind_a_proxy().await;
    proxy.set(Way::Silent);
    let both = format!(":{},127.0.0.1:{}/", proxy.port, place.port());
    let store = place.connect_by(&place.url_by(proxy.port).replacen(&format!(":{}/", proxy.port), &both, 1)).await;
    let started = Instant::now();
    renew(&store).await.unwrap();
    assert!(started.elapsed() <= LIMIT, "{:?}", started.elapsed());
    let more: Vec<_> = (0..4).map(|_| succeeds_at_once(renew(&store))).collect();
    futures_util::future::join_all(more).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_commit_whose_answer_was_lost_is_told_by_the_contract_s_own_verbs() {
    let (proxy, place, store) = behind_a_proxy().await;
    let direct = place.open().await;
    let session = SessionId::new();
    let info = SessionInfo::new(session, "host", "1.0.0", 1);
    let now = store.renew(&info, Duration::from_secs(600)).await.unwrap().now;
    let held = store.put(vec![probe("held"), probe("free")]).await.unwrap()[0].id;
    let kinds = [Cow::Borrowed(KIND)];
    let claim = store.claim(session, &kinds, 1).await.unwrap().remove(0);
    assert_eq!(claim.monitor.id, held);
    let down = judge(&claim, Outcome::down("refused"), now);
    assert_eq!(store.complete(session, std::slice::from_ref(&down)).await.unwrap(), [Verdict::Accepted]);
    let up = [judge(&next(&claim, &down), Outcome::up("fine"), now)];
    let other = || vec![Definition::new("other", "another kind")];

    proxy.set(Way::CommitAnswerless);
    tokio::join!(
        fails_in_time(store.complete(session, &up)),
        fails_in_time(store.claim(session, &kinds, 1)),
        fails_in_time(store.take(session, CHANNEL, 10)),
        fails_in_time(store.put(other())),
    );
    proxy.set(Way::Open);

    assert_eq!(store.complete(session, &up).await.unwrap(), [Verdict::Accepted], "its next slot is pending already");
    assert_eq!(direct.records(held, None, 10).await.unwrap().len(), 2, "and it is stored once");
    assert_eq!(store.owned(session).await.unwrap().len(), 2, "the claim that nobody heard of");
    assert!(store.take(session, CHANNEL, 10).await.unwrap().is_empty(), "what nobody heard of is taken");
    store.put_back(session, CHANNEL).await.unwrap();
    let taken = store.take(session, CHANNEL, 10).await.unwrap();
    assert_eq!(taken.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [2], "and can be put back");
    assert_eq!(store.put(other()).await.unwrap()[0].change, Change::Unchanged);
}
