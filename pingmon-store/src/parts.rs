//! How the SQL stores cut the bytes of a plug-in: into parts, so that no statement has to carry them all.

use pingmon_core::error::Error;

/// Most bytes of a part.
pub(crate) const PART: usize = 1 << 20;

/// The parts with their numbers.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = (i64, &[u8])> {
    (0..).zip(bytes.chunks(PART))
}

/// There are no such bytes, or no longer.
pub(crate) fn no_bytes(sha256: &str) -> Error {
    Error::not_found(format!("plug-in with the SHA-256 {sha256} in the store"))
}

/// There is no plug-in of that name.
pub(crate) fn no_plugin(name: &str) -> Error {
    Error::not_found(format!("plug-in \"{name}\" in the store"))
}
