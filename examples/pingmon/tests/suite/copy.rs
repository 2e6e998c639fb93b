//! `pingmon store copy` and `pingmon migrate`: from one file to PostgreSQL and on.

use std::process::Command;

use serde_json::Value;

use crate::{
    database::Database,
    program::Home,
    run::{config, monitors},
};

const HOST: &str = "[[monitor]]\nname = \"höst\"\nevery = \"1s\"\nsystem = { load = {} }\n";

#[test]
fn a_store_moves_to_postgresql_and_back_and_the_work_goes_on_there() {
    let database = Database::empty();
    let home = Home::with(&config(HOST));
    let to = database.url();
    let copy = ["store", "copy", "sqlite:pingmon.db", &to, "--schema", database.schema()];
    let mut running = home.start(&["run"]);
    monitors(&running, |list| list.iter().any(|monitor| monitor["status"] == "up"));

    let done = home.call(&copy);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.contains("TO: names a store that has no tables yet: run `pingmon migrate`"), "{}", done.stderr);
    home.write("postgres.toml", config(HOST) + &database.section());
    let done = home.call(&["migrate", "-c", "postgres.toml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = home.call(&copy);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.contains("FROM: an engine works on it (host "), "{}", done.stderr);

    running.signal("TERM");
    running.end();
    let done = home.call(&copy);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("results") && done.stdout.contains("all verified in"), "{}", done.stdout);
    assert!(!done.stderr.contains(database.password()) && done.stderr.is_empty(), "no bar in a pipe: {}", done.stderr);

    let back = ["store", "copy", &to, "sqlite:back.db", "--schema", database.schema(), "-o", "json"];
    let done = home.call(&back);
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{}", done.stderr));
    assert_eq!((&report["verified"], &report["tables"][0]["rows"]), (&true.into(), &1.into()), "{report}");
    assert!(report["rows"].as_u64().unwrap() >= 3 && report["rows"] == report["copied"], "{report}");

    let running = home.start(&["run", "-c", "postgres.toml"]);
    running.wait_for("1 unchanged");
    monitors(&running, |list| list.len() == 1 && list[0]["status"] == "up");
}

#[test]
fn a_store_that_is_no_store_is_wrong_usage_without_its_password() {
    let home = Home::empty();
    for (from, to, reason) in [
        ("mysql://me:sesame@x/y", "sqlite:a.db", "FROM: names no store"),
        ("sqlite:missing.db", "sqlite:a.db", "FROM: "),
        ("sqlite:a.db", "postgres://me:sesame@127.0.0.1:port/x", "TO: "),
    ] {
        if to.starts_with("postgres") {
            home.write("a.db", "");
        }
        let done = home.call(&["store", "copy", from, to]);
        assert_eq!(done.code, 3, "{}", done.stderr);
        assert!(done.stderr.contains(reason) && !done.stderr.contains("sesame"), "{}", done.stderr);
    }
    let done = home.call(&["store", "copy", "sqlite:a.db", "postgres://127.0.0.1:1/x", "--schema", "No"]);
    assert!(done.code == 3 && done.stderr.contains("--schema: is to be up to 63"), "{}", done.stderr);
    let done = home.call(&["store", "copy", "sqlite:a.db", "postgres://127.0.0.1:1/x"]);
    assert!(done.code == 1 && done.stderr.contains("run it again to go on"), "{}", done.stderr);
}

#[test]
fn the_printed_sql_does_what_migrate_does() {
    let database = Database::empty();
    let home = Home::with(&(config(HOST) + &database.section()));
    let printed = home.call(&["migrate", "--print"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    home.write("tables.sql", &printed.stdout);
    let psql = Command::new(database.program("psql"))
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-f", "tables.sql", &database.url()])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    let running = home.start(&["run"]);
    running.wait_for("1 added");
    assert_eq!(home.call(&["migrate"]).code, 0, "and finds nothing to do");

    let done = Home::with(&config(HOST)).call(&["migrate", "--print"]);
    assert!(done.code == 3 && done.stderr.contains("names an SQLite file, which needs no SQL"), "{}", done.stderr);
}
