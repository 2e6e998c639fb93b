//! A check kind of one's own: is a file fresh enough? With a typed config, its schema, and clear errors for bad ones.
//!
//! ```sh
//! cargo run -p pingmon-examples --bin custom_check                     # watches its own program file
//! cargo run -p pingmon-examples --bin custom_check -- backup.tar 1h
//! ```
//! It runs for four seconds and prints what it found.
#![allow(clippy::print_stdout, reason = "a program that tells people what it does")]

use std::{
    borrow::Cow,
    env, fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, parse_config},
    engine::Engine,
    error::{Error, Result},
    monitor::Definition,
    outcome::{Metric, Outcome, Status},
    store::Store,
    time::{Span, Timestamp},
};
use pingmon_examples::Failure;
use pingmon_store::memory::MemoryStore;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a monitor of this kind is configured with. The doc comments become descriptions in the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileAge {
    /// The file that something is to renew.
    path: PathBuf,
    /// How old it may get.
    max_age: Span,
}

/// One configured check: looks once, and leaves time, retries and incidents to the engine.
#[async_trait]
impl Check for FileAge {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        // A file that isn't there is the target's failure; one that we may not look at is ours, and `unknown`.
        let metadata = match fs::metadata(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::down("there is no such file")),
            metadata => metadata.map_err(|e| Error::probe(format!("can't look at the file: {e}")))?,
        };
        let modified = metadata.modified().map_err(|e| Error::probe(e.to_string()))?;
        let modified = Timestamp::default() + modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = cx.started_at.since(modified);
        let seconds = Span(Duration::from_secs(age.as_secs()));
        let mut outcome = Outcome::up(format!("{seconds} old"))
            .metric(Metric::new("age", age.as_secs_f64(), "s"))
            .evidence("bytes", metadata.len());
        if age > self.max_age.0 {
            outcome.fail(Status::Down, "max_age", format!("at most {}", self.max_age), seconds.to_string());
        }
        Ok(outcome)
    }
}

/// The family: knows its name and schema, builds checks, and would hold what they share. Its runs get a thread each
/// unless it says otherwise, so a check may block on the file system as this one does.
struct FileAgeKind;

impl CheckKind for FileAgeKind {
    fn name(&self) -> Cow<'static, str> {
        "file_age".into()
    }

    fn schema(&self) -> Schema {
        schema_for!(FileAge)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let check: FileAge = parse_config(config)?;
        if check.max_age.0.is_zero() {
            return Err(Error::config("max_age", "no file is that fresh: give at least \"1s\""));
        }
        Ok(Arc::new(check))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = env::args().skip(1);
    let path = args.next().map_or_else(env::current_exe, |path| Ok(path.into()))?;
    let config = json!({ "path": path, "max_age": args.next().unwrap_or_else(|| "30days".into()) });
    // Refuse bad config before anything runs, as the `pingmon` binary does with its file.
    FileAgeKind.build(&config)?;
    println!("schema: {}", FileAgeKind.schema().to_value());

    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let monitor = Definition::new("backup", "file_age").config(config).every(Duration::from_secs(1));
    let engine = Engine::builder(Arc::clone(&store)).kind(FileAgeKind).monitor(monitor).build()?;
    // Any future can stop an engine.
    let summary = engine.run(tokio::time::sleep(Duration::from_secs(4))).await?;

    for overview in store.monitors(None, 10).await? {
        let mut runs = store.records(overview.monitor.id, None, 10).await?;
        runs.reverse();
        for run in runs {
            println!(
                "{} {} {}: {}",
                run.slot, overview.monitor.definition.name, run.outcome.status, run.outcome.message
            );
        }
    }
    println!("{summary}");
    Ok(())
}
