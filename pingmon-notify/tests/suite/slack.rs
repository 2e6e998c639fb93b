//! What the `slack` channel does beyond sending: threads and updates of a bot.

use axum::http::StatusCode;
use pingmon_core::{dial::DialPolicy, notification::Receipt};
use pingmon_notify::{open, sample};
use serde_json::{Value, json};

use crate::{
    notices,
    receiver::Receiver,
    vendors::slack::{BOT, FIRST},
};

#[tokio::test]
async fn a_bot_answers_its_first_message_and_updates_it_in_the_end() {
    let receiver = BOT.serve().await;
    let channel = BOT.open(&receiver);
    let mut receipt = None;
    for (_, mut notice) in sample::notices("ops", notices::START).into_iter().take(4) {
        notice.receipt = receipt.clone();
        receipt = receipt.or(channel.deliver(&notice).await.unwrap());
    }
    assert_eq!(receipt.unwrap().as_str(), format!("{} {}", FIRST.0, FIRST.1));
    let sent: Vec<_> =
        receiver.received().iter().map(|request| (request.uri.path().to_owned(), request.json())).collect();
    let paths: Vec<_> = sent.iter().map(|(path, _)| path.trim_start_matches("/api/")).collect();
    assert_eq!(paths, ["chat.postMessage", "chat.postMessage", "chat.postMessage", "chat.update"]);
    assert_eq!((&sent[0].1["thread_ts"], &sent[2].1["thread_ts"]), (&Value::Null, &json!(FIRST.1)));
    assert_eq!(sent[3].1["ts"], FIRST.1);
}

#[tokio::test]
async fn an_end_is_written_anew_where_the_first_message_is_gone() {
    let receiver = Receiver::answering(|request| {
        let answer = match request.uri.path() {
            "/api/chat.update" => r#"{"ok": false, "error": "message_not_found"}"#,
            _ => r#"{"ok": true, "channel": "C1", "ts": "2.0"}"#,
        };
        Some((StatusCode::OK, answer))
    })
    .await;
    let config = json!({ "api_url": receiver.url("/api"), "bot_token": "xoxb-1", "channel": "C1" });
    let (_, mut notice) = sample::notices("ops", notices::START).remove(3);
    notice.receipt = Receipt::new("C1 1.0");
    let receipt = open("slack", &config, &DialPolicy::open()).unwrap().deliver(&notice).await.unwrap();
    assert_eq!(receipt.unwrap().as_str(), "C1 2.0");
    let paths: Vec<_> = receiver.received().iter().map(|request| request.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/api/chat.update", "/api/chat.postMessage"]);
}

#[test]
fn either_a_webhook_or_a_bot_is_given() {
    let url = "https://hooks.slack.com/services/canary";
    for bad in [
        json!({}),
        json!({ "bot_token": "canary" }),
        json!({ "channel": "C1" }),
        json!({ "webhook_url": url, "bot_token": "canary", "channel": "C1" }),
    ] {
        let error = open("slack", &bad, &DialPolicy::open()).err().unwrap().to_string();
        assert!(error.starts_with("invalid webhook_url: ") && !error.contains("canary"), "{error}");
    }
}
