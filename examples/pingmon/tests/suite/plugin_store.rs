//! Plug-ins in the store: added, replaced and removed beside workers that run, and what their monitors keep.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    database::Database,
    plugin::{fixture, queue},
    program::{Home, Running, get, wait},
    run::config,
};

/// Compiled plug-ins, for all tests: a debug build compiles slowly.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins-of-stores");

/// What the last run of the only monitor said.
fn last(running: &Running) -> Option<(String, String)> {
    let monitors = format!("{}api/v1/monitors", running.address());
    let list: Value = serde_json::from_str(&get(&monitors)?.1).ok()?;
    let id = list["monitors"][0]["id"].as_str()?;
    let one: Value = serde_json::from_str(&get(&format!("{monitors}/{id}"))?.1).ok()?;
    let told = |field: &str| one["last"][field].as_str().map(str::to_owned);
    Some((told("status")?, told("message")?))
}

fn wait_for(running: &Running, status: &str, words: &str) -> String {
    let found = wait(|| last(running).filter(|(found, message)| found == status && message.contains(words)));
    found.unwrap_or_else(|| panic!("{status} {words}: {:?}\n{}", last(running), running.said())).1
}

/// A config whose monitor asks a plug-in for the queue of that origin.
fn orders(origin: &str, store: &str) -> String {
    let monitor = format!(
        r#"[wasm]
cache = "{CACHE}"
[[monitor]]
name = "orders"
every = "1s"
[monitor.wasm]
plugin = "queue"
config = {{ url = "{origin}/queue", most = 10 }}
grant = {{ http = ["{origin}"] }}
"#
    );
    config(&(monitor + store))
}

fn json(home: &Home, args: &[&str]) -> Value {
    let done = home.call(&[args, &["-o", "json"]].concat());
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {args:?} {} {}", done.code, done.stderr))
}

fn component(home: &Home, name: &str, of: &str) {
    std::fs::copy(fixture(of), home.path().join(name)).unwrap();
}

