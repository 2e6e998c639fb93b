//! What a run may use up, counted down. A run that passes a limit is stopped, and the reason names the limit.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use wasmtime::ResourceLimiter;

/// Why we stopped a run.
#[derive(Clone, Debug)]
pub(super) struct Halt(String);

impl Halt {
    /// A limit was passed.
    pub(super) fn limit(what: &str, most: impl fmt::Display, field: &str) -> Self {
        Self(format!("it needs more {what} than the {most} of wasm.{field}"))
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Halt {}

/// Most instances and tables of a run; the pool has its own, tighter limits.
const MAX_PARTS: usize = 100;

/// Watches over memory and tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    pub(super) max_memory: usize,
    pub(super) max_table: usize,
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.max_memory {
            return Err(Halt::limit("memory", format_args!("{} bytes", self.max_memory), "max_memory").into());
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.max_table {
            return Err(Halt::limit("table", format_args!("{} elements", self.max_table), "max_table").into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What a run used of its calls and bytes. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    max_calls: u32,
    max_traffic: usize,
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    calls: AtomicU32,
    traffic: AtomicUsize,
}

impl Budget {
    pub(super) fn new(max_calls: u32, max_traffic: usize) -> Self {
        Self { max_calls, max_traffic, used: Arc::default() }
    }

    /// One more call.
    ///
    /// # Errors
    /// When it's one too many.
    pub(super) fn call(&self) -> Result<(), Halt> {
        let most = self.max_calls;
        (self.used.calls.fetch_add(1, Relaxed) < most)
            .then_some(())
            .ok_or_else(|| Halt::limit("calls", most, "max_calls"))
    }

    /// More bytes that were sent or received.
    ///
    /// # Errors
    /// When they are too many.
    pub(super) fn traffic(&self, bytes: usize) -> Result<(), Halt> {
        let most = self.max_traffic;
        let traffic = self.used.traffic.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let limit = || Halt::limit("traffic", format_args!("{most} bytes"), "max_traffic");
        (traffic <= most).then_some(()).ok_or_else(limit)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.max_traffic.saturating_sub(self.used.traffic.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_counts_down_and_the_limit_is_named() {
        let budget = Budget::new(1, 10);
        assert!(budget.call().is_ok() && budget.traffic(10).is_ok());
        assert_eq!(budget.call().unwrap_err().to_string(), "it needs more calls than the 1 of wasm.max_calls");
        assert!(budget.traffic(1).unwrap_err().to_string().contains("10 bytes of wasm.max_traffic"));
    }
}
