//! How the SQL stores cut the bytes of a plug-in: into parts, so that no statement has to carry them all.

/// Most bytes of a part.
pub(crate) const PART: usize = 1 << 20;

/// The parts with their numbers.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = (i64, &[u8])> {
    (0..).zip(bytes.chunks(PART))
}
