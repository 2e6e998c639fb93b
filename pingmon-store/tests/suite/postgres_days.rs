//! The partitions of the results: a day each, added ahead and dropped as a whole, and never in anybody's way.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};
use pingmon_core::{
    id::SessionId,
    monitor::Definition,
    outcome::Outcome,
    store::{
        catalog::Catalog as _,
        claims::{Claim, Claims as _, Completion, SessionInfo},
        history::{History as _, Retention},
    },
    time::Timestamp,
};
use pingmon_store::postgres::{PgOptions, PgStore};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::task::JoinSet;

use crate::postgres::Place;

const KIND: &str = "probe";
const EVERY: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(600);
const ALL: usize = 100_000;

/// A monitor that a session of this store holds.
async fn hold(store: &PgStore) -> (SessionId, Claim) {
    store.put(vec![Definition::new("shop", KIND).every(EVERY)]).await.unwrap();
    let session = SessionId::new();
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap();
    let claim = store.claim(session, &[Cow::Borrowed(KIND)], 1).await.unwrap().remove(0);
    (session, claim)
}

async fn run(store: &PgStore, session: SessionId, claim: &mut Claim) {
    let completion = Completion::new(claim, claim.slot, Outcome::up("fine"), claim.slot + EVERY);
    store.complete(session, &[completion]).await.unwrap();
    claim.slot = claim.slot + EVERY;
}

/// Drops what was before an instant, written like `2020-01-03T00:00:00Z`.
async fn prune(store: &PgStore, before: &str) -> u64 {
    let before = Timestamp::from(before.parse::<DateTime<Utc>>().unwrap());
    store.prune(Retention::new(before, Timestamp::from_micros(0)), ALL).await.unwrap()
}

impl Place {
    /// The names of the partitions, those of days first.
    pub(crate) async fn partitions(&self) -> Vec<String> {
        let names = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = ($1 || '.results')::regclass ORDER BY relname";
        sqlx::query_scalar(names).bind(&self.schema).fetch_all(&mut self.connect().await).await.unwrap()
    }

    /// How many rows a query counts, in which `{schema}` stands for the schema.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.replace("{schema}", &self.schema));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// Two days long ago, with a row each.
    async fn add_old_days(&self) {
        for (day, next) in [("20200101", "20200102"), ("20200102", "20200103")] {
            let add = format!(
                "CREATE TABLE {{schema}}.results_{day} PARTITION OF {{schema}}.results
                    FOR VALUES FROM ('{day} 00:00Z') TO ('{next} 00:00Z');
                INSERT INTO {{schema}}.results
                    VALUES (gen_random_uuid(), '{day} 12:00Z', '{day} 12:00Z', 1, 'up', 'old', NULL);
                ANALYZE {{schema}}.results_{day}"
            );
            self.execute(&add).await;
        }
    }

    async fn drop_today(&self) {
        let today = "to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')";
        self.execute(&format!("DO $$ BEGIN EXECUTE 'DROP TABLE {{schema}}.results_' || {today}; END $$")).await;
    }

    /// A connection in a transaction that has read results.
    async fn reader(&self) -> PgConnection {
        let mut conn = self.connect().await;
        let read = format!("BEGIN; SELECT count(*) FROM {}.results", self.schema);
        sqlx::raw_sql(AssertSqlSafe(read)).execute(&mut conn).await.unwrap();
        conn
    }
}

#[tokio::test]
async fn a_new_store_has_the_days_to_come_and_a_run_finds_its_own() {
    let place = Place::new().await;
    let store = place.open().await;
    assert_eq!(place.partitions().await.len(), 5, "today, three days more, and the default");
    let (session, mut claim) = hold(&store).await;
    run(&store, session, &mut claim).await;
    assert_eq!(place.count("SELECT count(*) FROM {schema}.results").await, 1);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.results_default").await, 0);
}

#[tokio::test]
async fn a_day_goes_when_all_of_it_is_no_longer_kept() {
    let place = Place::new().await;
    let store = place.open().await;
    place.add_old_days().await;
    assert_eq!(prune(&store, "2020-01-01T23:59:59Z").await, 0);
    assert_eq!(place.partitions().await.len(), 7);
    assert_eq!(prune(&store, "2020-01-02T23:59:59Z").await, 1);
    assert_eq!(place.partitions().await[0], "results_20200102");
    assert_eq!(prune(&store, "9999-01-01T00:00:00Z").await, 1);
    assert_eq!(place.partitions().await.len(), 5, "today and what is to come stay whatever is asked");
}

