//! The face as a host and a reader see it: a router over a memory store that was filled through the contract.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on ends")]

mod acknowledging;
mod api;
mod broken;
mod health;
mod notices;
mod pages;
mod secrets;
mod silencing;
mod world;
