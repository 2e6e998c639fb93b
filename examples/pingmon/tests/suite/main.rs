//! The program as its users meet it: the real binary, real files, real sockets, real signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod canary;
mod check;
mod copy;
mod database;
mod import;
mod notify;
mod plugin;
mod plugin_store;
mod program;
mod reference;
mod reload;
mod run;
mod share;
mod usage;
mod validate;
