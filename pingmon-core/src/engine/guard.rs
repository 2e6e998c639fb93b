//! Runs a check so that it can't harm anybody else: it ends by its timeout, a panic becomes a verdict, and code that
//! may block gets a thread of its own. Whatever happens, there is an outcome within the stated limits.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use crate::{
    check::{Check, CheckContext, Isolation},
    error::Result,
    outcome::Outcome,
};

/// How much longer than its timeout a thread may take to say that it timed out.
const GRACE: Duration = Duration::from_millis(250);

/// A check with what keeps it from harming others.
pub struct Guarded {
    check: Arc<dyn Check>,
    isolation: Isolation,
    /// Set while a thread of an earlier run hasn't come back.
    busy: Arc<AtomicBool>,
}

impl Guarded {
    /// Wraps a check in the isolation its kind asks for.
    pub fn new(check: Arc<dyn Check>, isolation: Isolation) -> Self {
        Self { check, isolation, busy: Arc::default() }
    }

    /// Runs the check once. Ends within `cx.timeout` (250 ms later when it had a thread and blocked it); a panic, an
    /// error and a timeout that the check didn't judge itself are `unknown`.
    pub async fn run(&self, cx: &CheckContext) -> Outcome {
        let outcome = match self.isolation {
            Isolation::Cooperative => probe(&*self.check, cx).await,
            Isolation::Thread => self.run_on_thread(cx).await,
        };
        outcome.bounded()
    }

    async fn run_on_thread(&self, cx: &CheckContext) -> Outcome {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Outcome::unknown("an earlier run still blocks its thread").evidence("error", "check_blocked");
        }
        let (answer, answered) = oneshot::channel();
        let (check, context) = (Arc::clone(&self.check), cx.clone());
        let (busy, runtime) = (Arc::clone(&self.busy), Handle::current());
        // Not the runtime's blocking pool: a thread that never returns would keep the runtime from shutting down.
        let spawned = std::thread::Builder::new().name("pingmon-check".to_owned()).spawn(move || {
            let outcome = runtime.block_on(probe(&*check, &context));
            busy.store(false, Ordering::Release);
            // Nobody waits any more if the thread came back too late.
            let _ = answer.send(outcome);
        });
        if let Err(error) = spawned {
            self.busy.store(false, Ordering::Release);
            return Outcome::unknown(format!("failed to start a thread: {error}")).evidence("error", "no_thread");
        }
        match timeout(cx.timeout + GRACE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                Outcome::unknown("the check's thread ended without an answer").evidence("error", "check_panicked")
            }
            Err(_) => Outcome::unknown(format!("the check blocked its thread for more than {:?}", cx.timeout))
                .evidence("error", "check_blocked"),
        }
    }
}

async fn probe(check: &dyn Check, cx: &CheckContext) -> Outcome {
    // A check builds its future before it is polled: that part may panic too.
    let run = AssertUnwindSafe(async { check.run(cx).await }).catch_unwind();
    match timeout(cx.timeout, run).await {
        Ok(Ok(result)) => judged(result),
        Ok(Err(panic)) => {
            Outcome::unknown(format!("the check panicked: {}", panic_text(&*panic))).evidence("error", "check_panicked")
        }
        Err(_) => Outcome::unknown(format!("the check did not end within {:?}", cx.timeout))
            .evidence("error", "check_timeout"),
    }
}

fn judged(result: Result<Outcome>) -> Outcome {
    result.unwrap_or_else(|error| Outcome::unknown(error.chain()).evidence("error", "check_failed"))
}

/// What a panic said, as far as it said it in words.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        check::{CheckKind, from_fn},
        id::MonitorId,
        outcome::Status,
        time::Timestamp,
    };

    fn guarded(kind: impl CheckKind) -> Guarded {
        Guarded::new(kind.build(&Value::Null).unwrap(), kind.isolation())
    }

    fn context(timeout: Duration) -> CheckContext {
        CheckContext::new(MonitorId::new(), "test", Timestamp::default(), timeout)
    }

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_panic_is_an_unknown_that_says_what_it_said() {
        for cooperative in [true, false] {
            let kind = from_fn("panics", |_| async { panic!("no more bananas") });
            let kind = if cooperative { kind.cooperative() } else { kind };
            let outcome = guarded(kind).run(&context(SHORT)).await;
            assert_eq!(
                (outcome.status, outcome.message.as_str()),
                (Status::Unknown, "the check panicked: no more bananas")
            );
        }
    }

    #[tokio::test]
    async fn a_check_that_never_returns_ends_by_its_timeout() {
        let outcome = guarded(from_fn("waits", |_| std::future::pending()).cooperative()).run(&context(SHORT)).await;
        assert_eq!((outcome.status, outcome.evidence["error"].as_str()), (Status::Unknown, Some("check_timeout")));
    }

    #[tokio::test]
    async fn a_check_that_blocks_its_thread_costs_that_thread_only_and_is_not_started_twice() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let blocks = guarded(from_fn("blocks", move |_| {
            let gate = Arc::clone(&gate);
            async move {
                let _ = gate.lock().map(|gate| gate.recv());
                Ok(Outcome::up("released"))
            }
        }));
        let first = blocks.run(&context(SHORT)).await;
        assert_eq!(first.evidence["error"], "check_blocked");
        assert_eq!(blocks.run(&context(SHORT)).await.message, "an earlier run still blocks its thread");
        release.send(()).unwrap();
        while blocks.busy.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        drop(release);
        let after = blocks.run(&context(Duration::from_secs(5))).await;
        assert_eq!(after.status, Status::Up);
    }

    #[tokio::test]
    async fn an_error_of_the_probe_is_unknown_never_down() {
        let kind = from_fn("fails", |_| async { Err(crate::error::Error::probe("no file handles")) }).cooperative();
        let outcome = guarded(kind).run(&context(SHORT)).await;
        assert_eq!(outcome.status, Status::Unknown);
        assert!(outcome.message.contains("no file handles"));
    }
}
