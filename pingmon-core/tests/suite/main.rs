//! The engine over a memory store, with steered time: what it promises as a whole.

mod engine;
mod notices;
mod rig;
mod sharing;
