//! The contract of a store: one role trait a file. A store decides nothing: it writes what the pure functions of
//! `monitor`, `incident` and `notification` say, and guards with transactions that it is written once.
//!
//! The rules that a store must keep are the laws in `conformance` (feature `conformance`), which any implementation
//! can run.

pub mod catalog;
pub mod claims;
pub mod history;
pub mod incidents;
pub mod outbox;
pub mod plugins;
pub mod silences;

use self::{
    catalog::Catalog, claims::Claims, history::History, incidents::Incidents, outbox::Outbox, plugins::Plugins,
    silences::Silences,
};

/// Everything an engine and a web face need. Implemented for whatever has all seven roles.
pub trait Store: Catalog + Claims + History + Incidents + Outbox + Plugins + Silences {}

impl<T: Catalog + Claims + History + Incidents + Outbox + Plugins + Silences> Store for T {}
