//! Servers that crash, and standbys that take their place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pingmon_core::{monitor::Definition, store::catalog::Catalog as _};
use pingmon_store::postgres::PgStore;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

use crate::{
    cluster::Cluster,
    postgres_network::{fails_in_time, renew, succeeds_at_once},
};

/// How long a failover may keep calls from succeeding.
const FAILOVER: Duration = Duration::from_secs(10);

async fn started() -> Cluster {
    spawn_blocking(Cluster::start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_in_the_middle_of_calls_is_used_at_once_when_it_is_back() {
    let cluster = started().await;
    let store = Arc::new(PgStore::open(&cluster.url()).await.unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (store, over) = (Arc::clone(&store), Arc::clone(&over));
        callers.spawn(async move {
            let mut failures = 0;
            while !over.load(Ordering::SeqCst) {
                if let Err(error) = renew(&store).await {
                    assert!(error.is_retryable(), "{}", error.chain());
                    failures += 1;
                    sleep(Duration::from_millis(20)).await;
                }
            }
            failures
        });
    }
    let cluster = spawn_blocking(move || {
        cluster.crash();
        cluster.run();
        cluster
    });
    let cluster = cluster.await.unwrap();
    succeeds_at_once(renew(&store)).await;
    over.store(true, Ordering::SeqCst);
    let failures: u32 = callers.join_all().await.into_iter().sum();
    assert!(failures > 0, "nobody noticed the crash");
    assert!(cluster.number("SELECT count(*) FROM pingmon.sessions").await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_to_a_promoted_standby_though_the_old_primary_still_answers() {
    let primary = started().await;
    let (primary, standby) = spawn_blocking(move || {
        let standby = primary.standby();
        (primary, standby)
    })
    .await
    .unwrap();
    let hosts = |first: &Cluster, second: &Cluster| {
        let (first, second) = (first.port, second.port);
        format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs=read-write")
    };
    let store = PgStore::open(&hosts(&primary, &standby)).await.unwrap();
    // Named first, the standby is passed over.
    let other = PgStore::connect(&hosts(&standby, &primary)).await.unwrap();
    let add = async |store: &PgStore, name: &str| store.put(vec![Definition::new(name, "probe")]).await;
    add(&store, "before").await.unwrap();
    renew(&other).await.unwrap();
    while standby.number("SELECT count(*) FROM pg_catalog.pg_tables WHERE tablename = 'monitors'").await == 0
        || standby.number("SELECT count(*) FROM pingmon.monitors").await == 0
    {
        sleep(Duration::from_millis(10)).await;
    }

    primary.set("default_transaction_read_only = on").await;
    fails_in_time(renew(&store)).await;
    fails_in_time(store.monitors(None, 1)).await;
    standby.execute("SELECT pg_promote(wait => false)").await;
    let promoted = Instant::now();
    for (store, name) in [(&store, "after"), (&other, "after that")] {
        while let Err(error) = add(store, name).await {
            assert!(error.is_retryable(), "{}", error.chain());
            assert!(promoted.elapsed() < FAILOVER, "{}", error.chain());
            sleep(Duration::from_millis(20)).await;
        }
        succeeds_at_once(renew(store)).await;
    }
    assert_eq!(primary.number("SELECT count(*) FROM pingmon.monitors").await, 1);
    assert_eq!(standby.number("SELECT count(*) FROM pingmon.monitors").await, 3);
}
