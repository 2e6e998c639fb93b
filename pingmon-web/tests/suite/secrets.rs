//! What a definition's config holds is in no answer.

use pingmon_core::{
    monitor::Definition,
    outcome::Outcome,
    store::incidents::{IncidentFilter, Incidents},
};
use serde_json::json;

use crate::world::{World, get};

const CANARY: &str = "canary-7f3a91";

#[tokio::test]
async fn no_answer_holds_anything_of_a_config() {
    let world = World::new().await;
    let config =
        json!({ "url": format!("https://user:{CANARY}@shop.example/"), "headers": { "authorization": CANARY } });
    let id = world.add([Definition::new("shop", "http").config(config).notify(["ops"])]).await[0];
    world.run_times(2, id, &Outcome::down("refused").evidence("error", "connect")).await;
    let incident = world.store.incidents(IncidentFilter::all(), 1).await.unwrap()[0].id;
    let router = world.router();
    for path in [
        "/".to_owned(),
        format!("/monitors/{id}"),
        "/incidents".to_owned(),
        "/api/v1/monitors".to_owned(),
        format!("/api/v1/monitors/{id}"),
        format!("/api/v1/monitors/{id}/results"),
        format!("/api/v1/monitors/{id}/gaps"),
        "/api/v1/incidents".to_owned(),
        format!("/api/v1/incidents/{incident}"),
        "/api/v1/deliveries".to_owned(),
        "/api/v1/engine".to_owned(),
        "/readyz".to_owned(),
    ] {
        let answer = get(&router, &path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(!answer.body.contains(CANARY) && !answer.body.contains("shop.example"), "{path}: {}", answer.body);
    }
}
