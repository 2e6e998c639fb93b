//! The channels against real receivers on this host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail")]

mod kinds;
mod log;
mod notices;
mod receiver;
mod webhook;
