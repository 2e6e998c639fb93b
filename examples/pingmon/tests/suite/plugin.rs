//! Plug-ins as an operator meets them: declared in a config, tried, listed, replaced, begun.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::program::{Home, wait};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/fixtures").join(name)
}

/// A directory in which the sample lies as `queue.wasm`, with this config.
fn home(config: &str) -> Home {
    let home = Home::with(config);
    std::fs::copy(fixture("queue_depth.wasm"), home.path().join("queue.wasm")).unwrap();
    home
}

/// A queue's API that answers each request; ends with the test's process.
pub(crate) fn queue(depth: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let body = format!(r#"{{"queue":{{"depth":{depth}}}}}"#);
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        }
    });
    origin
}

fn config(origin: &str, most: &str, sha256: &str) -> String {
    format!(
        r#"[wasm]
cache = "cache"

[[plugin]]
name = "queue"
file = "queue.wasm"
sha256 = "{sha256}"

[[monitor]]
name = "orders"
[monitor.wasm]
plugin = "queue"
grant = {{ http = ["{origin}"] }}
[monitor.wasm.config]
url = "{origin}/queue"
most = {most}
"#
    )
}

fn sha256(home: &Home) -> String {
    let done = home.call(&["plugin", "inspect", "queue.wasm", "-o", "json"]);
    let info: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr));
    info["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_plugin_is_inspected_declared_listed_and_run() {
    let origin = queue(3);
    let home = home("");
    let inspected = home.call(&["plugin", "inspect", "queue.wasm"]).stdout;
    for part in ["queue-depth 0.1.0, a check", "[[plugin]]", "grant.http  to ask the queue's API", "\"most\""] {
        assert!(inspected.contains(part), "{part}: {inspected}");
    }
    home.write("pingmon.toml", config(&origin, "10", &sha256(&home)));
    let listed = home.call(&["plugin", "list"]).stdout;
    assert!(listed.contains("queue") && listed.contains("0.1.0"), "{listed}");
    let done = home.call(&["check", "-o", "json"]);
    let found: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr));
    assert_eq!((done.code, &found["message"], &found["kind"]), (0, &json!("3 waiting"), &json!("wasm")));
}

#[test]
fn a_component_is_tried_without_a_config_file() {
    let origin = queue(11);
    let home = home("");
    let with = json!({ "url": format!("{origin}/queue"), "most": 10 }).to_string();
    let grant = json!({ "http": [origin] }).to_string();
    let done = home.call(&["plugin", "run", "queue.wasm", "--with", &with, "--grant", &grant, "-o", "nagios"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("11 waiting, more than 10"), "{}", done.stdout);
    let done = home.call(&["plugin", "run", "queue.wasm", "--with", &with]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.contains("grant.http: the plug-in can't do without"), "{}", done.stderr);
}

#[test]
fn what_is_wrong_with_a_plugin_or_its_config_has_a_line() {
    let home = home("");
    let good = sha256(&home);
    for (config, place, words) in [
        (config("http://127.0.0.1:1", "10", &"0".repeat(64)), "pingmon.toml:7:", "it was changed"),
        (config("http://127.0.0.1:1", "\"ten\"", &good), "pingmon.toml:16:", "\"ten\""),
        (
            config("http://127.0.0.1:1", "10", &good).replace("= \"queue\"\ngrant", "= \"quue\"\ngrant"),
            "pingmon.toml:12:",
            "no plug-in",
        ),
        (
            config("http://127.0.0.1:1", "10", &good).replace("queue.wasm", "gone.wasm"),
            "pingmon.toml:6:",
            "can't be read",
        ),
        (
            config("http://127.0.0.1:1", "10", &good).replace("queue.wasm", "pingmon.toml"),
            "pingmon.toml:7:",
            "it was changed",
        ),
    ] {
        home.write("pingmon.toml", &config);
        let done = home.call(&["validate"]);
        assert_eq!(done.code, 3, "{config}");
        assert!(done.stderr.starts_with(place) && done.stderr.contains(words), "{words}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 2, "one error, said once: {}", done.stderr);
    }
}

/// A board that is busy for the first request and then takes cards; what it was sent.
fn board() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let cards = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&cards);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap_or(0) > 2 {
                length = line.strip_prefix("content-length: ").map_or(length, |value| value.trim().parse().unwrap());
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let first = log.lock().unwrap().is_empty();
            log.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let (status, body) = if first { ("503 Busy", "") } else { ("200 OK", r#"{"id":"card-7"}"#) };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close", body.len());
            let _ = write!(stream.get_mut(), "{head}\r\nretry-after: 0\r\n\r\n{body}");
        }
    });
    (origin, cards)
}

