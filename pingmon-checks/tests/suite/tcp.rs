//! The `tcp` kind against real sockets.

use std::time::Duration;

use pingmon_checks::tcp::Tcp;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::server::{Server, closed};

async fn run(policy: DialPolicy, config: Value) -> Outcome {
    let check = Tcp::new(policy).build(&config).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    check.run(&cx).await.unwrap()
}

fn phases(outcome: &Outcome) -> Vec<&str> {
    outcome.phases.iter().map(|(name, _)| name.as_ref()).collect()
}

#[tokio::test]
async fn an_accepted_connection_is_up_with_its_phases() {
    let server = Server::start(|_| async {}).await;
    let literal = run(DialPolicy::open(), json!({ "address": server.address.to_string() })).await;
    assert_eq!((literal.status, literal.message), (Status::Up, format!("connected to {}", server.address)));
    let address = format!("localhost:{}", server.address.port());
    let named = run(DialPolicy::open(), json!({ "address": address })).await;
    assert_eq!((named.status, phases(&named)), (Status::Up, vec!["dns", "connect"]));
    assert_eq!(named.latency.unwrap(), named.phases.iter().map(|(_, spent)| *spent).sum::<Duration>());
}

#[tokio::test]
async fn a_refused_connection_is_down_and_says_where_it_broke() {
    let outcome = run(DialPolicy::open(), json!({ "address": closed().to_string() })).await;
    assert_eq!(outcome.status, Status::Down);
    assert_eq!(
        (&outcome.evidence["error"], &outcome.evidence["phase"]),
        (&json!("connect_refused"), &json!("connect"))
    );
}

#[tokio::test]
async fn a_target_that_we_have_no_route_to_is_unknown() {
    // No system has a route for TCP to a multicast address.
    let outcome = run(DialPolicy::open(), json!({ "address": "224.0.0.1:80" })).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &json!("network_unreachable")));
}

#[tokio::test]
async fn a_slow_connection_is_degraded_or_down_as_the_levels_say() {
    let server = Server::start(|_| async {}).await;
    let address = server.address.to_string();
    for (latency, status) in [
        (json!("1ns"), Status::Degraded),
        (json!({ "degraded": "1ns", "down": "2ns" }), Status::Down),
        (json!("1h"), Status::Up),
    ] {
        let config = json!({ "address": address, "expect": { "latency": latency } });
        assert_eq!(run(DialPolicy::open(), config).await.status, status, "{latency}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_forbidden_address_is_unknown() {
    let server = Server::start(|_| async {}).await;
    let policy = DialPolicy::public();
    let outcome = run(policy, json!({ "address": format!("localhost:{}", server.address.port()) })).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &json!("dial_forbidden")));
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_forbidden_address_and_an_unknown_key_are_refused_when_the_check_is_built() {
    for (config, words) in [
        (json!({ "address": "169.254.169.254:80" }), "invalid address: the dial policy forbids 169.254.169.254"),
        (json!({ "address": "a.example:80", "colour": 1 }), "unknown field `colour`"),
        (json!({ "address": 80 }), "invalid address"),
    ] {
        let error = Tcp::new(DialPolicy::open()).build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}
