//! SIGHUP and restarts: what the file says becomes what is watched.

use crate::{
    program::Home,
    run::{config, monitors},
};

fn host(name: &str, more: &str) -> String {
    format!("[[monitor]]\nname = \"{name}\"\n{more}\nsystem = {{}}\n")
}

#[test]
fn a_hangup_takes_over_a_good_file_and_keeps_the_old_one_over_a_bad_one() {
    let home = Home::with(&config(&(host("a", "") + &host("b", ""))));
    let running = home.start(&["run"]);
    monitors(&running, |list| list.len() == 2);

    home.write("pingmon.toml", config(&(host("a", "every = \"0s\"") + &host("b", "notify = [\"gone\"]"))));
    running.signal("HUP");
    running.wait_for("kept the old config");
    running.wait_for("pingmon.toml:8:9: monitor \"a\": every: 0s is out of range");
    running.wait_for("monitor \"b\": notify[0]: no notifier is named \"gone\"");
    assert_eq!(monitors(&running, |list| !list.is_empty()).len(), 2);

    home.write(
        "pingmon.toml",
        config(&(host("a", "every = \"5s\"") + &host("c", ""))) + "[store]\nurl = \"sqlite:other.db\"\n",
    );
    running.signal("HUP");
    running.wait_for("reloaded: 1 added (c), 1 changed (a), 1 retired (b)");
    running.wait_for("changes of [store] take effect after a restart");
    let names =
        |list: &[serde_json::Value]| list.iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let list = monitors(&running, |list| list.len() == 2 && list.iter().all(|monitor| monitor["status"] == "up"));
    assert_eq!(names(&list), ["a", "c"]);
}

#[test]
fn a_restart_tells_what_changed_and_a_disabled_monitor_is_paused_until_it_is_enabled() {
    let home = Home::with(&config(&(host("a", "") + &host("b", "enabled = false"))));
    let mut running = home.start(&["run"]);
    running.wait_for("2 added (a, b), 1 paused (b)");
    monitors(&running, |list| list.iter().any(|monitor| monitor["name"] == "b" && monitor["state"] == "paused"));
    running.signal("TERM");
    running.end();

    let mut running = home.start(&["run"]);
    running.wait_for(": 2 unchanged");
    running.signal("TERM");
    running.end();

    home.write("pingmon.toml", config(&host("b", "")));
    let running = home.start(&["run"]);
    running.wait_for("1 retired (a), 1 resumed (b), 1 unchanged");
    monitors(&running, |list| list.len() == 1 && list[0]["state"] == "active" && list[0]["status"] == "up");
}
