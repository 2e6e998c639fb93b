//! Every channel can be had by its name.

use pingmon_core::dial::DialPolicy;
use serde_json::{Value, json};

/// The public modules of the crate: one a channel.
fn channels() -> Vec<&'static str> {
    let source = include_str!("../../src/lib.rs");
    source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

#[test]
fn every_channel_is_among_the_kinds() {
    let names: Vec<_> = pingmon_notify::kinds(&DialPolicy::open()).unwrap().iter().map(|kind| kind.name()).collect();
    assert_eq!(names, channels());
    assert_eq!(names, ["log", "webhook"]);
}

#[test]
fn every_kind_refuses_a_key_it_does_not_know_and_says_so_in_its_schema() {
    for kind in pingmon_notify::kinds(&DialPolicy::open()).unwrap() {
        let error = kind.build(&json!({ "colour": "green" })).err().unwrap().to_string();
        assert!(error.contains("colour"), "{}: {error}", kind.name());
        let schema = Value::from(kind.schema());
        assert_eq!(schema["additionalProperties"], false, "{}", kind.name());
        assert_eq!(schema["type"], "object", "{}", kind.name());
    }
}
