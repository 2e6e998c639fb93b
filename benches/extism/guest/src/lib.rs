//! What `plugins/fixtures/idle` is, as one writes it for extism.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    config: Config,
    context: Context,
}

#[derive(Deserialize)]
struct Config {
    does: String,
}

#[derive(Deserialize)]
struct Context {
    monitor: String,
    slot: i64,
    timeout: u64,
}

#[derive(Serialize)]
struct Outcome {
    status: &'static str,
    message: String,
}

#[plugin_fn]
pub fn run(Json(Input { config, context }): Json<Input>) -> FnResult<Json<Outcome>> {
    let Context { monitor, slot, timeout } = context;
    Ok(Json(match config.does.as_str() {
        "nothing" => Outcome { status: "up", message: String::new() },
        _ => Outcome { status: "unknown", message: format!("{monitor} {slot} {timeout}") },
    }))
}
