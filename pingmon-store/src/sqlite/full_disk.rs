//! What a full disk does to the store, by a limit on the pages of the writer's connection: SQLite answers `SQLITE_FULL`
//! to an allocation, just as when the file system has no room.

use std::{borrow::Cow, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    id::{MonitorId, SessionId},
    monitor::Definition,
    outcome::Outcome,
    store::{
        catalog::Catalog as _,
        claims::{Claim, Claims as _, Completion, SessionInfo, Verdict},
        history::History as _,
    },
};
use sqlx::AssertSqlSafe;

use super::SqliteStore;

const MONITORS: usize = 50;
const EVERY: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(600);
const NO_LIMIT: i64 = 1 << 30;

/// Lets the file grow by `pages` and no further.
async fn allow(store: &SqliteStore, pages: i64) {
    let allow = store.write("limit the file", move |conn, _| {
        Box::pin(async move {
            let used: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *conn).await?;
            let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {}", used + pages));
            sqlx::query(limit).fetch_one(conn).await?;
            Ok(())
        })
    });
    allow.await.unwrap();
}

async fn integrity(store: &SqliteStore) -> String {
    let check = store.read("check the file", |conn| {
        Box::pin(async move { Ok(sqlx::query_scalar("PRAGMA integrity_check").fetch_one(conn).await?) })
    });
    check.await.unwrap()
}

/// A session that holds [`MONITORS`] monitors.
async fn held(store: &SqliteStore) -> (SessionInfo, Vec<Claim>) {
    let named = |n| Definition::new(format!("monitor {n}"), "probe").every(EVERY);
    store.put((0..MONITORS).map(named).collect()).await.unwrap();
    let info = SessionInfo::new(SessionId::new(), "host", "1.0.0", 1);
    store.renew(&info, LEASE).await.unwrap();
    let claims = store.claim(info.id, &[Cow::Borrowed("probe")], MONITORS).await.unwrap();
    (info, claims)
}

/// Completes the pending slot of every monitor; when that is stored, the claims are for the next one.
async fn round(store: &SqliteStore, session: SessionId, claims: &mut [Claim]) -> Result<()> {
    let run = |claim: &Claim| Completion::new(claim, claim.slot, Outcome::up("x".repeat(900)), claim.slot + EVERY);
    let batch: Vec<_> = claims.iter().map(run).collect();
    let verdicts = store.complete(session, &batch).await?;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted), "{verdicts:?}");
    claims.iter_mut().for_each(|claim| claim.slot = claim.slot + EVERY);
    Ok(())
}

async fn runs(store: &SqliteStore, monitor: MonitorId) -> usize {
    store.records(monitor, None, 1_000).await.unwrap().len()
}

#[tokio::test]
async fn a_full_disk_loses_no_acknowledged_run_and_is_recovered_from_without_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&format!("sqlite:{}", directory.path().join("full.db").display())).await.unwrap();
    let (info, mut claims) = held(&store).await;
    allow(&store, 40).await;
    let mut acknowledged = 0;
    let error = loop {
        match round(&store, info.id, &mut claims).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(acknowledged > 1, "there was room for some");
    assert!(matches!(&error, Error::Store { retryable: true, .. }), "{}", error.chain());
    assert!(error.chain().contains("database or disk is full"), "{}", error.chain());

    for _ in 0..3 {
        round(&store, info.id, &mut claims).await.unwrap_err();
    }
    for claim in &claims {
        assert_eq!(runs(&store, claim.monitor.id).await, acknowledged, "nothing of a refused batch is kept");
    }
    store.renew(&info, LEASE).await.expect("what needs no room goes on");

    allow(&store, NO_LIMIT).await;
    round(&store, info.id, &mut claims).await.expect("the same call again succeeds");
    for claim in &claims {
        assert_eq!(runs(&store, claim.monitor.id).await, acknowledged + 1);
    }
    assert_eq!(integrity(&store).await, "ok");
}
