//! No secret shows: every one that a config can hold bears a mark, everything that has one fails, and the mark is looked
//! for in all that the program says, answers and stores.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use serde_json::Value;

use crate::program::{Home, Running, get, wait};

const CANARY: &str = "canary7f3a";
/// The same in Base64, however it lies in its groups of three.
const ENCODED: [&str; 3] = ["Y2FuYXJ5N2Yz", "NhbmFyeTdmM2", "jYW5hcnk3ZjNh"];

/// Where the routes are written down.
const ROUTES: [&str; 4] = [
    include_str!("../../../../pingmon-web/src/api/mod.rs"),
    include_str!("../../../../pingmon-web/src/pages/mod.rs"),
    include_str!("../../../../pingmon-web/src/pages/assets.rs"),
    include_str!("../../../../pingmon-web/src/health.rs"),
];

/// A server that refuses everything and repeats what it was sent. Ends with the test's process.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever asked may have gone.
            thread::spawn(move || refuse(stream).ok());
        }
    });
    origin
}

fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut said = String::new();
    while reader.read_line(&mut said)? > 2 {}
    let length =
        said.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    said += &String::from_utf8_lossy(&body);
    write!(stream, "HTTP/1.1 503 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}", said.len())
}

/// Every kind of channel with all secrets it can have, as TOML after its name.
fn channels(origin: &str) -> Vec<(&'static str, String)> {
    let port = origin.rsplit(':').next().unwrap();
    let secret = "${CANARY}";
    vec![
        (
            "command",
            "run = ['/bin/sh', '-c', 'echo \"$TOKEN\" >&2; exit 1']\nenv = { TOKEN = \"${CANARY}\" }".to_owned(),
        ),
        ("discord", format!("webhook_url = '{origin}/api/webhooks/11/{secret}'")),
        (
            "email",
            format!(
                "host = 'localhost'\nport = {port}\ntimeout = '1s'\nusername = 'u'\npassword = '{secret}'\n\
                 from = 'a@b.example'\nto = ['c@d.example']"
            ),
        ),
        ("gotify", format!("url = '{origin}'\ntoken = '{secret}'")),
        ("log", String::new()),
        ("matrix", format!("homeserver = '{origin}'\nroom_id = '!abc:m.example'\naccess_token = '{secret}'")),
        ("mattermost", format!("webhook_url = '{origin}/hooks/{secret}'")),
        ("ntfy", format!("server = '{origin}'\ntopic = 'a'\nusername = 'u'\npassword = '{secret}'")),
        ("opsgenie", format!("api_url = '{origin}'\napi_key = '{secret}'")),
        ("pagerduty", format!("api_url = '{origin}'\nrouting_key = '{secret}{}'", "0".repeat(22))),
        ("pushover", format!("api_url = '{origin}'\ntoken = '{secret}a'\nuser = '{secret}u'")),
        ("slack", format!("api_url = '{origin}/api'\nbot_token = 'xoxb-{secret}'\nchannel = 'C024BE91L'")),
        ("teams", format!("webhook_url = '{origin}/workflows/0a/triggers/manual/paths/invoke?sig={secret}'")),
        ("telegram", format!("api_url = '{origin}'\nbot_token = '123456:{secret}'\nchat_id = 7")),
        (
            "twilio",
            format!(
                "api_url = '{origin}'\naccount_sid = 'AC0123'\nauth_token = '{secret}'\nfrom = '+15005550006'\n\
                 to = '+15005550010'"
            ),
        ),
        (
            "webhook",
            format!(
                "url = '{origin}/{secret}?key={secret}'\nsecret = '{secret}'\nheaders = {{ authorization = 'Bearer {secret}' }}"
            ),
        ),
    ]
}

fn config(origin: &str) -> String {
    let channels = channels(origin)
        .into_iter()
        .map(|(kind, config)| format!("[[notifier]]\nname = \"by {kind}\"\n[notifier.{kind}]\n{config}\n"));
    let channels: String = channels.collect();
    format!(
        r#"[web]
listen = "127.0.0.1:0"
admin_token = "${{CANARY}}-admin-token"
public_url = "https://status.example"
link_key = {{ file = "link_key" }}
[heartbeat]
url = "{origin}/${{CANARY}}"
every = "10s"
[wasm]
cache = "cache"
[[plugin]]
name = "queue"
file = "queue.wasm"
[defaults]
open_after = 1
every = "1s"
[[monitor]]
name = "orders"
[monitor.wasm]
plugin = "queue"
grant = {{ http = ["{origin}"], secrets = {{ TOKEN = "${{CANARY}}" }} }}
config = {{ url = "{origin}/queue", most = 3 }}
[[monitor]]
name = "shop"
[monitor.http]
url = "{origin}/"
headers = {{ x-api-key = "${{CANARY}}" }}
{channels}"#
    )
}

