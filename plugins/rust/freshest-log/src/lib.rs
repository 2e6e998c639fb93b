//! Does a set of transparency logs grow? Asks for the list of logs, then each log for its tree head, as certificate
//! transparency has it, and judges the freshest: `{"logs": [{"url": "https://log.example/2026h1/"}]}`.

use pingmon_plugin::{Check, Context, Info, Level, Outcome, Result, clock, http, metric};
use serde::Deserialize;

/// Most logs that are asked.
const MAX_LOGS: usize = 20;

#[derive(Deserialize)]
struct FreshestLog {
    list: String,
    within_minutes: u64,
}

#[derive(Deserialize)]
struct List {
    logs: Vec<Log>,
}

#[derive(Deserialize)]
struct Log {
    url: String,
}

#[derive(Deserialize)]
struct TreeHead {
    tree_size: u64,
    /// In milliseconds since 1970.
    timestamp: u64,
}

impl Check for FreshestLog {
    const INFO: Info =
        Info::new("freshest-log", env!("CARGO_PKG_VERSION"), "Does at least one log of a list grow? Says which don't.")
            .config_schema(
                r#"{
                    "type": "object",
                    "properties": {
                        "list": { "type": "string", "pattern": "^https?://", "description": "The list of logs." },
                        "within_minutes": { "type": "integer", "minimum": 1, "description": "How old a head may be." }
                    },
                    "required": ["list", "within_minutes"],
                    "additionalProperties": false
                }"#,
            )
            .wants_http("to ask for the list and for the head of each log");

    fn run(&self, _: &Context) -> Result {
        let mut answer = http::get(&self.list)?;
        let list: List = match answer.status {
            200 => answer.json()?,
            status => return Ok(Outcome::down(format!("the list: status {status}, expected 200"))),
        };
        let heads: Vec<_> = list.logs.into_iter().take(MAX_LOGS).map(|log| (head(&log.url), log.url)).collect();
        Ok(self.judge(&heads, clock::now() / 1_000).phases(&answer.phases))
    }
}

impl FreshestLog {
    fn judge(&self, heads: &[(std::result::Result<TreeHead, String>, String)], now: u64) -> Outcome {
        let age = |head: &TreeHead| now.saturating_sub(head.timestamp) / 60_000;
        let (most, all) = (self.within_minutes, heads.len());
        let ages: Vec<_> = heads.iter().filter_map(|(head, log)| Some((age(head.as_ref().ok()?), log))).collect();
        let silent = all - ages.len();
        let outcome = match ages.iter().min() {
            None => Outcome::down(format!("none of {all} logs has a tree head")),
            Some((age, log)) if *age > most => {
                Outcome::down(format!("the freshest head is {age} min old, more than {most}: {log}"))
            }
            Some((age, _)) if silent > 0 => {
                Outcome::degraded(format!("{silent} of {all} logs have no tree head, the freshest is {age} min old"))
            }
            Some((age, log)) => Outcome::up(format!("the freshest head is {age} min old: {log}")),
        };
        heads.iter().fold(outcome, |outcome, (head, log)| match head {
            Ok(head) => outcome.measured(metric("log_age", age(head) as f64, "min", &[("log", log)])).measured(metric(
                "log_size",
                head.tree_size as f64,
                "",
                &[("log", log)],
            )),
            Err(reason) => outcome.failed(Level::Degraded, log, "a tree head", reason),
        })
    }
}

/// The signed tree head of a log, or why there is none.
fn head(log: &str) -> std::result::Result<TreeHead, String> {
    let url = format!("{}/ct/v1/get-sth", log.trim_end_matches('/'));
    let mut answer = http::get(&url).map_err(|fault| fault.message)?;
    match answer.status {
        200 => answer.json().map_err(|error| error.to_string()),
        status => Err(format!("status {status}")),
    }
}

pingmon_plugin::export!(FreshestLog);
