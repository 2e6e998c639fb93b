//! Regular expressions of the config, whose size in memory is bounded; matching takes linear time.

const MAX_PATTERN: usize = 4_000;
/// Most memory of a compiled pattern, in bytes.
pub(crate) const MAX_COMPILED: usize = 256 * 1024;

/// Compiles `pattern`.
///
/// # Errors
/// What is wrong with it.
#[cfg(any(feature = "http", feature = "postgres", feature = "dns"))]
pub(crate) fn parse(pattern: &str) -> Result<regex::Regex, String> {
    bounded(pattern)?;
    let mut builder = regex::RegexBuilder::new(pattern);
    builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build().map_err(|error| refused(&error))
}

/// Compiles `pattern` to be found in bytes that needn't be text.
///
/// # Errors
/// What is wrong with it.
#[cfg(feature = "tcp")]
pub(crate) fn parse_bytes(pattern: &str) -> Result<regex::bytes::Regex, String> {
    bounded(pattern)?;
    let mut builder = regex::bytes::RegexBuilder::new(pattern);
    builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build().map_err(|error| refused(&error))
}

fn bounded(pattern: &str) -> Result<(), String> {
    match pattern.len() {
        len if len > MAX_PATTERN => Err(format!("more than {MAX_PATTERN} bytes; write a shorter one")),
        _ => Ok(()),
    }
}

fn refused(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(most) => {
            format!("it takes too much memory, more than {most} bytes; repeat less in it")
        }
        other => format!("it isn't a regular expression: {other}"),
    }
}

/// Compiles the pattern of a field.
///
/// # Errors
/// [`pingmon_core::error::Error::Config`] naming `field`.
#[cfg(any(feature = "http", feature = "dns"))]
pub(crate) fn compile(field: &str, pattern: &str) -> pingmon_core::error::Result<regex::Regex> {
    parse(pattern).map_err(|reason| pingmon_core::error::Error::config(field, reason))
}
