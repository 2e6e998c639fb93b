//! Regular expressions of the config, whose size in memory is bounded; matching takes linear time.

use pingmon_core::error::{Error, Result};
use regex::{Regex, RegexBuilder};

const MAX_PATTERN: usize = 4_000;
const MAX_COMPILED: usize = 256 * 1024;

/// Compiles `pattern`.
///
/// # Errors
/// [`Error::Config`] naming `field`.
pub(super) fn compile(field: &str, pattern: &str) -> Result<Regex> {
    if pattern.len() > MAX_PATTERN {
        return Err(Error::config(field, format!("more than {MAX_PATTERN} bytes; write a shorter one")));
    }
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(most) => {
            Error::config(field, format!("it takes too much memory, more than {most} bytes; repeat less in it"))
        }
        other => Error::config(field, format!("it isn't a regular expression: {other}")),
    })
}
