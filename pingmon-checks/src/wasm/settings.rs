//! What plug-ins may use up, and where compiled ones are kept. Grants are a monitor's business.

use std::path::PathBuf;

use pingmon_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of plug-ins. The defaults let the samples in Rust, JavaScript and Python run, and keep a hostile one from
/// harming others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Settings {
    /// Directory for compiled plug-ins; made with mode 0700, and nobody else may have access to it. Without it, plug-ins are
    /// compiled at each start, which takes a tenth of a second for a small one and half a minute for one in Python.
    pub cache: Option<PathBuf>,
    /// Public keys of ed25519 in base64, up to 64. Once there is one, plug-ins are refused that none of them has signed, be
    /// they declared in this file or in the store.
    #[schemars(inner(regex(pattern = "^(MCowBQYDK2VwAyEA)?[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")), length(max = 64))]
    pub trust: Vec<String>,
    /// Most plug-ins that run at the same time, at most 4,096; further runs wait for their turn.
    #[schemars(range(min = 1, max = 4_096))]
    pub max_runs: u32,
    /// Most memory of a run, in bytes, from 64 KiB to 1 GiB.
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub max_memory: usize,
    /// Most elements of a run's tables of functions, up to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_table: usize,
    /// Most stack of a run, in bytes, from 64 KiB to 1 MiB.
    #[schemars(range(min = 65_536, max = 1_048_576))]
    pub max_stack: usize,
    /// Most instructions of a run, roughly; makes all plug-ins somewhat slower. Not limited unless it's given: the timeout ends
    /// a run too.
    #[schemars(range(min = 1))]
    pub fuel: Option<u64>,
    /// Most bytes that a plug-in hands over in one call, and in its outcome; up to 16 MiB.
    #[schemars(range(min = 1_024, max = 16_777_216))]
    pub max_output: usize,
    /// Most bytes a run may log, up to 1 MiB; what is more is dropped.
    #[schemars(range(max = 1_048_576))]
    pub max_log: usize,
    /// Most requests, connections, lookups and reads of a run.
    pub max_calls: u32,
    /// Most bytes a run may send and receive, in all.
    pub max_traffic: usize,
    /// Largest file of a plug-in, in bytes, up to 256 MiB.
    #[schemars(range(max = 268_435_456))]
    pub max_file: usize,
    /// Largest function of a plug-in, in bytes: compiling takes more than proportional time and memory.
    pub max_function: usize,
    /// Most local variables of a function of a plug-in.
    pub max_locals: u32,
    /// Most seconds that a plug-in may take to say what it is when it's loaded, up to 60.
    #[schemars(range(min = 1, max = 60))]
    pub describe_seconds: u32,
    /// Most CPU seconds that compiling a plug-in may take.
    #[schemars(range(min = 1, max = 3_600))]
    pub compile_seconds: u32,
    /// Most memory that compiling a plug-in may take, in bytes.
    #[schemars(range(min = 67_108_864))]
    pub compile_memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache: None,
            trust: Vec::new(),
            max_runs: 256,
            max_memory: 64 * MIB,
            max_table: 65_536,
            max_stack: 512 * KIB,
            fuel: None,
            max_output: MIB,
            max_log: 16 * KIB,
            max_calls: 1_000,
            max_traffic: 16 * MIB,
            max_file: 64 * MIB,
            max_function: 512 * KIB,
            max_locals: 10_000,
            describe_seconds: 10,
            compile_seconds: 120,
            compile_memory: 2 * 1024 * MIB as u64,
        }
    }
}

impl Settings {
    /// Refuses what lies outside of the stated ranges.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        let within = |field: &str, value: u64, least: u64, most: u64| {
            let reason = || format!("{value} is out of range: from {least} to {most}");
            (least..=most)
                .contains(&value)
                .then_some(())
                .ok_or_else(|| Error::config(format!("wasm.{field}"), reason()))
        };
        within("max_runs", self.max_runs.into(), 1, 4_096)?;
        within("max_memory", self.max_memory as u64, 64 * KIB as u64, 1024 * MIB as u64)?;
        within("max_table", self.max_table as u64, 1, 1_000_000)?;
        within("max_stack", self.max_stack as u64, 64 * KIB as u64, MIB as u64)?;
        within("max_output", self.max_output as u64, KIB as u64, 16 * MIB as u64)?;
        within("max_log", self.max_log as u64, 0, MIB as u64)?;
        within("max_file", self.max_file as u64, 0, 256 * MIB as u64)?;
        within("describe_seconds", self.describe_seconds.into(), 1, 60)?;
        within("compile_seconds", self.compile_seconds.into(), 1, 3_600)?;
        within("compile_memory", self.compile_memory, 64 * MIB as u64, u64::MAX)
    }
}
