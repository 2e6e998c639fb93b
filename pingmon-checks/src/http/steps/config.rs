//! The steps of a flow as they are written, and what each takes over from its monitor. Reading only.

use std::{borrow::Cow, collections::BTreeMap};

use pingmon_core::{
    check::parse_config,
    error::{Error, Result},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::capture::CaptureTable;
use crate::http::config::Config;

/// What a step says of itself; all else that it says is about its request.
const OWN: [&str; 3] = ["name", "always", "capture"];
/// What a step takes over from its monitor unless it says something else.
const SHARED: [&str; 4] = ["url", "headers", "redirects", "max_body"];
/// What it has to say itself.
const SEPARATE: [&str; 4] = ["method", "query", "body", "expect"];
/// Ways to say who asks: one of them in a step takes the place of the monitor's.
const CREDENTIALS: [&str; 4] = ["basic", "digest", "bearer", "authorization"];

/// A step: what it says of itself, and its request as a monitor of its own.
pub(in crate::http) struct Step {
    pub(super) own: Own,
    pub(super) request: Map<String, Value>,
}

/// One step of a flow: a request and what is expected of its answer. What it doesn't say of `url`, `headers`, `redirects`,
/// `max_body` and of credentials is as the monitor says; `{{name}}` also stands for a value captured before.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// The step's name, unlike those of the others: letters, digits, `_` and `-`, at most 64.
    pub(super) name: String,
    /// Runs the step whatever became of those before, as to clean up, unless a value it needs was never captured. A fifth
    /// of the monitor's `timeout` is kept for such steps.
    #[serde(default)]
    pub(super) always: bool,
    /// Values to take out of the answer, at most 32 in a flow and 8 KiB each: with
    /// `{ order = { json = "$.id" } }`, `{{order}}` stands for it in the steps that follow. One that isn't found fails
    /// the step. In a URL a value is percent-encoded, unless the URL begins with it; it never leads to another host.
    #[serde(default)]
    pub(super) capture: BTreeMap<String, CaptureTable>,
}

impl Step {
    /// Reads a step of `monitor`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of the step.
    pub(super) fn read(monitor: &Map<String, Value>, mut step: Map<String, Value>) -> Result<Self> {
        let own = OWN.iter().filter_map(|field| step.remove_entry(*field)).collect();
        let own = parse_config(&Value::Object(own))?;
        let known = |field: &str| SHARED.iter().chain(&SEPARATE).chain(&CREDENTIALS).any(|known| *known == field);
        if let Some(field) = step.keys().find(|field| !known(field)) {
            let reason = "a step doesn't know it; what is about connections and TLS belongs to the monitor";
            return Err(Error::config(field, reason));
        }
        let gives_credentials = step.keys().any(|field| CREDENTIALS.contains(&field.as_str()));
        let mut request = monitor.clone();
        request.retain(|field, _| match field.as_str() {
            "steps" => false,
            "oauth2" => !gives_credentials,
            field if CREDENTIALS.contains(&field) => !gives_credentials,
            field => !SEPARATE.contains(&field),
        });
        let headers = merged(request.remove("headers"), step.remove("headers"));
        request.extend(headers.map(|headers| ("headers".to_owned(), headers)));
        request.extend(step);
        Ok(Self { own, request })
    }
}

/// The headers of a step over those of its monitor, by name.
fn merged(monitor: Option<Value>, step: Option<Value>) -> Option<Value> {
    match (monitor, step) {
        (Some(Value::Object(mut all)), Some(Value::Object(step))) => {
            all.retain(|name, _| !step.keys().any(|own| own.eq_ignore_ascii_case(name)));
            all.extend(step);
            Some(Value::Object(all))
        }
        (monitor, step) => step.or(monitor),
    }
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut step = Own::json_schema(generator);
        let mut monitor = Config::json_schema(generator);
        let fields = monitor.get_mut("properties").and_then(Value::as_object_mut).map(std::mem::take);
        let of_request = |field: &str| SHARED.iter().chain(&SEPARATE).chain(&CREDENTIALS).any(|known| *known == field);
        if let Some(step) = step.get_mut("properties").and_then(Value::as_object_mut) {
            step.extend(fields.into_iter().flatten().filter(|(field, _)| of_request(field)));
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(monitor: Value, step: Value) -> Result<Value> {
        let object = |value: Value| value.as_object().unwrap().clone();
        Step::read(&object(monitor), object(step)).map(|step| Value::Object(step.request))
    }

    #[test]
    fn a_step_takes_over_what_it_does_not_say_itself() {
        let monitor = json!({
            "url": "https://a.example", "headers": { "Accept": "a", "x-tag": "b" }, "bearer": "t", "redirects": 3,
            "proxy": "http://p.example", "expect": { "latency": "1s" }, "steps": [],
        });
        let request = read(monitor.clone(), json!({ "name": "x", "method": "PUT", "headers": { "accept": "c" } }));
        let expected = json!({
            "url": "https://a.example", "headers": { "accept": "c", "x-tag": "b" }, "bearer": "t", "redirects": 3,
            "proxy": "http://p.example", "method": "PUT",
        });
        assert_eq!(request.unwrap(), expected);

        let basic = json!({ "username": "u", "password": "p" });
        let request = read(monitor, json!({ "name": "x", "basic": basic, "url": "/y", "redirects": 0 })).unwrap();
        assert_eq!((&request["basic"], request.get("bearer")), (&basic, None));
        assert_eq!((&request["url"], &request["redirects"]), (&json!("/y"), &json!(0)));
    }

    #[test]
    fn what_a_step_does_not_know_is_refused_by_name() {
        for (step, words) in [
            (json!({}), "missing field `name`"),
            (json!({ "name": "x", "proxy": "http://p.example" }), "invalid proxy: a step doesn't know it"),
            (json!({ "name": "x", "steps": [] }), "invalid steps: a step doesn't know it"),
            (json!({ "name": "x", "capture": { "a": { "jsn": "$" } } }), "invalid capture.a.jsn"),
        ] {
            let error = read(json!({ "url": "https://a.example" }), step).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
