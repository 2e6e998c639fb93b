//! `pingmon notify`: samples through a notifier, and what notifiers would send.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::program::Home;

/// A receiver that answers each request with this status, and what it was sent.
fn receiver(status: &'static str) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&received);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            log.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, received)
}

fn home(address: &str) -> Home {
    Home::with(&format!(
        "[[notifier]]\nname = \"ops\"\ndiscord = {{ webhook_url = \"http://{address}/api/webhooks/1/canary-token\" }}\n\
         [[notifier]]\nname = \"log\"\nlog = {{}}\n"
    ))
}

#[test]
fn a_test_sends_how_an_incident_opens_and_how_it_ends() {
    let (address, received) = receiver("204 No Content");
    let home = home(&address);
    let done = home.call(&["notify", "test", "ops", "-o", "json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["state"].as_str().unwrap(), line["taken"] == true)).collect();
    assert_eq!(told, [("opened", true), ("resolved", true)]);
    let received = received.lock().unwrap();
    let titles: Vec<_> = received.iter().map(|message| message["embeds"][0]["title"].as_str().unwrap()).collect();
    assert!(titles[0].contains("sample: shop api is degraded"), "{titles:?}");
    assert!(titles[1].contains("sample: shop api has recovered"), "{titles:?}");
}

#[test]
fn a_test_that_is_refused_says_why_and_what_would_follow() {
    let (address, _) = receiver("404 Not Found");
    let done = home(&address).call(&["notify", "test", "ops"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stdout.contains("✗ failed") && done.stdout.contains("404 Not Found"), "{}", done.stdout);
    assert!(!done.stdout.contains("canary") && !done.stderr.contains("canary"));
    let done = home(&address).call(&["notify", "test", "ops", "-o", "json"]);
    let line: Value = serde_json::from_str(done.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&line["taken"], &line["retryable"]), (&Value::Bool(false), &Value::Bool(false)));
}

#[test]
fn a_preview_shows_every_state_and_contacts_nobody() {
    let home = home("127.0.0.1:1");
    let done = home.call(&["notify", "preview", "ops"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for state in ["opened", "worsened", "reminder", "resolved", "paused", "missed", "escalated", "grouped"] {
        assert!(done.stdout.contains(&format!("── ops · {state} ──\nPOST 127.0.0.1:1\n")), "{}", done.stdout);
    }
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
    let done = home.call(&["notify", "preview", "-o", "json"]);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 16, "both notifiers");
}

#[test]
fn a_notifier_that_is_not_there_is_wrong_usage() {
    let home = home("127.0.0.1:1");
    for args in [["notify", "test", "osp"], ["notify", "preview", "osp"]] {
        let done = home.call(&args);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""));
        assert!(done.stderr.contains("no notifier is named \"osp\"") && done.stderr.contains("ops"), "{}", done.stderr);
    }
}
