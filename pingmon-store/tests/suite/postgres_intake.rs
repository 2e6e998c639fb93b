//! Monitors that people write straight into the database: good ones, bad ones, and rows that nobody can read.

use std::{borrow::Cow, time::Duration};

use pingmon_core::{
    id::SessionId,
    monitor::{Definition, Origin},
    policy::Threshold,
    schedule::Schedule,
    store::{
        catalog::Catalog as _,
        claims::{Claims as _, SessionInfo},
    },
    time::Timestamp,
};
use pingmon_store::postgres::PgStore;
use serde_json::json;
use tokio::task::JoinSet;

use crate::postgres::Place;

const KIND: &str = "probe";
const LEASE: Duration = Duration::from_secs(600);
const ALL: usize = 1_000;

/// The names that were taken in, and the names of the others with their problems.
async fn adopt(store: &PgStore) -> (Vec<String>, Vec<(String, String)>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for adoption in store.adopt(ALL).await.unwrap() {
        match adoption.problem {
            None => good.push(adoption.name),
            Some(problem) => bad.push((adoption.name, problem)),
        }
    }
    (good, bad)
}

async fn definitions(store: &PgStore) -> Vec<Definition> {
    let monitors = store.monitors(None, ALL).await.unwrap();
    monitors.into_iter().map(|overview| overview.monitor.definition).collect()
}

async fn claimed(store: &PgStore) -> Vec<String> {
    let session = SessionId::new();
    store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await.unwrap();
    let claims = store.claim(session, &[Cow::Borrowed(KIND)], ALL).await.unwrap();
    let mut names: Vec<_> = claims.into_iter().map(|claim| claim.monitor.definition.name).collect();
    names.sort();
    store.leave(session).await.unwrap();
    names
}

#[tokio::test]
async fn a_row_of_a_name_and_a_kind_becomes_a_monitor_with_the_usual_values() {
    let place = Place::new().await;
    let store = place.open().await;
    assert_eq!(adopt(&store).await.0, [""; 0]);
    place.execute("INSERT INTO {schema}.new_monitors (name, kind) VALUES ('shop', 'probe')").await;
    assert_eq!(adopt(&store).await, (vec!["shop".to_owned()], vec![]));
    let usual = Definition::new("shop", KIND).origin(Origin::new(Origin::SQL));
    assert_eq!(definitions(&store).await, [usual]);
    assert_eq!(claimed(&store).await, ["shop"]);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.new_monitors").await, 0);
}

#[tokio::test]
async fn all_that_a_row_says_is_taken_over() {
    let place = Place::new().await;
    let store = place.open().await;
    let insert = r#"INSERT INTO {schema}.new_monitors (name, kind, config, every, timeout, policy, notify, labels)
        VALUES ('a', 'http', '{"url": "http://a/"}', '5m', '7s', '{"open_after": 3}', '{ops,chat}', '{"team": "a"}');
        INSERT INTO {schema}.new_monitors (name, kind, cron, timezone) VALUES ('b', 'probe', '0 3 * * *', 'Europe/Oslo')"#;
    place.execute(insert).await;
    assert_eq!(adopt(&store).await.0, ["a", "b"]);
    let [a, b] = definitions(&store).await.try_into().unwrap();
    assert_eq!(
        (&a.config, &a.schedule),
        (&json!({ "url": "http://a/" }), &Schedule::every(Duration::from_secs(300)).unwrap())
    );
    assert_eq!((a.timeout.0, a.policy.open_after), (Duration::from_secs(7), Threshold::Count(3)));
    assert_eq!((a.notify, a.labels["team"].as_str()), (vec!["ops".to_owned(), "chat".to_owned()], "a"));
    assert_eq!(b.schedule, Schedule::cron("0 3 * * *", "Europe/Oslo").unwrap());
}

