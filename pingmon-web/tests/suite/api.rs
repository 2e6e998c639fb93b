//! The JSON API: shapes, limits, paging, refusals.

use std::{collections::BTreeSet, time::Duration};

use pingmon_core::{
    engine::vitals::Vitals,
    monitor::{Definition, State},
    outcome::{Metric, Outcome, Status},
    store::catalog::Catalog,
};
use serde_json::{Value, json};

use crate::world::{World, get};

#[tokio::test]
async fn a_result_has_the_shape_of_a_line_of_pingmon_check() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    let mut outcome = Outcome::up("200 OK")
        .latency(Duration::from_micros(12_500))
        .phase("tls", Duration::from_millis(8))
        .phase("dns", Duration::from_millis(2))
        .metric(Metric::new("body", 512.0, "bytes"))
        .evidence("http_status", 500);
    outcome.fail(Status::Down, "status", "2xx", "500");
    world.run(id, outcome).await;
    let answer = get(&world.router(), &format!("/api/v1/monitors/{id}/results")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.json(),
        json!({ "next": null, "results": [{
            "slot": "2026-11-22T10:00:00.000000Z",
            "started_at": "2026-11-22T10:00:00.003000Z",
            "status": "down",
            "latency_ms": 12.5,
            "phases_ms": { "tls": 8.0, "dns": 2.0 },
            "message": "status: expected 2xx, got 500",
            "failed": [{ "expectation": "status", "level": "down", "expected": "2xx", "actual": "500" }],
            "metrics": [{ "name": "body", "value": 512.0, "unit": "bytes" }],
            "evidence": { "http_status": 500 },
        }]})
    );
    let order = (answer.body.find("\"tls\""), answer.body.find("\"dns\""));
    assert!(order.0 < order.1, "phases stand in the order they happened: {}", answer.body);
}

#[tokio::test]
async fn a_monitor_is_told_without_its_config() {
    let world = World::new().await;
    let definition = Definition::new("shop", "http").config(json!({ "url": "https://shop.example" }));
    let id = world.add([definition.notify(["ops"]).label("team", "web")]).await[0];
    world.run(id, Outcome::up("fine")).await;
    let answer = get(&world.router(), &format!("/api/v1/monitors/{id}")).await.json();
    for (field, value) in [
        ("name", json!("shop")),
        ("kind", json!("http")),
        ("state", json!("active")),
        ("status", json!("up")),
        ("schedule", json!({ "every": "1m" })),
        ("timeout", json!("10s")),
        ("notify", json!(["ops"])),
        ("labels", json!({ "team": "web" })),
        ("origin", json!("code")),
        ("incidents", json!([])),
    ] {
        assert_eq!(answer[field], value, "{field} in {answer}");
    }
    assert_eq!(answer["last"]["message"], "fine");
    assert_eq!(answer.get("config"), None);
}

#[tokio::test]
async fn a_paused_monitor_has_no_next_slot_and_a_retired_one_can_still_be_read() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    world.store.set_state(id, State::Paused).await.unwrap();
    let router = world.router();
    let answer = get(&router, "/api/v1/monitors").await.json();
    assert_eq!(
        (&answer["monitors"][0]["state"], &answer["monitors"][0]["next_slot"]),
        (&json!("paused"), &Value::Null)
    );
    world.store.set_state(id, State::Retired).await.unwrap();
    assert_eq!(get(&router, "/api/v1/monitors").await.json()["monitors"], json!([]));
    let answer = get(&router, &format!("/api/v1/monitors/{id}")).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("retired")));
}

