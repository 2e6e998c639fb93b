//! `/healthz` and `/readyz` tell the truth.

use std::sync::Arc;

use pingmon_core::engine::vitals::Vitals;
use pingmon_web::Face;
use serde_json::json;

use crate::{
    broken::{Broken, CAUSE},
    world::{World, get},
};

fn vitals(fault: Option<&str>) -> Vitals {
    let mut vitals = Vitals::default();
    vitals.faults.extend(fault.map(str::to_owned));
    vitals
}

#[tokio::test]
async fn a_face_is_ready_when_its_engine_works_and_its_store_can_be_read() {
    let world = World::new().await;
    for (face, status, faults) in [
        (world.face(), 200, json!([])),
        (world.face().engine(|| vitals(None)), 200, json!([])),
        (
            world.face().engine(|| vitals(Some("the scheduler has stood still for 9 s"))),
            503,
            json!(["the scheduler has stood still for 9 s"]),
        ),
        (
            Face::new(Arc::new(Broken::Failing)).engine(|| vitals(Some("the engine's lease has run out"))),
            503,
            json!(["the engine's lease has run out", "the store can't be read"]),
        ),
    ] {
        let answer = get(&pingmon_web::router(face), "/readyz").await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.json(), json!({ "ready": status == 200, "faults": faults }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_store_is_not_ready_and_holds_nobody() {
    let router = pingmon_web::router(Face::new(Arc::new(Broken::Hung)));
    let started = tokio::time::Instant::now();
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["faults"], json!(["the store didn't answer within 2 s"]));
    assert_eq!(started.elapsed().as_secs(), 2);
    for path in ["/", "/incidents", "/api/v1/monitors", "/api/v1/engine"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.body.contains("the store can&#x27;t be read right now") || answer.json()["error"].is_string());
    }
}

#[tokio::test]
async fn the_process_answers_whatever_its_store_does() {
    let answer = get(&pingmon_web::router(Face::new(Arc::new(Broken::Hung))), "/healthz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_failing_store_is_told_plainly_and_its_cause_is_kept() {
    let router = pingmon_web::router(Face::new(Arc::new(Broken::Failing)));
    let id = "0190f0e0-0000-7000-8000-000000000000";
    let (monitor, api) = (format!("/monitors/{id}"), format!("/api/v1/monitors/{id}/results"));
    for path in ["/", &monitor, "/incidents", "/api/v1/monitors", &api, "/api/v1/deliveries", "/readyz"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.body.contains("be read"), "{path}: {}", answer.body);
        let told = answer.body.contains("10.0.0.7") || answer.body.contains("password");
        assert!(!told, "{path} tells the reader: {CAUSE}");
    }
}
