//! What somebody who may enter a target, or who runs one, can try: each attempt with the verdict it gets, the time and the
//! memory it costs, and a listener that proves that nothing was dialled. Run with `--nocapture` to see the table.

mod answers;
mod places;
mod requests;
mod tls;

use std::time::{Duration, Instant};

use pingmon_checks::{http::Http, tcp::Tcp};
use pingmon_core::{
    check::{CheckContext, CheckKind},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::Value;

use crate::memory;

/// How long a run may take.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// What a run may hold at most, in bytes: the window of 16 MiB that brotli may ask for, and little besides.
const MEMORY: usize = 17 * 1024 * 1024;

/// What came of an attempt.
struct Row {
    attempt: String,
    verdict: String,
    took: Duration,
    peak: usize,
}

/// Builds a check and runs it on a thread of its own, so that what it allocates can be told from what others do.
fn attempt(attempt: &str, build: impl FnOnce() -> Box<dyn CheckKind> + Send, config: &Value) -> Row {
    let (verdict, took, peak) = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let kind = build();
            let (started, before) = (Instant::now(), memory::start());
            let verdict = match kind.build(config) {
                Err(error) => format!("refused: {error}"),
                Ok(check) => {
                    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), TIMEOUT);
                    verdict(&runtime.block_on(check.run(&cx)).unwrap())
                }
            };
            (verdict, started.elapsed(), memory::peak_since(before))
        });
        run.join().unwrap()
    });
    Row { attempt: attempt.to_owned(), verdict, took, peak }
}

fn verdict(outcome: &Outcome) -> String {
    let error = outcome.evidence.get("error").and_then(Value::as_str);
    match (outcome.status, error.or_else(|| outcome.failed.first().map(|_| "expectation"))) {
        (Status::Up, _) => "up".to_owned(),
        (status, why) => format!("{status} {}", why.unwrap_or_default()),
    }
}

/// Prints the table and holds every row to the common limits.
#[allow(clippy::print_stdout, reason = "the table is to be seen")]
fn judge(title: &str, rows: &[Row]) {
    println!("\n{title}");
    for Row { attempt, verdict, took, peak } in rows {
        let shown: String = verdict.chars().take(60).collect();
        println!("  {attempt:<52} {shown:<60} {:>6} ms {:>6} KiB", took.as_millis(), peak / 1024);
        assert!(*took < TIMEOUT + Duration::from_secs(1), "{attempt} took {took:?}");
        assert!(*peak < MEMORY, "{attempt} held {peak} bytes");
    }
}

fn http(policy: DialPolicy) -> impl FnOnce() -> Box<dyn CheckKind> + Send {
    || Box::new(Http::new(policy).unwrap())
}

fn tcp(policy: DialPolicy) -> impl FnOnce() -> Box<dyn CheckKind> + Send {
    || Box::new(Tcp::new(policy))
}