/// Follows `next` from page to page and collects `field` of every row.
async fn walk(world: &World, path: &str, list: &str, cursor: &str, field: &str) -> Vec<String> {
    let router = world.router();
    let mut seen = Vec::new();
    let mut query = String::new();
    for _ in 0..100 {
        let answer = get(&router, &format!("{path}&{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        seen.extend(page[list].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => query = format!("{cursor}={}", next.replace(' ', "%20")),
            None => return seen,
        }
    }
    panic!("{path} never ends");
}

#[tokio::test]
async fn paging_meets_every_row_once() {
    let world = World::new().await;
    let names: Vec<String> = (0..25).map(|number| format!("shop {number:02}")).collect();
    let ids = world.add(names.iter().map(|name| Definition::new(name, "http"))).await;
    for id in &ids {
        world.run_times(3, *id, &Outcome::down("refused")).await;
    }
    assert_eq!(walk(&world, "/api/v1/monitors?limit=10", "monitors", "after", "name").await, names);

    let results = format!("/api/v1/monitors/{}/results?limit=2", ids[0]);
    assert_eq!(walk(&world, &results, "results", "before", "slot").await.len(), 3);

    let incidents = walk(&world, "/api/v1/incidents?limit=4&open=true", "incidents", "before", "id").await;
    assert_eq!(incidents.len(), 25);
    assert_eq!(incidents.iter().collect::<BTreeSet<_>>().len(), 25);
}

#[tokio::test]
async fn incidents_of_one_instant_are_not_lost_between_pages() {
    let world = World::new().await;
    let noon = "2026-11-22T12:00:00Z".parse().unwrap();
    for id in world.add((0..7).map(|number| Definition::new(format!("shop {number}"), "http"))).await {
        world.run_at(id, noon, Outcome::down("refused")).await;
        world.run_at(id, noon, Outcome::down("refused")).await;
    }
    for limit in [1, 2, 3, 7] {
        let path = format!("/api/v1/incidents?limit={limit}");
        let met = walk(&world, &path, "incidents", "before", "id").await;
        assert_eq!(met.len(), 7, "limit {limit}");
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 7, "limit {limit}");
    }
}

#[tokio::test]
async fn a_bad_query_names_its_field() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    let router = world.router();
    for (query, field) in [
        ("monitors?limit=0".to_owned(), "limit"),
        ("monitors?limit=1001".to_owned(), "limit"),
        ("monitors?limit=ten".to_owned(), "limit"),
        ("monitors?colour=red".to_owned(), "colour"),
        (format!("monitors/{id}/results?before=yesterday"), "before"),
        (format!("monitors/{id}/gaps?before=1"), "before"),
        ("incidents?open=maybe".to_owned(), "open"),
        ("incidents?monitor=7".to_owned(), "monitor"),
        ("incidents?before=2026-11-22T10:00:00Z~many".to_owned(), "before"),
        ("deliveries?state=lost".to_owned(), "state"),
    ] {
        let answer = get(&router, &format!("/api/v1/{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("invalid query: ") && error.contains(field), "{query}: {error}");
    }
    assert_eq!(get(&router, "/api/v1/monitors?limit=1000").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_404_in_json() {
    let router = World::new().await.router();
    let id = "0190f0e0-0000-7000-8000-000000000000";
    for path in [
        format!("/api/v1/monitors/{id}"),
        format!("/api/v1/monitors/{id}/results"),
        format!("/api/v1/monitors/{id}/gaps"),
        format!("/api/v1/incidents/{id}"),
        "/api/v1/monitors/seven".to_owned(),
        "/api/v1/incidents/%FF".to_owned(),
    ] {
        let answer = get(&router, &path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().starts_with("failed to find"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn deliveries_are_told_by_state_and_monitor() {
    let world = World::new().await;
    let ids = world.add(["shop", "blog"].map(|name| Definition::new(name, "http").notify(["ops"]))).await;
    for id in &ids {
        world.run_times(2, *id, &Outcome::down("refused")).await;
    }
    let router = world.router();
    let answer = get(&router, &format!("/api/v1/deliveries?state=pending&monitor={}", ids[0])).await.json();
    let deliveries = answer["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["headline"], "shop is down: refused");
    assert_eq!(deliveries[0]["monitor"]["name"], "shop");
    assert_eq!((&deliveries[0]["event"], &deliveries[0]["channel"]), (&json!("opened"), &json!("ops")));
    assert_eq!(get(&router, "/api/v1/deliveries?state=sent").await.json()["deliveries"], json!([]));
}

#[tokio::test]
async fn the_engine_and_all_sessions_are_told() {
    let world = World::new().await;
    let router = pingmon_web::router(world.face().engine(|| {
        let mut vitals = Vitals::default();
        vitals.held = 7;
        vitals
    }));
    let answer = get(&router, "/api/v1/engine").await.json();
    assert_eq!((&answer["engine"]["ready"], &answer["engine"]["held"]), (&json!(true), &json!(7)));
    assert_eq!(answer["sessions"][0]["host"], "host-1");
    for (figure, value) in [("weight", 1_000.0), ("running", 0.0), ("concurrency", 0.0), ("lateness_ms", 0.0)] {
        assert_eq!(answer["sessions"][0][figure].as_f64(), Some(value), "{figure}");
    }
    assert_eq!(get(&world.router(), "/api/v1/engine").await.json()["engine"], Value::Null);
}
