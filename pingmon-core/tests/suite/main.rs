//! The engine over a memory store, with steered time: what it promises as a whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected is to fail"
)]

mod engine;
mod faults;
mod faulty;
mod grouping;
mod holding;
mod keeping;
mod notices;
mod opinions;
mod pacing;
mod rig;
mod sharing;
mod telling;
