use crate::process::{Process, request, request_until};

const EMBEDDED: &str = env!("CARGO_BIN_EXE_embedded");

/// Starts the shop; answers its address too.
fn shop(args: &[&str]) -> (Process, String) {
    let mut shop = Process::start(EMBEDDED, args);
    let line = shop.expect("the shop's status is at http://");
    let address = line.rsplit("http://").next().and_then(|rest| rest.strip_suffix("/status")).unwrap().to_owned();
    (shop, address)
}

#[test]
fn a_service_shows_its_dependencies_and_notices_when_one_degrades() {
    let (mut shop, address) = shop(&[]);
    request_until(&address, "/status/readyz", "200 OK");
    for dependency in ["order queue", "payment provider"] {
        request_until(&address, "/status", dependency);
    }
    request_until(&address, "/status/api/v1/engine", "\"recorded\":2");
    let monitors = request(&address, "GET", "/status/api/v1/monitors");
    assert_eq!(monitors.matches("\"status\":\"up\"").count(), 2, "{monitors}");
    for waiting in 1..=5 {
        assert!(request(&address, "POST", "/orders").ends_with(&format!("{waiting} orders waiting\n")));
    }
    request_until(&address, "/status/api/v1/incidents", "\"level\":\"degraded\"");
    shop.terminate();
    let (status, lines) = shop.finish();
    assert!(status.success(), "{lines:?}");
    let summary = lines.last().unwrap();
    assert!(summary.starts_with("stopped: ") && summary.ends_with("2 monitors handed back"), "{summary}");
}

#[test]
fn with_a_file_its_past_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/shop.db", directory.path().display());
    for _ in 0..2 {
        let (mut shop, address) = shop(&["127.0.0.1:0", &url]);
        for _ in 0..5 {
            request(&address, "POST", "/orders");
        }
        let incidents = request_until(&address, "/status/api/v1/incidents", "\"level\":\"degraded\"");
        assert_eq!(incidents.matches("opened_at").count(), 1, "still the same incident: {incidents}");
        shop.terminate();
        assert!(shop.finish().0.success());
    }
}
