//! Names and answers that try to be more than text, on every channel that words a notice.

use std::{
    fs,
    io::Write,
    sync::{Arc, Mutex},
};

use axum::http::StatusCode;
use pingmon_core::{
    dial::DialPolicy,
    id::MonitorId,
    incident::Event,
    notification::{Companion, Notification},
    store::outbox::MAX_GROUP,
};
use pingmon_notify::{open, sample};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    notices,
    receiver::Receiver,
    vendors::{ALL, texts},
};

/// What somebody may call a monitor, or have its target answer.
fn hostile() -> Vec<String> {
    let mark = "@everyone @channel <!channel> <@U024BE7LH> [x](http://evil.example) <http://evil.example|x> http://evil.example";
    vec![
        format!("{mark} www.evil.example <script>alert('1')</script> *bold* _it_ `c` ~s~ || > # ! \" & ' \\"),
        "a\r\nX-Injected: yes\r\n\r\n.\r\n\u{202e}gnp.exe\u{2066}".to_owned(),
        "x".repeat(100_000),
        "🦀".repeat(5_000),
        "a🦀".repeat(333),
        "&<>\"'@*_~`\\|[]()#!".repeat(5_000),
        "é\u{301}👨‍👩‍👧‍👦".repeat(2_000),
        "</b></a>&lt;b&gt;<b><i>&amp;".repeat(200),
        " \r\n\t x \n".to_owned(),
    ]
}

/// A notice in which everything that others wrote is `text`.
fn notice(mut notice: Notification, text: &str) -> Notification {
    notice.monitor.name = text.to_owned();
    notice.monitor.kind = text.to_owned();
    notice.monitor.labels.insert(text.to_owned(), text.to_owned());
    notice.incident.message = text.to_owned();
    notice.confirmed_by = vec![text.to_owned(); 3];
    notice.opening = Some(text.to_owned()).filter(|_| notice.event == Event::Resolved);
    for link in &mut notice.links {
        link.text = text.to_owned();
    }
    if let Some(outcome) = &mut notice.outcome {
        outcome.message = text.to_owned();
        for failure in &mut outcome.failed {
            failure.expectation = text.to_owned();
            failure.actual = text.to_owned();
        }
        outcome.evidence.insert(text.to_owned(), text.into());
    }
    // A whole group, where that isn't megabytes.
    let others = if text.len() < 1_000 { MAX_GROUP - 1 } else { 3 };
    notice.also = vec![Companion::of(&notice); others];
    notice
}

#[tokio::test]
async fn whatever_something_is_called_is_text_within_the_limits_on_every_channel() {
    for vendor in ALL {
        let receiver = vendor.serve().await;
        let channel = vendor.open(&receiver);
        for text in hostile() {
            for (state, sample) in sample::notices("ops", notices::START).into_iter().take(4) {
                let sent = channel.send(&notice(sample, &text)).await;
                let start: String = text.chars().take(20).collect();
                sent.unwrap_or_else(|error| panic!("{} {state} {start:?}: {error}", vendor.kind));
                let texts = texts(&receiver.received().pop().unwrap());
                for bad in vendor.forbidden {
                    assert!(!texts.contains(bad), "{} {state} lets {bad:?} in: {texts}", vendor.kind);
                }
            }
        }
    }
}

#[tokio::test]
async fn two_thousand_companions_are_one_message_that_says_how_many() {
    for vendor in ALL {
        let receiver = vendor.serve().await;
        let (_, mut notice) = sample::notices("ops", notices::START).pop().unwrap();
        let one = notice.also[0].clone();
        let others = (0..2_000).map(|n| {
            let mut other = one.clone();
            (other.monitor.id, other.monitor.name) = (MonitorId::new(), format!("shop {n}"));
            other
        });
        notice.also = others.collect();
        vendor.open(&receiver).send(&notice).await.unwrap_or_else(|error| panic!("{}: {error}", vendor.kind));
        assert_eq!(receiver.received().len(), 1);
        let texts = texts(&receiver.received()[0]);
        assert!(texts.contains("2001 monitors"), "{}: {texts}", vendor.kind);
    }
}

/// The notices of a table of hostile texts, each with its text; of one incident each, so that no body has megabytes.
fn all() -> Vec<(String, Notification)> {
    let alone = |text: String| {
        let mut notice = notice(notices::opened(), &text);
        notice.also.clear();
        (text, notice)
    };
    hostile().into_iter().map(alone).collect()
}

#[tokio::test]
async fn a_webhook_gets_it_as_data_and_its_headers_hold_one_line() {
    let receiver = Receiver::answering(|_| Some(StatusCode::OK)).await;
    let config = json!({
        "url": receiver.url("/hook"), "headers": { "x-name": "{{ monitor.name }}" },
        "body": "{\"name\": {{ monitor.name }}}",
    });
    let plain = open("webhook", &json!({ "url": receiver.url("/hook") }), &DialPolicy::open()).unwrap();
    let own = open("webhook", &config, &DialPolicy::open()).unwrap();
    for (text, notice) in all() {
        plain.send(&notice).await.unwrap();
        let whole = receiver.received().pop().unwrap();
        assert_eq!(
            (&whole.json()["monitor"]["name"], &whole.json()["incident"]["message"]),
            (&json!(text), &json!(text))
        );
        own.send(&notice).await.unwrap();
        let own = receiver.received().pop().unwrap();
        let name = own.json()["name"].as_str().unwrap().to_owned();
        assert_eq!(own.json(), json!({ "name": name }), "nothing beside it");
        assert!(!name.contains(char::is_control) && !name.contains(['\u{202e}', '\u{2066}']), "{name:?}");
        assert!(own.headers.get("x-injected").is_none() && own.headers["x-name"].len() <= 4_100);
        assert!(own.uri == "/hook" && own.headers.len() < 16, "{:?}", own.headers);
    }
    assert_eq!(receiver.received().len(), 2 * hostile().len(), "one request each");
}

#[tokio::test]
async fn a_command_gets_it_as_data_on_its_standard_input_and_nowhere_else() {
    let home = TempDir::new().unwrap();
    let script = "/bin/cat > \"$1/facts\"; echo \"$@\" > \"$1/arguments\"; /usr/bin/env > \"$1/env\"";
    let config = json!({ "run": ["/bin/sh", "-c", script, "sh", home.path()] });
    let channel = open("command", &config, &DialPolicy::open()).unwrap();
    let mut told = None;
    for (text, notice) in all() {
        channel.send(&notice).await.unwrap();
        let facts: Value = serde_json::from_slice(&fs::read(home.path().join("facts")).unwrap()).unwrap();
        assert_eq!((&facts["monitor"]["name"], &facts["incident"]["message"]), (&json!(text), &json!(text)));
        let rest = ["arguments", "env"].map(|file| fs::read_to_string(home.path().join(file)).unwrap());
        assert_eq!(told.get_or_insert_with(|| rest.clone()), &rest, "the same whatever something is called");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_gets_one_line_that_can_neither_forge_another_nor_steer_a_terminal() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let channel = open("log", &Value::Null, &DialPolicy::open()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let notices = [all(), vec![(String::new(), notice(notices::opened(), "a\u{1b}[2J\u{9b}2J\u{7}b"))]].concat();
    tracing::subscriber::with_default(subscriber, || {
        for (_, notice) in &notices {
            runtime.block_on(channel.send(notice)).unwrap();
        }
    });
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), notices.len(), "one line each");
    let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2066}';
    assert!(!log.contains(steers), "{log:?}");
    assert!(log.lines().all(|line| line.len() < 40_000));
}