#[tokio::test]
async fn a_bad_row_is_told_of_once_and_tried_again_when_it_is_mended() {
    let place = Place::new().await;
    let store = place.open().await;
    store.put(vec![Definition::new("taken", KIND)]).await.unwrap();
    let insert = r#"INSERT INTO {schema}.new_monitors (name, kind, every, cron, timeout, config, policy, labels) VALUES
        ('1 fine', 'probe', NULL, NULL, NULL, NULL, NULL, NULL),
        ('2 every', 'probe', 'often', NULL, NULL, NULL, NULL, NULL),
        ('3 timeout', 'probe', '10s', NULL, '20s', NULL, NULL, NULL),
        ('4 config', 'probe', NULL, NULL, NULL, '[1]', NULL, NULL),
        ('5 policy', 'probe', NULL, NULL, NULL, NULL, '{"opn_after": 3}', NULL),
        ('6 labels', 'probe', NULL, NULL, NULL, NULL, NULL, '{"team": 3}'),
        ('7 both', 'probe', '10s', '* * * * *', NULL, NULL, NULL, NULL),
        ('8 cron', 'probe', NULL, 'now and then', NULL, NULL, NULL, NULL),
        ('9 kind', '', NULL, NULL, NULL, NULL, NULL, NULL),
        ('taken', 'probe', NULL, NULL, NULL, NULL, NULL, NULL)"#;
    place.execute(insert).await;
    let (good, bad) = adopt(&store).await;
    assert_eq!(good, ["1 fine"]);
    let fields = ["every", "timeout", "config", "policy", "labels", "cron", "cron", "kind", "name"];
    assert_eq!(bad.len(), fields.len());
    for ((name, problem), field) in bad.iter().zip(fields) {
        assert!(problem.contains(&format!("invalid {field}: ")), "{name}: {problem}");
    }
    assert_eq!(adopt(&store).await, (vec![], vec![]), "once");
    place.execute("UPDATE {schema}.new_monitors SET every = '20s' WHERE name = '2 every'").await;
    place.execute("UPDATE {schema}.new_monitors SET name = 'free' WHERE name = 'taken'").await;
    assert_eq!(adopt(&store).await, (vec!["2 every".to_owned(), "free".to_owned()], vec![]));
    assert_eq!(place.count("SELECT count(problem) FROM {schema}.new_monitors").await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_engines_take_in_each_row_once() {
    let place = Place::new().await;
    let insert =
        "INSERT INTO {schema}.new_monitors (name, kind) SELECT 'm' || n, 'probe' FROM generate_series(1, 300) n";
    let stores = [place.open().await, place.open().await, place.open().await];
    place.execute(insert).await;
    let mut adopting = JoinSet::new();
    for store in stores {
        adopting.spawn(async move {
            let mut adopted = 0;
            for _ in 0..20 {
                adopted += store.adopt(50).await.unwrap().into_iter().filter(|one| one.problem.is_none()).count();
            }
            adopted
        });
    }
    assert_eq!(adopting.join_all().await.iter().sum::<usize>(), 300);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.schedule").await, 300);
}

#[tokio::test]
async fn a_monitor_that_can_not_be_read_keeps_nobody_from_the_others() {
    let place = Place::new().await;
    let store = place.open().await;
    let named = |name: &str| Definition::new(name, KIND).every(Duration::from_secs(10));
    store.put(["a", "b", "c", "d"].map(named).to_vec()).await.unwrap();
    let spoil = r#"UPDATE {schema}.monitors SET definition = '{"schedule": "sometimes"}' WHERE name IN ('b', 'c')"#;
    place.execute(spoil).await;
    let paged = async || {
        let mut names = Vec::new();
        while let [overview] = store.monitors(names.last().map(String::as_str), 1).await.unwrap().as_slice() {
            names.push(overview.monitor.definition.name.clone());
        }
        names
    };
    assert_eq!(paged().await, ["a", "d"]);
    assert_eq!(store.overdue(Timestamp::MAX, ALL).await.unwrap().len(), 2);
    assert_eq!(claimed(&store).await, ["a", "d"]);
    assert_eq!(claimed(&store).await, ["a", "d"]);
    assert_eq!(place.count("SELECT count(*) FROM {schema}.schedule WHERE due IS NULL").await, 0, "others may try");
    assert!(store.monitor(store.put(vec![named("b")]).await.unwrap()[0].id).await.is_ok(), "put anew, it is mended");
    assert_eq!(paged().await, ["a", "b", "d"]);
    assert_eq!(claimed(&place.open().await).await, ["a", "b", "d"]);
}
