//! Where pingmon keeps its state: one module a back end, all of one contract, `pingmon_core::store`.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod codec;
#[cfg(feature = "copy")]
pub mod copy;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
pub mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod parts;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
