//! Two programs on one PostgreSQL.

use serde_json::Value;

use crate::{
    database::Database,
    program::{Home, Running, get, wait},
    run::{config, monitors},
};

/// How many monitors this program's engine holds.
fn held(running: &Running) -> Option<u64> {
    let (_, body) = get(&format!("{}api/v1/engine", running.address()))?;
    serde_json::from_str::<Value>(&body).ok()?["engine"]["held"].as_u64()
}

/// Ten monitors of this host.
fn ten() -> String {
    let host = |n: u32| format!("[[monitor]]\nname = \"host {n}\"\nevery = \"2s\"\nsystem = {{ load = {{}} }}\n");
    (0..10).map(host).collect()
}

/// A program's place on a database whose tables are there.
fn home(database: &Database, more: &str) -> Home {
    let home = Home::with(&(config(&ten()) + &database.section() + more));
    let done = home.call(&["migrate"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    home
}

#[test]
fn two_programs_on_one_postgresql_share_the_monitors() {
    let database = Database::empty();
    let home = home(&database, "");
    let mut first = home.start(&["run"]);
    first.wait_for("10 added");
    let mut second = home.start(&["run"]);
    second.wait_for("10 unchanged");
    assert!(!first.said().contains(database.password()), "no password is shown");
    assert!(
        wait(|| (held(&first)? == 5 && held(&second)? == 5).then_some(())).is_some(),
        "{:?} {:?}",
        held(&first),
        held(&second)
    );
    monitors(&second, |list| list.len() == 10 && list.iter().all(|monitor| monitor["status"] == "up"));
    first.signal("TERM");
    assert_eq!(first.end().code(), Some(0), "{}", first.said());
    assert!(wait(|| (held(&second)? == 10).then_some(())).is_some(), "the other takes over all");
    second.signal("TERM");
    assert_eq!(second.end().code(), Some(0), "{}", second.said());
}

/// What `pingmon workers` says, a line a worker.
fn workers(home: &Home) -> Vec<Value> {
    let done = home.call(&["workers", "-o", "json"]);
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn workers_tells_who_is_alive_and_a_killed_one_is_taken_over() {
    let database = Database::empty();
    let home = home(&database, "[worker]\nlease = \"2s\"\n");
    let done = home.call(&["workers"]);
    assert_eq!((done.code, done.stdout.as_str()), (2, "no worker is alive: nothing is watched\n"), "{}", done.stderr);

    let first = home.start(&["run"]);
    first.wait_for("10 added");
    let second = home.start(&["run"]);
    let shared = wait(|| {
        let found = workers(&home);
        (found.len() == 2 && found.iter().all(|worker| worker["held"] == 5)).then_some(found)
    });
    let found = shared.unwrap_or_else(|| panic!("{:?}", workers(&home)));
    for worker in &found {
        assert_eq!(worker["version"], env!("CARGO_PKG_VERSION"));
        assert!((0.0..=2_000.0).contains(&worker["lease_left_ms"].as_f64().unwrap()), "{worker}");
    }
    let done = home.call(&["workers"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("HOST") && done.stdout.contains("2 workers, 10 monitors held"), "{}", done.stdout);
    assert!(!done.stdout.contains('\u{1b}'), "no colours in a pipe");

    // Killed as it goes.
    drop(first);
    let alone = wait(|| {
        let found = workers(&home);
        (found.len() == 1 && found[0]["held"] == 10).then_some(())
    });
    assert!(alone.is_some(), "{:?}", workers(&home));
    drop(second);
}

#[test]
fn workers_of_a_store_that_can_not_be_read_are_unknown() {
    for url in ["sqlite:nowhere.db", "postgres://me:sesame@127.0.0.1:1/x"] {
        let home = Home::with(&format!("[store]\nurl = \"{url}\"\n"));
        let done = home.call(&["workers"]);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""), "{}", done.stderr);
        assert!(done.stderr.starts_with("error: ") && !done.stderr.contains("sesame"), "{}", done.stderr);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is made");
    }
}
