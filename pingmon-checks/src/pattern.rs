//! Regular expressions of the config, whose size in memory is bounded; matching takes linear time.

use regex::{Regex, RegexBuilder};

const MAX_PATTERN: usize = 4_000;
const MAX_COMPILED: usize = 256 * 1024;

/// Compiles `pattern`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("more than {MAX_PATTERN} bytes; write a shorter one"));
    }
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(most) => {
            format!("it takes too much memory, more than {most} bytes; repeat less in it")
        }
        other => format!("it isn't a regular expression: {other}"),
    })
}

/// Compiles the pattern of a field.
///
/// # Errors
/// [`pingmon_core::error::Error::Config`] naming `field`.
#[cfg(feature = "http")]
pub(crate) fn compile(field: &str, pattern: &str) -> pingmon_core::error::Result<Regex> {
    parse(pattern).map_err(|reason| pingmon_core::error::Error::config(field, reason))
}
