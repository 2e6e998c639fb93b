//! Where pingmon keeps its state: one module a back end, all of one contract, `pingmon_core::store`.

pub mod memory;
