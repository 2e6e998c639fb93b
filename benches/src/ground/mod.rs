//! What a scenario takes place on: the `pingmon` processes, what they watch and tell, and the database with what stands
//! between. Judging is the business of `ledger`.

pub(crate) mod bouncer;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod fleet;
pub mod process;
pub(crate) mod progress;
pub(crate) mod proxy;
pub(crate) mod receiver;
mod server;
pub(crate) mod stand;
pub(crate) mod standby;
pub(crate) mod target;
