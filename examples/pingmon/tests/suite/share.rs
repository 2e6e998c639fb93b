//! Two programs on one PostgreSQL.

use std::{fs, path::PathBuf};

use pgtemp::PgTempDBBuilder;

use crate::{
    program::{Home, Running, get, wait},
    run::{config, monitors},
};

/// Debian keeps the newest server's programs off the `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(format!("/usr/lib/postgresql/{newest}/bin").into())
}

/// How many monitors this program's engine holds.
fn held(running: &Running) -> Option<u64> {
    let (_, body) = get(&format!("{}api/v1/engine", running.address()))?;
    serde_json::from_str::<serde_json::Value>(&body).ok()?["engine"]["held"].as_u64()
}

#[test]
fn two_programs_on_one_postgresql_share_the_monitors() {
    let builder = PgTempDBBuilder::new().with_config_param("fsync", "off");
    let database = match programs() {
        Some(directory) => builder.with_bin_path(directory).start(),
        None => builder.start(),
    };
    let host = |n: u32| format!("[[monitor]]\nname = \"host {n}\"\nevery = \"2s\"\nsystem = {{ load = {{}} }}\n");
    let watched: String = (0..10).map(host).collect();
    let home = Home::with(&(config(&watched) + &format!("[store]\nurl = \"{}\"\n", database.connection_uri())));
    let mut first = home.start(&["run"]);
    first.wait_for("10 added");
    let mut second = home.start(&["run"]);
    second.wait_for("10 unchanged");
    assert!(!first.said().contains(database.db_pass()), "no password is shown");
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
