//! The proving ground: runs the real `pingmon` binary against a local target, breaks things on purpose, and judges from
//! the database file and the logs of target and receiver whether the laws held. Everything stays on 127.0.0.1.
//!
//! ```sh
//! cargo build --release -p pingmon
//! cargo run --release -p pingmon-benches --bin proving -- steady
//! ```
//! Each scenario prints its figures and laws. It exits with 1 when a law is broken; its files are kept then.
#![allow(clippy::print_stdout, reason = "a program that tells people what it found")]

mod config;
mod daemon;
mod database;
mod incidents;
mod ledger;
mod line;
mod process;
mod progress;
mod receiver;
mod report;
mod scenario;
mod server;
mod stand;
mod target;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    scenario::{idle::Idle, kill::Kill, outage::Outage, steady::Steady, term::Term},
    stand::Stand,
};

/// What can go wrong on the proving ground itself; a broken law is no error but a finding.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs pingmon under load, outages and kills, and judges whether its laws hold.
#[derive(Parser)]
struct Cli {
    /// The pingmon binary to run.
    #[arg(long, default_value = "target/release/pingmon")]
    pingmon: PathBuf,
    /// Keep the database and the logs, even if every law held.
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Many monitors for some minutes: every due slot has one row, and runs start in time.
    Steady(Steady),
    /// The target goes away and comes back: one incident, one "opened", one "resolved" a monitor.
    Outage(Outage),
    /// pingmon is killed again and again under load: nothing is run twice, lost or announced twice.
    Kill(Kill),
    /// SIGTERM with many runs under way: a quick end, and everything handed back.
    Term(Term),
    /// Very many monitors that are hardly ever due: start-up time and memory.
    Idle(Idle),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { pingmon, keep, scenario } = Cli::parse();
    let mut stand = Stand::new(pingmon).await?;
    let report = match scenario {
        Scenario::Steady(steady) => steady.prove(&mut stand).await,
        Scenario::Outage(outage) => outage.prove(&mut stand).await,
        Scenario::Kill(kill) => kill.prove(&mut stand).await,
        Scenario::Term(term) => term.prove(&mut stand).await,
        Scenario::Idle(idle) => idle.prove(&mut stand).await,
    };
    let held = report.as_ref().is_ok_and(|report| report.held());
    let kept = stand.end(keep || !held).await;
    println!("{}", report?);
    if let Some(kept) = kept {
        println!("database and logs: {}", kept.display());
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
