//! No secret of any channel shows: not in the log at its most talkative, not in an error, not in `Debug`.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::http::StatusCode;
use pingmon_core::{dial::DialPolicy, error::Error};
use pingmon_notify::open;
use serde_json::{Value, json};

use crate::{
    notices,
    receiver::Receiver,
    smtp::{Fault, Server},
    vendors::{ALL, CANARY},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every channel that has a secret, with a config that leads to these receivers.
fn configs(web: &str, mail: &Server) -> Vec<(&'static str, Value)> {
    let mut configs: Vec<_> = ALL.iter().map(|vendor| (vendor.kind, (vendor.config)(web))).collect();
    configs.push(("ntfy", json!({ "server": web, "topic": "a", "username": "u", "password": CANARY })));
    let headers = json!({ "authorization": format!("Bearer {CANARY}") });
    configs.push((
        "webhook",
        json!({ "url": format!("{web}/{CANARY}?key={CANARY}"), "secret": CANARY, "headers": headers }),
    ));
    configs.push(("command", json!({ "run": ["/usr/bin/env"], "env": { "TOKEN": CANARY } })));
    configs
        .push(("command", json!({ "run": ["/bin/sh", "-c", "echo $TOKEN >&2; exit 1"], "env": { "TOKEN": CANARY } })));
    configs.push((
        "email",
        json!({
            "host": "localhost", "port": mail.address.port(), "ca": mail.ca, "username": "u", "password": CANARY,
            "from": "a@b.example", "to": ["c@d.example"],
        }),
    ));
    configs
}

#[test]
fn no_secret_shows_in_the_log_at_trace_level_in_errors_or_in_previews() {
    let log = Log::default();
    let writer = log.clone();
    // For this process and its threads, other crates' logs included.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut told = Vec::new();
    runtime.block_on(async {
        let accepts = Receiver::answering(|_| Some((StatusCode::OK, r#"{"ok": true}"#))).await;
        let refuses = Receiver::answering(|request| {
            let echo = format!("{} {:?} {:?} {CANARY}", request.uri, request.headers, request.body);
            Some((StatusCode::BAD_REQUEST, echo))
        })
        .await;
        let mail = Server::start([Fault::None, Fault::Answer("AUTH", "535 canary7f3a is wrong")]).await;
        for web in [accepts.url(""), refuses.url(""), "http://127.0.0.1:1".to_owned()] {
            for (kind, config) in configs(&web, &mail) {
                let channel = open(kind, &config, &DialPolicy::open()).unwrap();
                told.push(format!("{kind} preview: {}", channel.preview(&notices::opened())));
                if let Err(error) = channel.deliver(&notices::opened()).await {
                    told.push(format!("{kind} error: {error} {error:?} {}", error.chain()));
                }
            }
        }
    });
    for (kind, config) in configs("nonsense", &runtime.block_on(Server::start([]))) {
        if let Err(error) = open(kind, &config, &DialPolicy::open()) {
            assert!(matches!(error, Error::Config { .. }));
            told.push(format!("{kind} config: {error}"));
        }
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("TRACE") && log.contains("hyper"), "the log isn't talkative: {log}");
    for line in log.lines().map(str::to_owned).chain(told) {
        assert!(!line.contains(CANARY), "{line}");
    }
}
