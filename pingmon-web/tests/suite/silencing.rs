//! Monitors that somebody wants to hear nothing of: by the API, and by the signed links of notices.

use std::time::Duration;

use axum::Router;
use pingmon_core::{
    id::MonitorId,
    matcher::Matcher,
    monitor::Definition,
    outcome::Outcome,
    silence::{Draft, End, Silence},
    store::{
        outbox::Outbox as _,
        silences::{SilenceFilter, Silences as _},
    },
    time::Span,
};
use pingmon_web::Signer;
use serde_json::json;

use crate::world::{Answer, World, delete, get, post_body};

const HOUR: Duration = Duration::from_secs(3_600);
const PATH: &str = "/api/v1/silences";
const ADMIN: &str = "Bearer secret";
const FORM: &str = "application/x-www-form-urlencoded";

async fn silences(world: &World) -> Vec<Silence> {
    world.store.silences(SilenceFilter::all(), 10_000).await.unwrap()
}

async fn ask(router: &Router, body: &str) -> Answer {
    post_body(router, PATH, ADMIN, "application/json", body).await
}

fn face(world: &World) -> Router {
    pingmon_web::router(world.face().admin_token("secret"))
}

#[tokio::test]
async fn the_administrator_silences_monitors_and_ends_it_and_everybody_sees_it() {
    let world = World::new().await;
    let router = face(&world);
    let made = ask(
        &router,
        r#"{"monitors":["shop"],"labels":{"team":"a"},"for":"2h","by":" anna ","comment":"disks","maintenance":true}"#,
    )
    .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let expected = json!({
        "id": made["id"], "monitors": ["shop"], "labels": { "team": "a" }, "by": "anna", "comment": "disks",
        "from": "2026-11-22T10:00:00.000000Z", "until": "2026-11-22T12:00:00.000000Z", "maintenance": true,
    });
    assert_eq!(made, expected);
    let later = ask(&router, r#"{"from":"2026-11-23T10:00:00Z","until":"2026-11-23T11:00:00Z","by":"anna"}"#).await;
    assert_eq!((later.status, &later.json()["monitors"]), (201, &json!([])));
    let listed = get(&router, PATH).await.json();
    assert_eq!(listed, json!({ "silences": [later.json(), expected] }));
    let one = format!("{PATH}/{}", made["id"].as_str().unwrap());
    assert_eq!(delete(&router, &one, "Bearer wrong").await.status, 401);
    let ended = delete(&router, &one, ADMIN).await;
    assert_eq!((ended.status, &ended.json()["until"]), (200, &json!("2026-11-22T10:00:00.000000Z")));
    assert_eq!(delete(&router, &one, ADMIN).await.status, 404, "it is over");
    assert_eq!(get(&router, PATH).await.json()["silences"].as_array().unwrap().len(), 1);
    assert_eq!(get(&router, "/api/v1/silences?ended=true").await.json()["silences"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_by_its_field_and_strangers_may_not() {
    let world = World::new().await;
    let router = face(&world);
    for (body, words) in [
        ("", "EOF"),
        (r#"{"for":"1h"}"#, "missing field `by`"),
        (r#"{"for":"1h","by":"anna","monitor":"shop"}"#, "unknown field `monitor`"),
        (r#"{"for":"1h","by":"anna","monitors":[]}"#, "invalid monitors: names none"),
        (r#"{"by":"anna"}"#, "exactly one of \"until\" and \"for\""),
        (r#"{"by":"anna","for":"1h","until":"2026-11-22T12:00:00Z"}"#, "exactly one of"),
        (r#"{"by":"anna","until":"2026-11-22T09:00:00Z"}"#, "invalid until: "),
        (r#"{"by":"anna","for":"32d"}"#, "invalid for: "),
        (r#"{"by":"","for":"1h"}"#, "invalid by: "),
        (r#"{"by":"anna","for":"1h","comment":"a\nb"}"#, "invalid comment: "),
        (r#"{"by":"anna","for":"1h","labels":{"":"x"}}"#, "invalid labels: "),
    ] {
        let answer = ask(&router, body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{body}: {error}");
    }
    let good = r#"{"by":"anna","for":"1h"}"#;
    assert_eq!(post_body(&router, PATH, "Bearer wrong", "application/json", good).await.status, 401);
    assert_eq!(post_body(&world.router(), PATH, ADMIN, "application/json", good).await.status, 403);
    assert_eq!(silences(&world).await, []);
}

#[tokio::test]
async fn pages_show_what_is_silenced_now_and_escape_who_said_so() {
    let world = World::new().await;
    let ids = world.add(["shop", "db"].map(|name| Definition::new(name, "http"))).await;
    let router = world.router();
    assert!(!get(&router, "/").await.body.contains("Silenced"));
    let hour = |name: &str| Draft::new(Matcher::all().monitors([name]), End::After(Span(HOUR)), "<b>anna</b>");
    world.store.silence(hour("shop").comment("<script>alert(1)</script>")).await.unwrap();
    world.store.silence(hour("db").from(pingmon_core::time::Clock::now(&*world.clock) + HOUR)).await.unwrap();
    for (path, shows) in
        [("/".to_owned(), true), (format!("/monitors/{}", ids[0]), true), (format!("/monitors/{}", ids[1]), false)]
    {
        let page = get(&router, &path).await.body;
        assert_eq!(page.contains("Silenced"), shows, "{path}: {page}");
        assert_eq!(page.contains("silenced by <bdi>&lt;b&gt;anna"), shows, "{path}: {page}");
        assert!(!page.contains("<script"), "{path}: {page}");
    }
}

/// A world with an open incident, a face that knows the links of its notice, and the path of the one that silences.
async fn with_link() -> (World, Router, MonitorId, String) {
    let world = World::new().await;
    let id = world.add([Definition::new("shop", "http").notify(["ops"])]).await[0];
    world.run_times(2, id, &Outcome::down("refused")).await;
    let signer = Signer::new("https://status.example/", "a key of sixteen").unwrap();
    let notice = world.store.take(world.session, "ops", 10).await.unwrap().remove(0).notification;
    let link = signer.links(&notice).pop().unwrap();
    let router = pingmon_web::router(world.face().signer(signer));
    (world, router, id, link.url.strip_prefix("https://status.example").unwrap().to_owned())
}

#[tokio::test]
async fn a_signed_link_silences_its_monitor_for_an_hour_when_its_button_is_pressed() {
    let (world, router, id, link) = with_link().await;
    let page = get(&router, &link).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("shop") && page.body.contains("<form method=\"post\""), "{}", page.body);
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    assert_eq!(silences(&world).await, [], "to look changes nothing");
    assert_eq!(post_body(&router, &link, "", FORM, "by=").await.status, 400);
    for _ in 0..2 {
        let done = post_body(&router, &link, "", FORM, "by=Anna+%3Cb%3E&comment=").await;
        assert_eq!(done.status, 200);
        assert!(done.body.contains("Anna &lt;b&gt;") && !done.body.contains("<form"), "{}", done.body);
    }
    let made = silences(&world).await;
    assert_eq!(made.len(), 1, "to press it again changes nothing");
    assert_eq!((made[0].by.as_str(), made[0].until.since(made[0].from)), ("Anna <b>", HOUR));
    assert_eq!(made[0].matcher, Matcher::all().monitors(["shop"]));
    world.clock.set(made[0].until);
    assert!(get(&router, &link).await.body.contains("<form"));
    let (_, query) = link.split_once('?').unwrap();
    let other = MonitorId::new();
    for bad in [format!("/silence/{other}?{query}"), format!("/acknowledge/{id}?{query}"), format!("{link}00")] {
        assert_eq!(post_body(&router, &bad, "", FORM, "by=eve").await.status, 403, "{bad}");
    }
    world.clock.set(made[0].until + Duration::from_secs(7 * 86_400 + 1));
    assert_eq!(post_body(&router, &link, "", FORM, "by=eve").await.status, 403, "it is too old");
    assert_eq!(silences(&world).await.len(), 1);
}