fn json(running: &Running, path: &str) -> Option<Value> {
    serde_json::from_str(&get(&format!("{}{path}", running.address()))?.1).ok()
}

/// The paths of all routes, with the ids of something that is there.
fn paths(running: &Running) -> BTreeSet<String> {
    let id = |path: &str, list: &str| {
        let first = json(running, path).and_then(|answer| Some(answer[list][0]["id"].as_str()?.to_owned()));
        first.unwrap_or_else(|| panic!("there is nothing at {path}"))
    };
    let (monitor, incident) = (id("api/v1/monitors", "monitors"), id("api/v1/incidents", "incidents"));
    let delivery = id("api/v1/deliveries", "deliveries");
    let routes = ROUTES.iter().flat_map(|source| source.split(".route(\"").skip(1));
    let paths = routes.map(|rest| {
        let route = rest.split('"').next().unwrap();
        let id = match route {
            _ if route.contains("/deliveries/") => &delivery,
            _ if route.contains("/incidents/") || route.contains("/acknowledge/") => &incident,
            _ => &monitor,
        };
        route.trim_start_matches('/').replace("{id}", id)
    });
    paths.collect()
}

fn assert_secret(place: &str, text: &str) {
    for mark in ENCODED.into_iter().chain([CANARY]) {
        if let Some(at) = text.find(mark) {
            let (from, to) = (text.floor_char_boundary(at.saturating_sub(300)), text.ceil_char_boundary(at + 100));
            panic!("{place} holds {mark}: {}", &text[from..to]);
        }
    }
}

#[test]
fn no_secret_of_any_channel_shows_in_the_log_in_any_answer_or_in_the_database() {
    let origin = echo();
    let home = Home::with(&config(&origin));
    home.write("link_key", format!("{CANARY}-link-key"));
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/fixtures/queue_depth.wasm");
    std::fs::copy(plugin, home.path().join("queue.wasm")).unwrap();
    let variables = [("CANARY", CANARY), ("RUST_LOG", "trace")];
    let mut running = home.start_with(&["run"], &variables);

    let kinds: BTreeSet<_> = channels(&origin).iter().map(|(kind, _)| format!("by {kind}")).collect();
    assert_eq!(kinds.len(), 16, "every kind is tried");
    let tried = wait(|| {
        let answer = json(&running, "api/v1/deliveries?limit=1000")?;
        let rows = answer["deliveries"].as_array()?;
        let tried = rows.iter().filter(|row| row["state"] == "sent" || row["last_error"].is_string());
        let tried: BTreeSet<_> = tried.filter_map(|row| Some(row["channel"].as_str()?.to_owned())).collect();
        (tried == kinds).then_some(())
    });
    assert!(tried.is_some(), "{:#?}", json(&running, "api/v1/deliveries?limit=1000"));
    running.wait_for("the heartbeat didn't arrive");

    let paths = paths(&running);
    assert!(paths.len() > 15 && paths.contains("api/v1/engine") && paths.contains("notices"), "{paths:?}");
    for path in &paths {
        let (status, body) = get(&format!("{}{path}", running.address())).unwrap();
        assert!(status < 500, "{path}: {status}");
        assert_secret(path, &body);
    }
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0));
    let log = running.said();
    assert!(log.contains("TRACE") && log.contains("hyper"), "the log isn't talkative");
    assert_secret("the log", &log);
    for file in std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("pingmon.db") {
            let bytes = std::fs::read(&file).unwrap();
            assert_secret(&name, &String::from_utf8_lossy(&bytes));
        }
    }
    let stored = String::from_utf8_lossy(&std::fs::read(home.path().join("pingmon.db")).unwrap()).into_owned();
    assert!(stored.contains("${CANARY}"), "the reference is what is stored");

    for command in
        [&["validate"][..], &["schema"], &["notify", "preview", "by webhook"], &["notify", "test", "by slack"]]
    {
        let done = home.call_with(command, &variables);
        assert_secret(&format!("{command:?}"), &(done.stdout + &done.stderr));
    }
    // A config that is refused names the place, and shows nothing of what stands there.
    home.write(
        "pingmon.toml",
        config(&origin).replace("api_key = '", "api_key = 7\n# '").replace("${CANARY}u", "${CANARY} u"),
    );
    let refused = home.call_with(&["validate"], &variables);
    assert_ne!(refused.code, 0);
    assert_secret("a refusal", &(refused.stdout + &refused.stderr));
}
