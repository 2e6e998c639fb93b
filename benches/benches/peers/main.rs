//! Probes of a local nginx beside the peers': the raw limit, the whole check, and prometheus-blackbox-exporter, in turns.
//!
//! `cargo bench --bench peers` prints the table. Every prober has one core to itself, nginx and what asks the exporter the
//! other one; each probe opens a connection of its own. `make bench` installs what is needed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench that can't go on is to stop"
)]

mod exporter;
mod ground;
mod prober;
mod raw;
mod table;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [prober::FLAG, form, port, in_flight] => prober::work(form, port.parse().unwrap(), in_flight.parse().unwrap()),
        // As `cargo test` runs it.
        [.., "--test"] => {}
        _ => table::print(),
    }
}
