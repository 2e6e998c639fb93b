//! What stores take. `cargo bench --bench store` prints the table of completed runs, then times the SQLite store's
//! calls; `-- table` and `-- sqlite` do one of the two, `-- explain` shows how PostgreSQL carries out each busy statement.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench that can't go on is to stop"
)]

mod explain;
mod raw;
mod server;
mod sqlite;
mod table;
mod work;

use criterion::Criterion;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let everything = arguments.iter().all(|argument| argument.starts_with("--")) && asked("--bench");
    if asked("table") || everything {
        runtime.block_on(table::print());
    }
    if asked("explain") {
        runtime.block_on(explain::print());
    }
    if asked("sqlite") || everything {
        let mut criterion = Criterion::default().configure_from_args();
        sqlite::all(&mut criterion);
        criterion.final_summary();
    }
}
