//! The workspace as a whole: how its crates hang together.
#![allow(clippy::expect_used, reason = "a test that can't go on is to fail")]

mod arrows;
