//! `pingmon run`: the quick start, the page, stopping.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    database::{Database, Road},
    program::{Home, Running, Target, get, wait},
};

/// A config on a free port, with what is to be watched.
pub(crate) fn config(monitors: &str) -> String {
    format!("[web]\nlisten = \"127.0.0.1:0\"\n[[notifier]]\nname = \"log\"\nlog = {{}}\n{monitors}")
}

/// The monitors as the API tells them, once `ready` likes them.
pub(crate) fn monitors(running: &Running, ready: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let url = format!("{}api/v1/monitors", running.address());
    let found = wait(|| {
        let (_, body) = get(&url)?;
        let body: Value = serde_json::from_str(&body).ok()?;
        let list =
            body.as_array().or_else(|| body["monitors"].as_array()).or_else(|| body["items"].as_array())?.clone();
        ready(&list).then_some(list)
    });
    found.unwrap_or_else(|| panic!("{:?}\n{}", get(&url), running.said()))
}

#[test]
fn the_quick_start_watches_this_host_and_itself_within_10_seconds() {
    let home = Home::empty();
    let began = Instant::now();
    let running = home.start(&[]);
    let found = monitors(&running, |list| list.len() == 2 && list.iter().all(|monitor| !monitor["status"].is_null()));
    let (status, page) = get(&running.address()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(status, 200);
    assert!(page.contains("this host") && page.contains("pingmon"), "{page}");
    assert_eq!(found.iter().find(|monitor| monitor["name"] == "pingmon").unwrap()["status"], "up", "{found:#?}");
    assert!(home.path().join("pingmon.db").exists());
    assert!(running.said().contains("write a pingmon.toml"), "{}", running.said());
}

#[test]
fn a_second_quick_start_takes_a_free_port_and_says_so() {
    let (first, second) = (Home::empty(), Home::empty());
    let (first, second) = (first.start(&[]), second.start(&["run"]));
    assert_ne!(first.address(), second.address());
    assert_eq!(get(&format!("{}healthz", second.address())).unwrap().0, 200);
}

#[test]
fn a_taken_port_is_told_with_its_setting() {
    let target = Target::start();
    let home = Home::with(&format!("[web]\nlisten = \"{}\"\n", target.address));
    let done = home.call(&["run"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("web.listen") && done.stderr.contains("the port is taken"), "{}", done.stderr);
}

#[test]
fn a_store_that_can_not_be_used_is_told_and_nothing_is_written_elsewhere() {
    let home = Home::with("[web]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:/nowhere/x.db\"\n");
    let done = home.call(&["run"]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("/nowhere"), "{}", done.stderr);

    // The server stays as long as somebody has a database in it.
    let database = Database::empty();
    let home = Home::with(&("[web]\nlisten = \"127.0.0.1:0\"\n".to_owned() + &database.section()));
    let done = home.call(&["run"]);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.contains("has no tables yet: run `pingmon migrate`"), "{}", done.stderr);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "there is only the config");
}

/// Why the program isn't ready; none when it is, or doesn't answer.
fn faults(running: &Running) -> Option<String> {
    let (status, body) = get(&format!("{}readyz", running.address()))?;
    (status == 503).then_some(body)
}

#[test]
fn a_postgresql_that_is_away_is_waited_for_while_the_page_says_so() {
    let database = Database::empty();
    let config = config("[[monitor]]\nname = \"host\"\nevery = \"1s\"\nsystem = {}\n");
    assert_eq!(Home::with(&(config.clone() + &database.section())).call(&["migrate"]).code, 0);

    let road = Road::closed(database.port());
    let home =
        Home::with(&(config + &database.section().replace(&database.port().to_string(), &road.port.to_string())));
    let mut running = home.start(&["run"]);
    let why = wait(|| faults(&running).filter(|why| why.contains("refused")));
    let why = why.unwrap_or_else(|| panic!("{:?}\n{}", faults(&running), running.said()));
    assert!(why.contains("the store takes no writes"), "{why}");
    assert_eq!(get(&format!("{}healthz", running.address())).unwrap().0, 200, "the process is well");
    running.wait_for("waiting for it: failed to");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is written elsewhere");

    road.open();
    running.wait_for("the store answers: 1 added (host)");
    monitors(&running, |list| list.len() == 1 && list[0]["status"] == "up");
    assert!(wait(|| faults(&running).is_none().then_some(())).is_some(), "{:?}", faults(&running));
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0), "{}", running.said());
    assert!(!running.said().contains(database.password()), "no password is shown");
}

#[test]
fn waiting_for_a_store_ends_with_a_signal() {
    let home = Home::with(&config("[store]\nurl = \"postgres://me:sesame@127.0.0.1:1/x\"\n"));
    let mut running = home.start(&["run"]);
    running.wait_for("still waiting for the store");
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0), "{}", running.said());
    assert!(!running.said().contains("sesame"), "{}", running.said());
}

#[test]
fn a_bad_config_is_refused_before_anything_starts() {
    let home = Home::with("[[monitor]]\nname = \"a\"\nevery = \"0s\"\nsystem = {}\n");
    let done = home.call(&["run"]);
    assert_eq!(done.code, 3);
    assert!(done.stderr.contains("pingmon.toml:3:9: monitor \"a\": every: 0s is out of range"), "{}", done.stderr);
    assert!(!home.path().join("pingmon.db").exists());
}

#[test]
fn a_signal_to_stop_ends_it_gracefully_and_a_second_one_at_once() {
    let home = Home::with(&config("[[monitor]]\nname = \"host\"\nsystem = {}\n"));
    let mut running = home.start(&["run"]);
    running.address();
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(0), "{}", running.said());
    running.wait_for("stopped: ");

    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!(
        "[[monitor]]\nname = \"slow\"\nevery = \"60s\"\ntimeout = \"30s\"\nhttp = {{ url = \"http://{}/\" }}\n",
        hanging.local_addr().unwrap()
    );
    let home = Home::with(&config(&slow));
    let mut running = home.start(&["run"]);
    let _held = hanging.accept().unwrap();
    running.signal("INT");
    running.wait_for("stopping");
    let ended = wait(|| {
        running.signal("INT");
        running.ended()
    });
    assert_eq!(ended.unwrap().code(), Some(130), "{}", running.said());
}

#[test]
fn no_secret_of_a_monitor_is_stored() {
    let target = Target::start();
    let monitor = format!(
        "[[monitor]]\nname = \"a\"\n[monitor.http]\nurl = \"{}\"\nbearer = {{ file = \"token\" }}\n",
        target.url()
    );
    let home = Home::with(&config(&monitor));
    home.write("token", "open-sesame\n");
    let mut running = home.start(&["run"]);
    assert!(target.request().contains("Bearer open-sesame"), "the secret is used");
    monitors(&running, |list| list.iter().any(|monitor| monitor["status"] == "up"));
    running.signal("TERM");
    running.end();
    for entry in std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&entry).unwrap();
        let leaked = bytes.windows(11).any(|window| window == b"open-sesame");
        assert_eq!(leaked, entry.ends_with("token"), "{}", entry.display());
    }
    assert!(!running.said().contains("open-sesame"));
}
