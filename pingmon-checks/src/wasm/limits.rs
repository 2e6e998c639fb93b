//! What a run may use up, counted down. A run that passes a limit is stopped, and the reason names the limit.

use std::fmt;

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

/// What is left of a run's calls and bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    max_calls: u32,
    calls: u32,
    max_traffic: usize,
    traffic: usize,
}

impl Budget {
    pub(super) const fn new(max_calls: u32, max_traffic: usize) -> Self {
        Self { max_calls, calls: 0, max_traffic, traffic: 0 }
    }

    /// One more call.
    ///
    /// # Errors
    /// When it's one too many.
    pub(super) fn call(&mut self) -> Result<(), Halt> {
        self.calls = self.calls.saturating_add(1);
        let most = self.max_calls;
        (self.calls <= most).then_some(()).ok_or_else(|| Halt::limit("calls", most, "max_calls"))
    }

    /// More bytes that were sent or received.
    ///
    /// # Errors
    /// When they are too many.
    pub(super) fn traffic(&mut self, bytes: usize) -> Result<(), Halt> {
        self.traffic = self.traffic.saturating_add(bytes);
        let most = self.max_traffic;
        let limit = || Halt::limit("traffic", format_args!("{most} bytes"), "max_traffic");
        (self.traffic <= most).then_some(()).ok_or_else(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_counts_down_and_the_limit_is_named() {
        let mut budget = Budget::new(1, 10);
        assert!(budget.call().is_ok() && budget.traffic(10).is_ok());
        assert_eq!(budget.call().unwrap_err().to_string(), "it needs more calls than the 1 of wasm.max_calls");
        assert!(budget.traffic(1).unwrap_err().to_string().contains("10 bytes of wasm.max_traffic"));
    }
}
