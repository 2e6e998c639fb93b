//! The clock by which running plug-ins are made to let others go on: a thread that advances the engine's epoch while
//! something runs, and sleeps otherwise. It ends with its owner.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use pingmon_core::error::{Error, Result};
use wasmtime::Engine;

/// How long a plug-in may compute before others get their turn.
const TICK: Duration = Duration::from_millis(5);
/// How many ticks without a run send the thread to sleep.
const IDLE_TICKS: u32 = 40;

/// The running clock.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    runs: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// Keeps the clock going while it lives.
pub(super) struct Ticking<'t>(&'t Ticker);

impl Ticker {
    /// Starts the clock of an engine.
    ///
    /// # Errors
    /// [`Error::Probe`] when the system has no thread for it.
    pub(super) fn start(engine: &Engine) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (theirs, engine) = (Arc::clone(&shared), engine.clone());
        let thread = thread::Builder::new().name("pingmon-wasm".to_owned()).spawn(move || theirs.tick(&engine));
        let thread = thread.map_err(|error| Error::probe(format!("no thread for the clock of plug-ins: {error}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Keeps the clock going for one run.
    pub(super) fn run(&self) -> Ticking<'_> {
        self.shared.runs.fetch_add(1, SeqCst);
        if self.shared.asleep.swap(false, SeqCst) {
            self.wake();
        }
        Ticking(self)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.runs.fetch_sub(1, SeqCst);
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        while !self.ended.load(SeqCst) {
            engine.increment_epoch();
            idle = if self.runs.load(SeqCst) == 0 { idle + 1 } else { 0 };
            if idle < IDLE_TICKS {
                thread::park_timeout(TICK);
                continue;
            }
            // Whoever begins a run after this store sees it; whoever began before is seen by the load.
            self.asleep.store(true, SeqCst);
            if self.runs.load(SeqCst) == 0 && !self.ended.load(SeqCst) {
                thread::park();
            }
            self.asleep.store(false, SeqCst);
            idle = 0;
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing that could panic, and a drop has nobody to tell.
            let _ = thread.join();
        }
    }
}
