//! Notices that were given up: shown, and sent again by whoever may.

use pingmon_core::{
    monitor::Definition,
    notification::{Delivery, DeliveryState},
    outcome::Outcome,
    store::outbox::{DeliveryFilter, Outbox as _, Settled, Settlement},
};

use crate::world::{World, get, post};

/// A world with one dead letter.
async fn with_dead_letter() -> (World, Delivery) {
    let world = World::new().await;
    let id = world.add([Definition::new("shop", "http").notify(["<ops>"])]).await[0];
    world.run_times(2, id, &Outcome::down("refused")).await;
    let taken = world.store.take(world.session, "<ops>", 10).await.unwrap().remove(0);
    let dead = Settled::Dead { error: "410 <gone>".into() };
    world.store.settle(world.session, &[Settlement::new(&taken, dead)]).await.unwrap();
    (world, taken)
}

async fn state(world: &World) -> DeliveryState {
    world.store.deliveries(DeliveryFilter::all(), 10).await.unwrap()[0].state
}

#[tokio::test]
async fn a_notice_given_up_is_shown_with_its_reason() {
    let (world, dead) = with_dead_letter().await;
    let page = get(&world.router(), "/notices").await;
    assert_eq!(page.status, 200);
    for shown in ["shop is down: refused", "410 &lt;gone&gt;", "&lt;ops&gt;", &dead.id().to_string(), "1 attempt<"] {
        assert!(page.body.contains(shown), "{shown} isn't in {}", page.body);
    }
    let answer = get(&world.router(), "/api/v1/deliveries?state=dead").await.json();
    assert_eq!(answer["deliveries"][0]["last_error"], "410 <gone>");
    assert_eq!(
        get(&world.router(), "/api/v1/deliveries?state=folded").await.json()["deliveries"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn what_goes_in_another_s_message_says_in_whose() {
    let world = World::new().await;
    let ids = world.add(["shop", "mill"].map(|name| Definition::new(name, "http").notify(["digest"]))).await;
    for id in ids {
        world.run_times(2, id, &Outcome::down("refused")).await;
    }
    let leader = world.store.take(world.session, "digest", 10).await.unwrap().remove(0);
    let page = get(&world.router(), "/notices").await.body;
    assert_eq!(page.matches(&format!("told with {}", leader.id())).count(), 1, "{page}");
    let rows = get(&world.router(), "/api/v1/deliveries").await.json()["deliveries"].clone();
    let leaders: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["leader"].clone()).collect();
    assert!(leaders.contains(&serde_json::Value::Null), "{rows}");
    assert!(leaders.contains(&serde_json::json!(leader.id())), "{rows}");
}

#[tokio::test]
async fn only_the_administrator_sends_it_again() {
    let (world, dead) = with_dead_letter().await;
    let path = format!("/api/v1/deliveries/{}/resend", dead.id());
    let read_only = post(&world.router(), &path, Some("Bearer secret")).await;
    assert_eq!(read_only.status, 403, "{}", read_only.body);
    let router = pingmon_web::router(world.face().admin_token("secret"));
    for authorization in [None, Some("Bearer wrong"), Some("Basic secret"), Some("secret"), Some("Bearer ")] {
        assert_eq!(post(&router, &path, authorization).await.status, 401, "{authorization:?}");
    }
    assert_eq!(get(&router, &path).await.status, 405);
    assert_eq!(state(&world).await, DeliveryState::Dead);
    assert_eq!(post(&router, &path, Some("bearer secret")).await.status, 204);
    assert_eq!(state(&world).await, DeliveryState::Pending);
    assert_eq!(post(&router, &path, Some("Bearer secret")).await.status, 404, "it isn't given up any more");
}

#[test]
fn the_token_is_in_no_debug_output() {
    let face = pingmon_web::Face::new(std::sync::Arc::new(pingmon_store::memory::MemoryStore::new()));
    assert!(!format!("{:?}", face.admin_token("hunter2")).contains("hunter2"));
}
