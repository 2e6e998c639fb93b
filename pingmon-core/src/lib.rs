#![doc = "Monitoring for Rust services: the nouns, the contracts and the claiming engine."]
//!
//! Read top down: nouns first (`id`, `time`, `outcome`, `schedule`, `policy`, `monitor`, `incident`, `notification`),
//! then the contracts that stand on them (`check`, `notifier`, `store`), then the verbs (`engine`). This crate opens no
//! socket, no file and no database, reads no environment and installs no global.

pub mod dial;
pub mod error;
pub mod id;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;

pub mod incident;
pub mod monitor;
pub mod notification;
pub mod outcome;
pub mod policy;
pub mod schedule;

pub mod check;
pub mod notifier;
pub mod store;

pub mod engine;

#[cfg(feature = "conformance")]
pub mod conformance;
