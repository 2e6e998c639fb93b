//! The sample plug-ins: the same check of the same server, whatever the language, with the same outcome.

use pingmon_checks::wasm::Plugins;
use pingmon_core::{
    check::CheckContext,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::{Clock as _, SystemClock},
};
use serde_json::json;

use super::{Monitor, compiler, fixture, settings};
use crate::{
    found::{failed, verdict},
    server::{Server, ok},
};

async fn depth(plugins: &Plugins, server: &Server) -> Outcome {
    let config = json!({ "url": server.url("/queue"), "most": 10 });
    Monitor::of(plugins, "queue", config).granting(json!({ "http": [server.url("")] })).run().await
}

#[tokio::test]
async fn a_queue_is_short_too_long_or_not_to_be_judged() {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    plugins.install(plugins.load("queue", &fixture("queue_depth.wasm"), None).await.unwrap());
    let short = depth(&plugins, &Server::saying(ok("application/json", r#"{"queue":{"depth":3}}"#)).await).await;
    assert_eq!((short.status, short.message.as_str()), (Status::Up, "3 waiting"));
    assert_eq!((short.metrics[0].name.as_ref(), short.metrics[0].value), ("queue_depth", 3.0));
    assert!(short.latency.is_some() && !short.phases.is_empty());

    let long = depth(&plugins, &Server::saying(ok("application/json", r#"{"queue":{"depth":11}}"#)).await).await;
    assert_eq!((long.status, long.message.as_str()), (Status::Degraded, "11 waiting, more than 10"));
    assert_eq!(failed(&long), ["depth"]);

    let broken = depth(&plugins, &Server::saying("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await).await;
    assert_eq!((broken.status, broken.message.as_str()), (Status::Down, "status 503, expected 200"));

    let garbled = depth(&plugins, &Server::saying(ok("application/json", "{")).await).await;
    assert_eq!(verdict(&garbled), (Status::Down, "invalid_body"));
}

/// A server of a list of three logs, of which the first is `minutes` old and the last has no tree head.
async fn logs(minutes: i64) -> Server {
    let now = SystemClock.now().as_micros() / 1_000;
    let head = move |minutes: i64| {
        ok("application/json", json!({ "tree_size": 7, "timestamp": now - minutes * 60_000 }).to_string())
    };
    Server::answering(move |request| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let log = |name: &str| json!({ "url": format!("http://{host}/{name}/") });
        match request.split(' ').nth(1).unwrap() {
            "/logs.json" => ok("application/json", json!({ "logs": [log("a"), log("b"), log("c")] }).to_string()),
            "/a/ct/v1/get-sth" => head(minutes),
            "/b/ct/v1/get-sth" => head(600),
            _ => b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec(),
        }
    })
    .await
}

#[tokio::test]
async fn the_freshest_of_several_logs_is_judged_and_who_has_no_head_is_named() {
    let plugins = Plugins::new(settings(), compiler()).unwrap();
    plugins.install(plugins.load("logs", &fixture("freshest_log.wasm"), None).await.unwrap());
    for (minutes, status, says) in [
        (5, Status::Degraded, "1 of 3 logs have no tree head, the freshest is 5 min old"),
        (90, Status::Down, "the freshest head is 90 min old, more than 60"),
    ] {
        let server = logs(minutes).await;
        let config = json!({ "list": server.url("/logs.json"), "within_minutes": 60 });
        let monitor = Monitor::of(&plugins, "logs", config).granting(json!({ "http": [server.url("")] }));
        // It goes by the store's clock, which is the engine's.
        let cx = CheckContext::new(MonitorId::new(), "logs", SystemClock.now(), super::TIMEOUT);
        let outcome = monitor.build().unwrap().run(&cx).await.unwrap();
        assert_eq!(outcome.status, status, "{outcome:?}");
        assert!(outcome.message.starts_with(says), "{outcome:?}");
        assert_eq!(outcome.failed.len(), 1);
        assert!(outcome.failed[0].expectation.ends_with("/c/"), "{outcome:?}");
        let ages: Vec<_> = outcome.metrics.iter().filter(|metric| metric.name == "log_age").map(|m| m.value).collect();
        assert_eq!(ages, [minutes as f64, 600.0]);
        assert_eq!(server.accepted(), 4);
    }
}

/// Paths of what the fixtures are built from, in the order of `plugins/build`.
fn sources() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut found: Vec<_> = ["Cargo.lock", "Cargo.toml", "queue-depth.schema.json"].map(|file| root.join(file)).into();
    let mut open: Vec<_> =
        ["../pingmon-checks/wit", "sdk-rust", "rust", "fixtures/hostile", "fixtures/idle", "fixtures/wasi-http"]
            .map(|part| root.join(part))
            .into();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    // As the C locale sorts the paths that begin where the script stands.
    found.sort_by_key(|path| path.strip_prefix(&root).unwrap().as_os_str().as_encoded_bytes().to_vec());
    found
}

#[test]
fn the_fixtures_were_built_from_the_sources_beside_them() {
    use std::fmt::Write as _;
    let all: Vec<u8> = sources().into_iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&all);
    let found = digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let expected = String::from_utf8(fixture("SOURCES.sha256")).unwrap();
    assert_eq!(found, expected.trim(), "the sources have changed: run plugins/build and commit what it writes");
}

/// With what `make plugins` builds, in every language.
#[tokio::test]
async fn plugins_of_every_language_that_was_built_find_the_same() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let answers = [r#"{"queue":{"depth":3}}"#, r#"{"queue":{"depth":11}}"#, r#"{"queue":3}"#, "{"];
    let mut found = Vec::new();
    for sample in ["fixtures", "c/queue-depth", "javascript/queue-depth", "python/queue-depth"] {
        let Ok(wasm) = std::fs::read(root.join(sample).join("queue_depth.wasm")) else { continue };
        let plugins = Plugins::new(settings(), compiler()).unwrap();
        plugins.install(plugins.load("queue", &wasm, None).await.unwrap());
        let mut verdicts = Vec::new();
        for answer in answers {
            let outcome = depth(&plugins, &Server::saying(ok("application/json", answer)).await).await;
            let words = if outcome.status == Status::Down { "" } else { &outcome.message };
            let phases: Vec<_> = outcome.phases.iter().map(|(name, _)| name.to_string()).collect();
            verdicts.push((outcome.status, words.to_owned(), outcome.metrics, outcome.failed, phases.len().min(1)));
        }
        let refused = Monitor::of(&plugins, "queue", json!({ "url": "http://127.0.0.1:1/", "most": 1 }));
        let refused = refused.granting(json!({ "http": ["http://127.0.0.1:2"] })).run().await;
        assert_eq!(verdict(&refused), (Status::Unknown, "not_granted"), "{sample}: {refused:?}");
        found.push((sample, verdicts));
    }
    for (sample, verdicts) in &found[1..] {
        assert_eq!(*verdicts, found[0].1, "{sample}");
    }
}
