//! The `command` channel with real programs of this host.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notifier::Notifier,
};
use pingmon_notify::open;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::notices;

/// A shell script in a directory of its own.
fn script(home: &TempDir, text: &str) -> Value {
    let path = home.path().join("notify");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    json!({ "run": [path, home.path()] })
}

fn channel(config: &Value) -> Arc<dyn Notifier> {
    open("command", config, &DialPolicy::open()).unwrap()
}

fn failure(result: Result<()>) -> (String, bool) {
    match result {
        Err(Error::Delivery { reason, retryable, .. }) => (reason, retryable),
        other => panic!("expected a failed delivery, got {other:?}"),
    }
}

#[tokio::test]
async fn a_program_is_told_the_facts_and_nothing_else() {
    let home = TempDir::new().unwrap();
    let mut config = script(&home, "/bin/cat > $1/facts; /usr/bin/env > $1/env; echo $# > $1/arguments");
    config["run"] = json!([config["run"][0], home.path(), "$(touch /tmp/x)", "two words"]);
    config["env"] = json!({ "TOKEN": "canary" });
    channel(&config).send(&notices::opened()).await.unwrap();
    let facts: Value = serde_json::from_slice(&fs::read(home.path().join("facts")).unwrap()).unwrap();
    assert_eq!((&facts["event"], &facts["monitor"]["name"]), (&json!("opened"), &json!("shop api")));
    let env = fs::read_to_string(home.path().join("env")).unwrap();
    let names: Vec<_> = env.lines().filter_map(|line| line.split('=').next()).collect();
    let added_by_the_shell = ["PWD", "SHLVL", "_", "OLDPWD"];
    assert!(env.contains("TOKEN=canary"));
    assert!(names.iter().all(|name| *name == "TOKEN" || added_by_the_shell.contains(name)), "{env}");
    assert_eq!(fs::read_to_string(home.path().join("arguments")).unwrap().trim(), "3");
}

#[tokio::test]
async fn an_exit_status_other_than_0_is_tried_again_and_says_why() {
    let home = TempDir::new().unwrap();
    let mut config = script(&home, "echo \"the $TOKEN is\nwrong\" >&2; exit 7");
    config["env"] = json!({ "TOKEN": "canary" });
    let (reason, retryable) = failure(channel(&config).send(&notices::opened()).await);
    assert!(retryable && reason.ends_with("ended with exit status: 7: the [secret] is wrong"), "{reason}");
    let missing = json!({ "run": ["/no/such/program"] });
    let (reason, retryable) = failure(channel(&missing).send(&notices::opened()).await);
    assert!(!retryable && reason.contains("can't be started"), "{reason}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
    let home = TempDir::new().unwrap();
    let mut config = script(&home, "/bin/sleep 600 & echo $! > $1/child; /bin/sleep 600");
    config["timeout"] = json!("500ms");
    let (reason, retryable) = failure(channel(&config).send(&notices::opened()).await);
    assert!(retryable && reason.ends_with("was killed: it took longer than 500ms"), "{reason}");
    ended(&fs::read_to_string(home.path().join("child")).unwrap()).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let home = TempDir::new().unwrap();
    let config = script(&home, "/bin/sleep 600 & echo $! > $1/child");
    let sent = tokio::time::timeout(Duration::from_secs(8), async { channel(&config).send(&notices::opened()).await });
    sent.await.expect("it waited for what the program left behind").unwrap();
    ended(&fs::read_to_string(home.path().join("child")).unwrap()).await;
}

/// Waits until a process is no more, or only waits to be buried.
async fn ended(pid: &str) {
    let stat = Path::new("/proc").join(pid.trim()).join("stat");
    let gone = async {
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("it still runs");
}

#[tokio::test]
async fn neither_endless_complaints_nor_an_unread_notice_hold_it_up() {
    let home = TempDir::new().unwrap();
    let config = script(&home, "/usr/bin/head -c 10000000 /dev/zero >&2; /usr/bin/head -c 10000000 /dev/zero; exit 1");
    let mut notice = notices::opened();
    notice.incident.message = "x".repeat(1_000_000);
    let (reason, retryable) = failure(channel(&config).send(&notice).await);
    assert!(retryable && reason.len() < 1_000, "{} bytes", reason.len());
}

#[test]
fn no_program_runs_for_tenants_nor_by_a_path_that_is_searched_for() {
    let policy = DialPolicy::public();
    let error = open("command", &json!({ "run": ["/bin/true"] }), &policy).err().unwrap().to_string();
    assert!(error.starts_with("invalid run: no programs are run where the dial policy"), "{error}");
    for (bad, field) in [
        (json!({ "run": [] }), "run"),
        (json!({ "run": ["true"] }), "run"),
        (json!({ "run": "/bin/true" }), "run"),
        (json!({ "run": ["/bin/true", "a\0b"] }), "run"),
        (json!({ "run": ["/bin/true"], "env": { "A=B": "canary" } }), "env"),
        (json!({ "run": ["/bin/true"], "timeout": "1m" }), "timeout"),
    ] {
        let error = open("command", &bad, &DialPolicy::open()).err().unwrap().to_string();
        assert!(error.starts_with(&format!("invalid {field}")) && !error.contains("canary"), "{error}");
    }
}
