//! Every channel can be had by its name.

use pingmon_core::dial::DialPolicy;
use serde_json::{Value, json};

#[test]
fn every_channel_is_among_the_kinds() {
    let kinds = pingmon_notify::kinds(&DialPolicy::open()).unwrap();
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(
        names,
        [
            "command",
            "discord",
            "email",
            "gotify",
            "log",
            "matrix",
            "mattermost",
            "ntfy",
            "opsgenie",
            "pagerduty",
            "pushover",
            "slack",
            "teams",
            "telegram",
            "twilio",
            "webhook",
        ]
    );
}

#[test]
fn the_manifest_has_a_feature_for_each_and_full_has_them_all() {
    let manifest = include_str!("../../Cargo.toml");
    let full = manifest.split_once("full = [").unwrap().1.split_once(']').unwrap().0;
    for kind in pingmon_notify::kinds(&DialPolicy::open()).unwrap() {
        let name = kind.name();
        assert!(full.contains(&format!("\"{name}\"")), "{name} isn't in full");
        assert!(manifest.contains(&format!("\n{name} = [")), "{name} is no feature");
    }
}

#[test]
fn one_channel_can_be_opened_without_the_others() {
    pingmon_notify::open("ntfy", &json!({ "topic": "outages" }), &DialPolicy::open()).unwrap();
    let error = pingmon_notify::open("ntfi", &json!({}), &DialPolicy::open()).err().unwrap().to_string();
    assert!(error.starts_with("invalid kind: \"ntfi\" is not one of command, discord, "), "{error}");
}

#[test]
fn every_kind_refuses_a_key_it_does_not_know_and_says_so_in_its_schema() {
    for kind in pingmon_notify::kinds(&DialPolicy::open()).unwrap() {
        let error = kind.build(&json!({ "colour": "green" })).err().unwrap().to_string();
        assert!(error.contains("colour"), "{}: {error}", kind.name());
        let schema = Value::from(kind.schema());
        assert_eq!(schema["additionalProperties"], false, "{}", kind.name());
        assert_eq!(schema["type"], "object", "{}", kind.name());
        assert_ne!(schema["description"], Value::Null, "{}", kind.name());
    }
}