/// The life of a plug-in in a store, beside the workers of these homes.
fn live_and_let_die(homes: &[&Home]) {
    let home = homes[0];
    component(home, "queue.wasm", "queue_depth.wasm");
    component(home, "other.wasm", "hostile.wasm");
    assert_eq!(home.call(&["validate"]).code, 0, "which plug-ins there will be, nobody knows");
    let running: Vec<_> = homes.iter().map(|home| home.start(&["run"])).collect();
    let seer = &running[0];
    wait_for(seer, "unknown", "no plug-in is named \"queue\"");

    let added = json(home, &["plugin", "add", "queue.wasm"]);
    assert_eq!((&added["change"], &added["name"]), (&json!("added"), &json!("queue")), "{added}");
    wait_for(seer, "up", "3 waiting");
    for running in &running {
        running.wait_for("took a plug-in from the store");
    }
    assert_eq!(json(home, &["plugin", "add", "queue.wasm"])["change"], "unchanged");

    let listed = json(home, &["plugin", "list"]);
    assert_eq!(
        (&listed["in"], &listed["sha256"], &listed["signed"]),
        (&json!("store"), &added["sha256"], &json!(false))
    );
    assert_eq!(json(home, &["plugin", "inspect", "queue"])["title"], "queue-depth");
    assert_eq!(json(home, &["check"])["message"], "3 waiting");

    let done = home.call(&["plugin", "add", "other.wasm", "--name", "queue"]);
    assert_eq!(done.code, 3, "{}", done.stdout);
    assert!(done.stderr.contains("doesn't take the config of 1 monitor: \"orders\" (config"), "{}", done.stderr);
    let replaced = json(home, &["plugin", "add", "other.wasm", "--name", "queue", "--force"]);
    assert_eq!(replaced["change"], "replaced");
    wait_for(seer, "unknown", "refuses the config");
    json(home, &["plugin", "add", "queue.wasm"]);
    wait_for(seer, "up", "3 waiting");

    let removed = json(home, &["plugin", "remove", "queue"]);
    assert_eq!(removed["monitors"], json!(["orders"]));
    wait_for(seer, "unknown", "no plug-in is named \"queue\"");
    let done = home.call(&["plugin", "remove", "queue"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.contains("no plug-in \"queue\" in the store"), "{}", done.stderr);
}

#[test]
fn a_running_worker_follows_the_plugins_of_its_sqlite_file() {
    live_and_let_die(&[&Home::with(&orders(&queue(3), ""))]);
}

#[test]
fn all_workers_of_a_postgresql_store_run_the_plugin_that_was_added_to_it() {
    let (database, origin) = (Database::empty(), queue(3));
    let homes = [(); 2].map(|()| Home::with(&orders(&origin, &database.section())));
    assert_eq!(homes[0].call(&["migrate"]).code, 0);
    live_and_let_die(&[&homes[0], &homes[1]]);
}

#[test]
fn what_is_no_plugin_of_ours_is_not_stored() {
    let home = Home::with(&config(""));
    home.write("script.wasm", "#!/bin/sh");
    let done = home.call(&["plugin", "add", "script.wasm"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.contains("isn't a WebAssembly component"), "{}", done.stderr);
    assert_eq!(home.call(&["plugin", "add", "gone.wasm"]).code, 3);
    assert!(home.call(&["plugin", "list"]).stdout.contains("there is no plug-in"));
    let done = home.call(&["plugin", "inspect", "queue"]);
    assert_eq!(done.code, 3, "{}", done.stderr);
}

#[test]
fn a_plugin_of_the_store_is_declared_by_its_name_alone_and_may_be_pinned_to_its_hash() {
    let declared = |more: &str| format!("[[plugin]]\nname = \"queue\"\n{more}\n") + &orders(&queue(3), "");
    let home = Home::with(&declared(""));
    component(&home, "queue.wasm", "queue_depth.wasm");
    assert_eq!(home.call(&["validate"]).code, 0);
    let sha256 = json(&home, &["plugin", "add", "queue.wasm"])["sha256"].as_str().unwrap().to_owned();
    home.write("pingmon.toml", declared(&format!("sha256 = \"{sha256}\"")));
    assert_eq!(json(&home, &["check"])["message"], "3 waiting");
    home.write("pingmon.toml", declared(&format!("sha256 = \"{}\"", "0".repeat(64))));
    let done = home.call(&["check"]);
    assert_eq!(done.code, 3, "{}", done.stdout);
    assert!(done.stderr.contains("this worker is to run 0000"), "{}", done.stderr);

    home.write("pingmon.toml", declared("").replace("plugin = \"queue\"", "plugin = \"quue\""));
    let done = home.call(&["validate"]);
    assert!(
        done.stderr.contains("there are: queue; one in the store is declared by its name alone"),
        "{}",
        done.stderr
    );
}

/// A monitor that counts its runs in what it keeps.
const COUNT: &str = r#"[[monitor]]
name = "count"
every = "1s"
[monitor.wasm]
plugin = "hostile"
config = { does = "count" }
[worker]
lease = "2s"
"#;

/// The next count that is another one than `seen`.
fn next_count(running: &Running, seen: u32) -> u32 {
    let counted = || last(running)?.1.parse().ok().filter(|count| *count != seen);
    wait(counted).unwrap_or_else(|| panic!("{:?}\n{}", last(running), running.said()))
}

#[test]
fn what_a_plugin_keeps_follows_its_monitor_to_the_worker_that_takes_it_over() {
    let database = Database::empty();
    for store in [String::new(), database.section()] {
        let home = Home::with(&config(&format!("[wasm]\ncache = \"{CACHE}\"\n{COUNT}{store}")));
        if !store.is_empty() {
            assert_eq!(home.call(&["migrate"]).code, 0);
        }
        component(&home, "hostile.wasm", "hostile.wasm");
        assert_eq!(home.call(&["plugin", "add", "hostile.wasm"]).code, 0);
        let mut first = home.start(&["run"]);
        let mut counted = (0..3).fold(0, |seen, _| next_count(&first, seen));
        first.signal("KILL");
        first.end();
        let second = home.start(&["run"]);
        // The first of them may still be the last that the other one counted.
        for _ in 0..3 {
            let next = next_count(&second, counted);
            assert!(next > counted, "{counted}, then {next}: it goes on");
            counted = next;
        }
    }
}

/// What `openssl` answers in a directory.
fn openssl(home: &Home, command: &str) -> String {
    let done = Command::new("sh").args(["-c", command]).current_dir(home.path()).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The commands of docs/plugins.md.
fn documented(command: &str) -> String {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins.md")).unwrap();
    let line = guide.lines().find(|line| line.contains(command));
    line.unwrap_or_else(|| panic!("the guide has no {command:?}")).split(" # ").next().unwrap().to_owned()
}

#[test]
fn a_plugin_that_openssl_has_signed_is_run_from_file_and_store_and_no_other() {
    let origin = queue(3);
    let home = Home::empty();
    component(&home, "queue.wasm", "queue_depth.wasm");
    openssl(&home, &documented("openssl genpkey"));
    let key = openssl(&home, &documented("openssl pkey "));
    let trusting = orders(&origin, "").replace("[wasm]\n", &format!("[wasm]\ntrust = [\"{key}\"]\n"));
    let declared = format!("[[plugin]]\nname = \"queue\"\nfile = \"queue.wasm\"\n{trusting}");

    home.write("pingmon.toml", &declared);
    let done = home.call(&["validate"]);
    assert!(done.stderr.starts_with("pingmon.toml:3:") && done.stderr.contains("isn't signed"), "{}", done.stderr);
    home.write("pingmon.toml", &trusting);
    let done = home.call(&["plugin", "add", "queue.wasm"]);
    assert!(done.code == 3 && done.stderr.contains("isn't signed"), "{}", done.stderr);

    openssl(&home, &documented("openssl pkeyutl"));
    assert_eq!(json(&home, &["plugin", "add", "queue.wasm"])["change"], "added");
    assert_eq!(json(&home, &["plugin", "list"])["signed"], true);
    assert_eq!(json(&home, &["check"])["message"], "3 waiting");
    home.write("pingmon.toml", &declared);
    assert_eq!(home.call(&["check"]).code, 0, "the file beside it has the signature");

    component(&home, "queue.wasm", "hostile.wasm");
    let done = home.call(&["validate"]);
    assert!(done.stderr.contains("none of the keys in wasm.trust, or of other bytes"), "{}", done.stderr);
    home.write("pingmon.toml", declared.replace(&key, "MCowBQYDK2Vw"));
    let done = home.call(&["validate"]);
    assert!(done.stderr.starts_with("pingmon.toml:10:"), "{}", done.stderr);
}
