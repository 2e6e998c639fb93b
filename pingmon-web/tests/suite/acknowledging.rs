//! Incidents that somebody sees to: by the API, and by the signed links of notices.

use std::time::Duration;

use axum::Router;
use pingmon_core::{
    error::Error,
    incident::Incident,
    monitor::Definition,
    notification::Link,
    outcome::Outcome,
    store::{
        incidents::{IncidentFilter, Incidents as _},
        outbox::Outbox as _,
    },
};
use pingmon_web::Signer;
use serde_json::json;

use crate::world::{Answer, World, get, post_body};

const KEY: &str = "a key of sixteen";
const FORM: &str = "application/x-www-form-urlencoded";

/// A world with an open incident, a face at the root of `https://status.example`, and the links of the first notice.
async fn with_incident() -> (World, Router, Vec<Link>) {
    let world = World::new().await;
    let id = world.add([Definition::new("shop", "http").notify(["ops"])]).await[0];
    world.run_times(2, id, &Outcome::down("refused")).await;
    let signer = Signer::new("https://status.example/", KEY).unwrap();
    let notice = world.store.take(world.session, "ops", 10).await.unwrap().remove(0).notification;
    let links = signer.links(&notice);
    let router = pingmon_web::router(world.face().signer(signer).admin_token("secret"));
    (world, router, links)
}

async fn incident(world: &World) -> Incident {
    world.store.incidents(IncidentFilter::all(), 10).await.unwrap().remove(0)
}

/// The path of a link with its query.
fn path(link: &Link) -> String {
    link.url.strip_prefix("https://status.example").unwrap().to_owned()
}

async fn press(router: &Router, path: &str, by: &str) -> Answer {
    post_body(router, path, "", FORM, by).await
}

#[tokio::test]
async fn to_look_at_a_signed_link_changes_nothing_and_its_button_does() {
    let (world, router, links) = with_incident().await;
    assert_eq!(
        links.iter().map(|link| link.text.as_str()).collect::<Vec<_>>(),
        ["Details", "Acknowledge", "Silence for 1 h"]
    );
    assert_eq!(get(&router, &path(&links[0])).await.status, 200);
    let link = path(&links[1]);
    let page = get(&router, &link).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("shop") && page.body.contains("<form method=\"post\""), "{}", page.body);
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    assert_eq!(incident(&world).await.acknowledged_by, None);
    assert_eq!(press(&router, &link, "by=").await.status, 400);
    assert_eq!(press(&router, &link, "").await.status, 400);
    let done = press(&router, &link, "by=Anna+%3Cb%3E").await;
    assert_eq!(done.status, 200);
    assert!(done.body.contains("Anna &lt;b&gt;") && !done.body.contains("<form"), "{}", done.body);
    assert_eq!(incident(&world).await.acknowledged_by.as_deref(), Some("Anna <b>"));
    assert!(get(&router, &link).await.body.contains("sees to it"));
}

#[tokio::test]
async fn a_link_that_was_changed_or_is_too_old_opens_nothing() {
    let (world, router, links) = with_incident().await;
    let link = path(&links[1]);
    let other = format!("{}{}", &link[..13], "0193c5a0-0000-5000-8000-000000000001");
    let (_, query) = link.split_once('?').unwrap();
    let later = link.replace("expires=1", "expires=2");
    let short = &link[..link.len() - 2];
    for bad in [format!("{other}?{query}"), later, short.to_owned(), format!("{link}00")] {
        assert_ne!(bad, link);
        assert_eq!(get(&router, &bad).await.status, 403, "{bad}");
        assert_eq!(press(&router, &bad, "by=eve").await.status, 403, "{bad}");
    }
    let foreign =
        pingmon_web::router(world.face().signer(Signer::new("https://x.example", "another key, long").unwrap()));
    assert_eq!(get(&foreign, &link).await.status, 403);
    assert_eq!(get(&world.router(), &link).await.status, 403, "no signer, no links");
    world.clock.set(incident(&world).await.opened_at + Duration::from_secs(7 * 86_400 + 1));
    assert_eq!(press(&router, &link, "by=eve").await.status, 403);
    assert_eq!(incident(&world).await.acknowledged_by, None);
}

#[tokio::test]
async fn the_administrator_acknowledges_by_the_api() {
    let (world, router, _) = with_incident().await;
    let path = format!("/api/v1/incidents/{}/acknowledge", incident(&world).await.id);
    let json = "application/json";
    assert_eq!(post_body(&router, &path, "Bearer wrong", json, "{\"by\":\"anna\"}").await.status, 401);
    for bad in ["", "{}", "{\"by\":\"\"}", "{\"by\":\"anna\",\"x\":1}"] {
        assert_eq!(post_body(&router, &path, "Bearer secret", json, bad).await.status, 400, "{bad}");
    }
    let answer = post_body(&router, &path, "Bearer secret", json, "{\"by\":\"anna\"}").await;
    assert_eq!((answer.status, &answer.json()["acknowledged_by"]), (200, &json!("anna")));
    let unknown = "/api/v1/incidents/0193c5a0-0000-5000-8000-000000000001/acknowledge";
    assert_eq!(post_body(&router, unknown, "Bearer secret", json, "{\"by\":\"anna\"}").await.status, 404);
}

#[test]
fn a_signer_needs_an_address_and_a_key_and_shows_no_key() {
    for (url, key, field) in [("status.example", KEY, "public_url"), ("https://x", "short", "link_key")] {
        let Err(Error::Config { field: found, .. }) = Signer::new(url, key) else { panic!("{url} is no address") };
        assert_eq!(found, field);
    }
    assert!(!format!("{:?}", Signer::new("https://x", KEY).unwrap()).contains(KEY));
}
