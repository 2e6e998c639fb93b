//! Is a queue short enough? Asks a JSON API, such as `{"queue": {"depth": 12}}`.

use pingmon_plugin::{Check, Context, Info, Level, Outcome, Result, http};
use serde::Deserialize;

#[derive(Deserialize)]
struct QueueDepth {
    url: String,
    most: u64,
}

#[derive(Deserialize)]
struct Answer {
    queue: Queue,
}

#[derive(Deserialize)]
struct Queue {
    depth: u64,
}

impl Check for QueueDepth {
    const INFO: Info = Info::new("queue-depth", env!("CARGO_PKG_VERSION"), "Is a queue short enough? Asks a JSON API.")
        .config_schema(include_str!("../../../queue-depth.schema.json"))
        .wants_http("to ask the queue's API");

    fn run(&self, _: &Context) -> Result {
        let mut answer = http::get(&self.url)?;
        if answer.status != 200 {
            return Ok(Outcome::down(format!("status {}, expected 200", answer.status)).phases(&answer.phases));
        }
        let depth = answer.json::<Answer>()?.queue.depth;
        let outcome = match depth <= self.most {
            true => Outcome::up(format!("{depth} waiting")),
            false => Outcome::degraded(format!("{depth} waiting, more than {}", self.most)).failed(
                Level::Degraded,
                "depth",
                &format!("at most {}", self.most),
                &depth.to_string(),
            ),
        };
        Ok(outcome.phases(&answer.phases).metric("queue_depth", depth as f64, ""))
    }
}

pingmon_plugin::export!(QueueDepth);
