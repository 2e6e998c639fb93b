#![doc = "Monitoring for Rust services: the nouns, the contracts and the claiming engine."]
//!
//! Read top down: nouns first (`id`, `time`, `outcome`, `schedule`, `policy`, `monitor`, `incident`, `notification`),
//! then the contracts that stand on them (`check`, `notifier`, `store`), then the verbs (`engine`). This crate opens no
//! socket, no file and no database, reads no environment and installs no global.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use pingmon_core::{check, engine::Engine, monitor::Definition, outcome::Outcome, store::Store};
//!
//! /// Watches the queue on whatever store the host has, until `shutdown` resolves.
//! async fn watch(store: Arc<dyn Store>, shutdown: impl Future<Output = ()> + Send) -> pingmon_core::error::Result<()> {
//!     let queue = check::from_fn("queue", |_cx| async { Ok(Outcome::up("3 waiting")) });
//!     let engine = Engine::builder(store)
//!         .kind(queue)
//!         .monitor(Definition::new("orders", "queue").every(Duration::from_secs(10)))
//!         .build()?;
//!     let summary = engine.run(shutdown).await?;
//!     tracing::info!(%summary, "stopped");
//!     Ok(())
//! }
//! ```

pub mod dial;
pub mod error;
pub mod id;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;

pub mod incident;
pub mod maintenance;
pub mod matcher;
pub mod monitor;
pub mod notification;
pub mod outcome;
pub mod policy;
pub mod route;
pub mod schedule;
pub mod silence;
pub mod window;

pub mod channel;
pub mod check;
pub mod notifier;
pub mod store;

pub mod engine;

#[cfg(feature = "conformance")]
pub mod conformance;