#[tokio::test]
async fn slots_of_days_without_a_partition_are_kept_and_go_one_by_one() {
    let place = Place::new().await;
    let store = place.open().await;
    let (session, mut claim) = hold(&store).await;
    place.execute("UPDATE {schema}.schedule SET slot = '2020-01-01 12:00Z'").await;
    claim.slot = Timestamp::from("2020-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
    run(&store, session, &mut claim).await;
    run(&store, session, &mut claim).await;
    assert_eq!(place.count("SELECT count(*) FROM {schema}.results_default").await, 2);
    assert_eq!(prune(&store, "2020-01-01T12:00:05Z").await, 1);
    assert_eq!(store.records(claim.monitor.id, None, ALL).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_day_that_the_default_partition_has_begun_stays_there() {
    let place = Place::new().await;
    let store = place.open().await;
    place.drop_today().await;
    let (session, mut claim) = hold(&store).await;
    run(&store, session, &mut claim).await;
    prune(&store, "2020-01-01T00:00:00Z").await;
    run(&store, session, &mut claim).await;
    assert_eq!(place.partitions().await.len(), 4, "three days to come, and the default");
    assert_eq!(store.records(claim.monitor.id, None, ALL).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_reader_keeps_a_day_from_being_dropped_and_nobody_from_running() {
    let place = Place::new().await;
    let store = place.open().await;
    place.add_old_days().await;
    let (session, mut claim) = hold(&store).await;
    let reader = place.reader().await;
    let (pruned, ()) = tokio::join!(prune(&store, "2020-01-03T00:00:00Z"), run(&store, session, &mut claim));
    assert_eq!((pruned, place.partitions().await.len()), (0, 7));
    drop(reader);
    while prune(&store, "2020-01-03T00:00:00Z").await == 0 {}
    assert!(place.partitions().await.iter().all(|name| !name.starts_with("results_2020")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_that_prune_at_once_drop_a_day_once() {
    let place = Place::new().await;
    let store = place.open().await;
    let stores = [place.open().await, place.open().await, place.open().await];
    place.add_old_days().await;
    let mut pruning = JoinSet::new();
    for store in stores {
        pruning.spawn(async move { prune(&store, "2020-01-03T00:00:00Z").await });
    }
    let dropped: u64 = pruning.join_all().await.iter().sum();
    assert_eq!(
        dropped + prune(&store, "2020-01-03T00:00:00Z").await,
        2,
        "who finds another at it leaves it to that one"
    );
    assert_eq!(place.partitions().await.len(), 5);
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_runs_on_the_default_partition() {
    let place = Place::new().await;
    place.open().await.close().await;
    let role = format!("{}_worker", place.schema);
    place.drop_today().await;
    place.add_old_days().await;
    place
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret';
            GRANT USAGE ON SCHEMA {{schema}} TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {{schema}} TO {role}"
        ))
        .await;
    let (_, server) = place.url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:secret@{server}");
    let store = PgOptions::new().schema(&place.schema).connect(&url).await.unwrap();
    let (session, mut claim) = hold(&store).await;
    assert_eq!(prune(&store, "2020-01-03T00:00:00Z").await, 0);
    run(&store, session, &mut claim).await;
    assert_eq!(place.count("SELECT count(*) FROM {schema}.results_default").await, 1);
    assert_eq!(store.records(claim.monitor.id, None, ALL).await.unwrap().len(), 1);
    store.close().await;
    place.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn what_a_deleted_monitor_found_is_removed_piece_by_piece() {
    let place = Place::new().await;
    let store = place.open().await;
    let (session, mut claim) = hold(&store).await;
    for _ in 0..5 {
        run(&store, session, &mut claim).await;
    }
    store.delete(claim.monitor.id).await.unwrap();
    assert_eq!(store.records(claim.monitor.id, None, ALL).await.unwrap(), []);
    let mut left = Vec::new();
    for _ in 0..3 {
        store.prune(Retention::new(Timestamp::from_micros(0), Timestamp::from_micros(0)), 2).await.unwrap();
        left.push(place.count("SELECT count(*) FROM {schema}.results").await);
    }
    assert_eq!(left, [3, 1, 0]);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.deleted").await, 0);
}
