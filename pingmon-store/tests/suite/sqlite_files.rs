//! Opening a file: new, again, together, and what isn't one of ours.

use std::time::Duration;

use pingmon_core::{
    error::Error,
    matcher::Matcher,
    monitor::Definition,
    silence::{Draft, End, MAX_ALIVE},
    store::{
        catalog::{Catalog as _, Change},
        silences::Silences as _,
    },
    time::Span,
};
use pingmon_store::sqlite::SqliteStore;
use sqlx::Connection as _;

use crate::sqlite::Place;

fn shop() -> Definition {
    Definition::new("shop api", "http").every(Duration::from_secs(30))
}

/// The refusal of a URL that can't be opened.
async fn refusal(url: &str) -> String {
    match SqliteStore::open(url).await.unwrap_err() {
        Error::Config { field, reason } => {
            assert_eq!(field, "store.url");
            reason
        }
        error => panic!("not a refusal of the URL: {}", error.chain()),
    }
}

#[tokio::test]
async fn what_was_put_is_there_when_the_file_is_opened_again() {
    let place = Place::new();
    let store = place.open().await;
    let id = store.put(vec![shop()]).await.unwrap()[0].id;
    store.close().await;
    assert!(!place.path().with_extension("db-wal").exists(), "closing folds the WAL into the file");
    let again = place.open().await.put(vec![shop()]).await.unwrap();
    assert_eq!((again[0].id, again[0].change), (id, Change::Unchanged));
}

#[tokio::test]
async fn a_store_that_was_dropped_without_closing_has_lost_nothing() {
    let place = Place::new();
    let id = place.open().await.put(vec![shop()]).await.unwrap()[0].id;
    assert_eq!(place.open().await.monitor(id).await.unwrap().monitor.definition, shop());
}

#[tokio::test]
async fn a_store_in_memory_keeps_what_it_is_told_while_it_lives() {
    let store = SqliteStore::open("sqlite::memory:").await.unwrap();
    let id = store.put(vec![shop()]).await.unwrap()[0].id;
    assert_eq!(store.monitor(id).await.unwrap().monitor.definition, shop());
}

#[tokio::test]
async fn a_closed_store_refuses_instead_of_hanging() {
    let place = Place::new();
    let store = place.open().await;
    store.close().await;
    assert!(matches!(store.put(vec![shop()]).await, Err(Error::Store { retryable: false, .. })));
    assert!(matches!(store.monitors(None, 1).await, Err(Error::Store { retryable: false, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_open_a_new_file_at_once_all_find_it_ready() {
    for _ in 0..10 {
        let place = Place::new();
        let opening: Vec<_> = (0..8)
            .map(|_| {
                tokio::task::spawn_blocking({
                    let url = place.url();
                    move || tokio::runtime::Handle::current().block_on(SqliteStore::open(&url))
                })
            })
            .collect();
        for store in opening {
            let store = store.await.unwrap().unwrap_or_else(|error| panic!("{}", error.chain()));
            store.put(vec![shop()]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_schema_newer_than_known_is_refused() {
    let place = Place::new();
    place.open().await.close().await;
    let mut behind = place.connect().await;
    let newer = "INSERT INTO pingmon_migrations (version, description, success, checksum, execution_time)
        VALUES (999, 'from the future', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut behind).await.unwrap();
    behind.close().await.unwrap();
    let reason = refusal(&place.url()).await;
    assert!(reason.contains("schema version 999") && reason.contains("run a newer pingmon"), "{reason}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let letter = "Dear diary, this is not a database at all. ".repeat(100);
    std::fs::write(place.path(), &letter).unwrap();
    let reason = refusal(&place.url()).await;
    assert!(reason.contains("pingmon.db\" is not an SQLite database"), "{reason}");
    assert_eq!(std::fs::read_to_string(place.path()).unwrap(), letter);
}

#[tokio::test]
async fn a_damaged_database_is_refused_with_the_reason() {
    let place = Place::new();
    place.open().await.close().await;
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes[100..].fill(0xa5);
    std::fs::write(place.path(), bytes).unwrap();
    let reason = refusal(&place.url()).await;
    assert!(reason.contains("is damaged, restore a copy"), "{reason}");
}

#[tokio::test]
async fn a_database_of_another_program_keeps_its_tables() {
    let place = Place::new();
    place.open().await.close().await;
    let mut host = place.connect().await;
    sqlx::query("CREATE TABLE orders (id INTEGER)").execute(&mut host).await.unwrap();
    let store = place.open().await;
    store.put(vec![shop()]).await.unwrap();
    let foreign = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'pingmon\\_%' ESCAPE '\\'
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    assert_eq!(sqlx::query_scalar::<_, i64>(foreign).fetch_one(&mut host).await.unwrap(), 1);
}

#[tokio::test]
async fn no_more_silences_than_the_limit_are_alive() {
    let place = Place::new();
    let store = place.open().await;
    let hour = || Draft::new(Matcher::all(), End::After(Span(Duration::from_secs(3_600))), "anna");
    let first = store.silence(hour()).await.unwrap();
    let more = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO pingmon_silences SELECT randomblob(16), matcher, starts_at, ends_at, made_by, comment, maintenance
        FROM n, (SELECT * FROM pingmon_silences LIMIT 1)";
    sqlx::query(more).bind(MAX_ALIVE as i64).execute(&mut place.connect().await).await.unwrap();
    assert!(matches!(store.silence(hour()).await, Err(Error::Config { field, .. }) if field == "silences"));
    store.end_silence(first.id).await.unwrap();
    store.silence(hour()).await.unwrap();
}