/// A config with the sample channel, which lies as `board.wasm`.
fn with_board(origin: &str, column: &str, more: &str) -> Home {
    let home = Home::with(&format!(
        r#"[web]
listen = "127.0.0.1:0"
[wasm]
cache = "cache"
[[plugin]]
name = "board"
file = "board.wasm"
[[notifier]]
name = "ops"
[notifier.wasm]
plugin = "board"
grant = {{ http = ["{origin}"], secrets = {{ TOKEN = "canary-token" }} }}
[notifier.wasm.config]
url = "{origin}/cards"
column = {column}
{more}"#
    ));
    std::fs::copy(fixture("board.wasm"), home.path().join("board.wasm")).unwrap();
    home
}

#[test]
fn a_channel_that_is_a_plugin_is_tried_like_any_other() {
    let (origin, cards) = board();
    let home = with_board(&origin, "\"broken\"", "");
    let done = home.call(&["notify", "test", "ops", "-o", "json"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let line: Value = serde_json::from_str(done.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&line["taken"], &line["retryable"]), (&json!(false), &json!(true)), "{line}");
    let done = home.call(&["notify", "test", "ops"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let cards = cards.lock().unwrap();
    assert_eq!((&cards[1]["column"], &cards[1]["card"]), (&json!("broken"), &Value::Null));
    assert_eq!((&cards[2]["column"], &cards[2]["card"]), (&json!("done"), &json!("card-7")));
    assert_eq!(home.call(&["notify", "preview", "ops"]).code, 0);
    let listed = home.call(&["plugin", "list"]).stdout;
    assert!(listed.contains("board") && listed.contains("notifier"), "{listed}");
}

#[test]
fn what_a_channel_that_is_a_plugin_can_not_do_with_has_a_line() {
    let done = with_board("http://127.0.0.1:1", "7", "").call(&["validate"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.starts_with("pingmon.toml:15:") && done.stderr.contains("column"), "{}", done.stderr);
    let monitor = "[[monitor]]\nname = \"orders\"\nwasm = { plugin = \"board\" }\n";
    let done = with_board("http://127.0.0.1:1", "\"x\"", monitor).call(&["validate"]);
    assert!(done.stderr.contains("is a notifier, not a check"), "{}", done.stderr);
    let home = with_board("http://127.0.0.1:1", "\"x\"", "");
    std::fs::write(home.path().join("board.wasm"), "nothing").unwrap();
    let done = home.call(&["validate"]);
    assert!(done.stderr.starts_with("pingmon.toml:7:"), "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 2, "one error, said once: {}", done.stderr);
}

#[test]
fn a_notice_that_a_plugin_could_not_hand_over_is_tried_again() {
    let (origin, cards) = board();
    let failing = "[[monitor]]\nname = \"shop\"\nevery = \"1s\"\nopen_after = 1\ntcp = { address = \"127.0.0.1:1\" }\n";
    let home = with_board(&origin, "\"broken\"", failing);
    let running = home.start(&["run"]);
    let sent = wait(|| Some(cards.lock().unwrap().clone()).filter(|cards| cards.len() >= 2));
    let sent = sent.unwrap_or_else(|| panic!("{}", running.said()));
    assert_eq!(sent[0], sent[1], "the same notice, with the same key");
    assert!(sent[0]["title"].as_str().unwrap().starts_with("shop is down"), "{}", sent[0]);
    assert!(!running.said().contains("canary-token"), "{}", running.said());
}

/// As docs/plugins.md tells it, in Rust. Where what it needs isn't there, the reason is printed.
#[test]
#[allow(clippy::print_stderr, reason = "nobody else says why nothing was tried")]
fn the_guide_works_as_it_is_written() {
    let there = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).output().ok().filter(|done| done.status.success());
        done.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned())
    };
    let target = there("rustc", &["--print", "sysroot"])
        .filter(|sysroot| Path::new(sysroot).join("lib/rustlib/wasm32-wasip2").exists());
    if target.is_none() || there("python3", &["--version"]).is_none() {
        eprintln!("skipped: the guide needs python3 and the target wasm32-wasip2 (rustup target add wasm32-wasip2)");
        return;
    }
    let done = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/guide"))
        .arg(assert_cmd::cargo::cargo_bin!("pingmon"))
        .arg("rust")
        // Later runs needn't build what the plug-in is made of.
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("up"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_project_is_begun_in_each_language() {
    let home = Home::empty();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk-rust");
    for (language, file) in [("rust", "src/lib.rs"), ("javascript", "check.js"), ("python", "app.py"), ("c", "check.c")]
    {
        let done = home.call(&["plugin", "new", language, &format!("my-{language}"), "--sdk", sdk.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains("pingmon plugin inspect"), "{}", done.stdout);
        let text = std::fs::read_to_string(home.path().join(format!("my-{language}")).join(file)).unwrap();
        assert!(text.contains(&format!("\"my-{language}\"")), "{text}");
    }
    assert_eq!(home.call(&["plugin", "new", "rust", "my-rust"]).code, 3);
    assert_eq!(home.call(&["plugin", "new", "rust", "../evil"]).code, 3);
}
