//! What must not be reachable.

use pingmon_core::{dial::DialPolicy, outcome::Status};
use serde_json::json;
use std::time::Duration;

use super::{missed, refused};
use crate::{
    http::{run, run_under},
    server::{Server, closed, ok},
};

#[tokio::test]
async fn inverted_it_is_up_while_no_connection_comes_about() {
    let outcome = run(json!({ "url": format!("http://{}/", closed()), "expect": { "invert": true } })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    assert_eq!(outcome.message, "not reachable, as it should be: connection refused");

    let server = Server::saying(ok("text/plain", "hello")).await;
    let outcome = run(json!({ "url": server.url("/"), "expect": { "invert": true } })).await;
    assert_eq!(
        (outcome.status, missed(&outcome).as_str()),
        (Status::Down, "invert: no connection / the answer 200 OK")
    );

    let server = Server::saying("SSH-2.0-OpenSSH\r\n").await;
    let outcome = run(json!({ "url": server.url("/"), "expect": { "invert": true } })).await;
    assert!(missed(&outcome).contains("a connection, then in first_byte: the response isn't HTTP"), "{outcome:?}");
}

#[tokio::test]
async fn inverted_it_stays_unknown_when_we_are_the_ones_who_do_not_go_there() {
    let config = json!({ "url": "http://localhost/", "expect": { "invert": true } });
    let outcome = run_under(DialPolicy::public(), &config, Duration::from_secs(5)).await;
    assert_eq!(outcome.status, Status::Unknown, "{outcome:?}");
}

#[test]
fn nothing_else_can_be_expected_of_what_must_not_be_reachable() {
    let error = refused(&json!({ "invert": true, "status": [200] }));
    assert!(error.contains("invalid expect.invert: nothing else can be expected"), "{error}");
}
