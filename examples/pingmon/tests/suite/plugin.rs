//! Plug-ins as an operator meets them: declared in a config, tried, listed, replaced, begun.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
};

use serde_json::{Value, json};

use crate::program::Home;

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
    for part in ["queue-depth 0.1.0", "[[plugin]]", "grant.http  to ask the queue's API", "\"most\""] {
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

#[test]
fn a_project_is_begun_in_each_language() {
    let home = Home::empty();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk-rust");
    for (language, file) in [("rust", "src/lib.rs"), ("javascript", "check.js"), ("python", "app.py")] {
        let done = home.call(&["plugin", "new", language, &format!("my-{language}"), "--sdk", sdk.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stdout.contains("pingmon plugin inspect"), "{}", done.stdout);
        let text = std::fs::read_to_string(home.path().join(format!("my-{language}")).join(file)).unwrap();
        assert!(text.contains(&format!("\"my-{language}\"")), "{text}");
    }
    assert_eq!(home.call(&["plugin", "new", "rust", "my-rust"]).code, 3);
    assert_eq!(home.call(&["plugin", "new", "rust", "../evil"]).code, 3);
}
