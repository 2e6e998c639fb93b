//! Each example is run as the process a reader would start, and does what its first lines promise. Beside them, the
//! workspace as a whole: how its crates hang together.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail")]

mod arrows;

mod custom_check;
mod custom_notifier;
mod embedded;
mod process;
mod two_workers;
