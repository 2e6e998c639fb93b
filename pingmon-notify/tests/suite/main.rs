//! The channels against real receivers on this host.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail")]

mod canary;
mod command;
mod email;
mod hostile;
mod kinds;
mod log;
mod notices;
mod receiver;
mod slack;
mod smtp;
mod vendors;
mod webhook;
