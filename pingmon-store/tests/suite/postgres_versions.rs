//! Tables of other versions than this program's, and tables that people make by the printed script.

use std::{borrow::Cow, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    id::SessionId,
    matcher::Matcher,
    monitor::Definition,
    outcome::Outcome,
    silence::{Draft, End},
    store::{
        catalog::Catalog as _,
        claims::{Claims as _, Completion, SessionInfo, Verdict},
        silences::Silences as _,
    },
    time::Span,
};
use pingmon_store::postgres::{PgOptions, PgStore};

use crate::postgres::Place;

const KIND: &str = "probe";
const LEASE: Duration = Duration::from_secs(600);

impl Place {
    fn options(&self) -> PgOptions {
        PgOptions::new().schema(&self.schema)
    }

    /// A migration from the future, which programs of today can live with or not.
    async fn migrate_to_the_future(&self, oldest: i64) {
        let migration = format!(
            "BEGIN; ALTER TABLE {{schema}}.monitors ADD COLUMN tier text NOT NULL DEFAULT 'gold';
            INSERT INTO {{schema}}.migrations (version, name, oldest) VALUES (999, 'tiers', {oldest}); COMMIT"
        );
        self.execute(&migration).await;
    }
}

/// Why the store at this place can't be used.
fn refusal<T>(answer: Result<T>) -> String {
    match answer {
        Err(Error::Config { field, reason }) if field == "store.url" => reason,
        Err(error) => panic!("not a refusal of the URL: {}", error.chain()),
        Ok(_) => panic!("not refused"),
    }
}

/// Adds a monitor and runs it once.
async fn work(store: &PgStore, name: &str) {
    store.put(vec![Definition::new(name, KIND)]).await.unwrap();
    let session = SessionId::new();
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap();
    let claims = store.claim(session, &[Cow::Borrowed(KIND)], 1).await.unwrap();
    let next = claims[0].slot + Duration::from_secs(60);
    let completion = Completion::new(&claims[0], claims[0].slot, Outcome::up("fine"), next);
    assert_eq!(store.complete(session, &[completion]).await.unwrap(), [Verdict::Accepted]);
}

#[tokio::test]
async fn a_store_without_tables_asks_for_them() {
    let place = Place::new().await;
    let store = place.options().connect(place.url()).await.unwrap();
    let reason = refusal(store.monitors(None, 1).await);
    assert!(reason.contains("run `pingmon migrate`"), "{reason}");
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    work(&store, "shop").await;
}

#[tokio::test]
async fn programs_of_today_go_on_under_a_migration_that_allows_for_them() {
    let place = Place::new().await;
    let running = place.open().await;
    work(&running, "before").await;
    place.migrate_to_the_future(1).await;
    work(&running, "after").await;
    let restarted = place.open().await;
    work(&restarted, "restarted").await;
    assert_eq!(restarted.monitors(None, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn programs_of_today_refuse_tables_that_have_left_them_behind() {
    let place = Place::new().await;
    place.open().await.close().await;
    place.migrate_to_the_future(999).await;
    let store = place.options().connect(place.url()).await.unwrap();
    for reason in [refusal(store.monitors(None, 1).await), refusal(store.migrate().await)] {
        assert!(reason.contains("schema version 999") && reason.contains("run a newer pingmon"), "{reason}");
    }
}

#[tokio::test]
async fn tables_made_by_the_printed_script_are_the_program_s_own() {
    let place = Place::new().await;
    let script = place.options().migrations().unwrap();
    for _ in 0..2 {
        place.execute(&script).await;
    }
    let store = place.options().connect(place.url()).await.unwrap();
    work(&store, "shop").await;
    store.migrate().await.unwrap();
    let migrations = script.matches("(version, name, oldest) VALUES").count();
    assert_eq!(place.count("SELECT count(*) FROM {schema}.migrations").await, migrations as i64);
    assert_eq!(place.partitions().await.len(), 5, "today, three days more, and the default");
}

#[tokio::test]
async fn no_more_silences_than_the_limit_are_alive() {
    let place = Place::new().await;
    let store = place.open().await;
    let hour = || Draft::new(Matcher::all(), End::After(Span(Duration::from_secs(3_600))), "anna");
    let first = store.silence(hour()).await.unwrap();
    place
        .execute(
            "INSERT INTO {schema}.silences
            SELECT gen_random_uuid(), matcher, starts_at, ends_at, made_by, comment, maintenance
            FROM {schema}.silences, generate_series(2, 1000)",
        )
        .await;
    assert!(matches!(store.silence(hour()).await, Err(Error::Config { field, .. }) if field == "silences"));
    store.end_silence(first.id).await.unwrap();
    store.silence(hour()).await.unwrap();
}
