//! Figures and proofs: what the programs in `src/bin` and the tests share. Criterion benches lie in `benches/`.
//!
//! Both suites run the real `pingmon` program against a target and a receiver of notices that keep their own logs, break
//! things on purpose, and judge from those logs and the database whether the laws held: [`proving`] one process on
//! SQLite, [`chaos`] many on one PostgreSQL. Everything stays on 127.0.0.1.

pub mod chaos;
pub mod ground;
mod ledger;
pub mod proving;
pub mod report;

/// What can go wrong on the proving ground itself; a broken law is no error but a finding.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
