//! Channels that are plug-ins: the sample hands notices to a real board, and says what became of them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pingmon_checks::wasm::{Plugins, WasmNotifier};
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    id::MonitorId,
    incident::{Health, Judged, advance},
    monitor::{Definition, Monitor, State},
    notification::{Notification, Receipt, Subject, announce},
    notifier::{Notifier, NotifierKind as _},
    outcome::Outcome,
    policy::{Policy, Threshold},
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{compiler, fixture, hostile, settings};
use crate::server::{Server, closed, ok};

const TOKEN: &str = "c4nary-token";

async fn plugins() -> Plugins {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    plugins.install(plugins.load("board", &fixture("board.wasm"), None).await.unwrap());
    plugins.install(plugins.load("hostile", &fixture("hostile.wasm"), None).await.unwrap());
    plugins
}

fn config(url: &str, origin: &str) -> Value {
    let grant = json!({ "http": [origin], "secrets": { "TOKEN": TOKEN } });
    json!({ "plugin": "board", "config": { "url": url, "column": "broken" }, "grant": grant })
}

async fn channel(config: &Value) -> Result<Arc<dyn Notifier>> {
    WasmNotifier::new(DialPolicy::open(), plugins().await).unwrap().build(config)
}

async fn board(server: &Server) -> Arc<dyn Notifier> {
    channel(&config(&server.url("/cards"), &server.url(""))).await.unwrap()
}

/// That a shop failed.
fn opened() -> Notification {
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    let shop = Monitor::new(MonitorId::new(), 1, State::Active, Definition::new("shop", "http"));
    let outcome = Outcome::down("status 500");
    let at = Timestamp::from_micros(1_780_272_000_000_000);
    let run = Judged { monitor: shop.id, slot: at, status: outcome.status, at };
    let (_, transitions) = advance(&Health::default(), run, &policy);
    let told =
        announce(&Subject::of(&shop), &["ops".to_owned()], &transitions, Some(&outcome), Duration::from_secs(60));
    told.into_iter().next().unwrap().notification
}

/// What a failed delivery says: the reason, whether to try again, and when.
fn failure(ended: Result<Option<Receipt>>) -> (String, bool, Option<Duration>) {
    match ended {
        Err(Error::Delivery { reason, retryable, retry_after }) => (reason, retryable, retry_after),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_notice_reaches_the_board_with_its_secret_and_the_card_comes_back_later() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let server = Server::answering(move |request| {
        log.lock().unwrap().push(request.to_owned());
        ok("application/json", r#"{"id":"card-7"}"#)
    })
    .await;
    let board = board(&server).await;
    let mut notice = opened();
    notice.receipt = board.deliver(&notice).await.unwrap();
    assert_eq!(notice.receipt.as_ref().map(Receipt::as_str), Some("card-7"));
    board.deliver(&notice).await.unwrap();
    let heard = heard.lock().unwrap();
    let bodies: Vec<Value> =
        heard.iter().map(|request| serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap()).collect();
    assert!(heard[0].starts_with("POST /cards ") && heard[0].contains(&format!("authorization: Bearer {TOKEN}")));
    let expected = json!({
        "card": null, "column": "broken", "title": "shop is down: status 500", "monitor": "shop", "key": notice.id,
    });
    assert_eq!(bodies[0], expected);
    assert_eq!(bodies[1]["card"], "card-7");
}

#[tokio::test]
async fn what_became_of_a_notice_says_whether_to_try_again_and_when() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n";
    let never = "HTTP/1.1 429 No\r\nretry-after: 999999\r\ncontent-length: 0\r\n\r\n";
    let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    for (answer, expected) in [
        (busy, ("status 503", true, Some(Duration::from_secs(120)))),
        (never, ("status 429", true, Some(Duration::from_secs(3_600)))),
        (refused, ("status 403", false, None)),
    ] {
        let ended = board(&Server::saying(answer).await).await.deliver(&opened()).await;
        let (reason, retryable, retry_after) = failure(ended);
        assert_eq!((reason.as_str(), retryable, retry_after), expected);
    }
    let gone = format!("http://{}", closed());
    let (reason, retryable, _) = failure(channel(&config(&gone, &gone)).await.unwrap().deliver(&opened()).await);
    assert!(reason.contains("refused") && retryable, "{reason}");
}

#[tokio::test]
async fn what_is_not_granted_is_not_even_dialled_and_no_secret_is_told() {
    let server = Server::saying(ok("application/json", format!(r#"{{"id":"{TOKEN}"}}"#))).await;
    let elsewhere = channel(&config(&server.url("/"), "http://127.0.0.1:1")).await.unwrap();
    let (reason, retryable, _) = failure(elsewhere.deliver(&opened()).await);
    assert!(reason.contains("not granted: requests to") && !retryable, "{reason}");
    assert_eq!(server.accepted(), 0);
    // A board that gives the secret back as a card's id.
    let receipt = board(&server).await.deliver(&opened()).await.unwrap();
    assert_eq!(receipt.as_ref().map(Receipt::as_str), Some("…"));
}

#[tokio::test]
async fn a_config_or_a_plugin_that_does_not_fit_is_refused_and_the_field_named() {
    let mut wrong = config("http://127.0.0.1/", "http://127.0.0.1");
    wrong["config"]["column"] = json!("");
    let mut check = wrong.clone();
    check["plugin"] = json!("hostile");
    let mut ungranted = config("http://127.0.0.1/", "http://127.0.0.1");
    ungranted["grant"]["secrets"] = json!({});
    for (config, field, says) in [
        (wrong, "config.column", ""),
        (check, "plugin", "is a check, not a notifier"),
        (ungranted, "grant.secrets", "TOKEN lets it write there"),
        (json!({ "plugin": "gone" }), "plugin", "there are: board, hostile"),
    ] {
        match channel(&config).await.err() {
            Some(Error::Config { field: found, reason }) => {
                assert_eq!(found, field);
                assert!(reason.contains(says), "{reason}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    let mut monitor = hostile(json!({ "does": "nothing" })).await;
    monitor.kind = pingmon_checks::wasm::Wasm::new(DialPolicy::open(), plugins().await).unwrap();
    monitor.config["plugin"] = json!("board");
    assert!(monitor.build().err().unwrap().to_string().contains("is a notifier, not a check"));
}

#[tokio::test]
async fn a_channel_that_is_replaced_by_something_else_waits_for_better_times() {
    let server = Server::saying(ok("application/json", r#"{"id":"1"}"#)).await;
    let plugins = plugins().await;
    let kind = WasmNotifier::new(DialPolicy::open(), plugins.clone()).unwrap();
    let board = kind.build(&config(&server.url("/"), &server.url(""))).unwrap();
    plugins.install(plugins.load("board", &fixture("hostile.wasm"), None).await.unwrap());
    let (reason, retryable, _) = failure(board.deliver(&opened()).await);
    assert!(reason.contains("was replaced") && retryable, "{reason}");
    plugins.install(plugins.load("board", &fixture("board.wasm"), None).await.unwrap());
    assert!(board.deliver(&opened()).await.is_ok());
    // As when a config is read again: what was built with the draft follows the table that took it over.
    let running = Plugins::new(settings(), compiler()).unwrap();
    running.replace(&plugins);
    running.install(running.load("board", &fixture("hostile.wasm"), None).await.unwrap());
    assert!(failure(board.deliver(&opened()).await).0.contains("was replaced"));
}
