//! The stores, tried for real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

#[cfg(feature = "postgres")]
mod cluster;
#[cfg(feature = "copy")]
mod copy;
#[cfg(all(unix, feature = "copy"))]
mod crash;
mod memory;
#[cfg(feature = "postgres")]
mod pgbouncer;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_access;
#[cfg(feature = "postgres")]
mod postgres_days;
#[cfg(feature = "postgres")]
mod postgres_failover;
#[cfg(feature = "postgres")]
mod postgres_handles;
#[cfg(feature = "postgres")]
mod postgres_intake;
#[cfg(feature = "postgres")]
mod postgres_network;
#[cfg(feature = "postgres")]
mod postgres_versions;
#[cfg(feature = "postgres")]
mod proxy;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_files;
#[cfg(feature = "sqlite")]
mod sqlite_writes;
