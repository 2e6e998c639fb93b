//! The proving ground: runs the real `pingmon` binary against a local target, breaks things on purpose, and judges from
//! the database file and the logs of target and receiver whether the laws held. Everything stays on 127.0.0.1.
//!
//! ```sh
//! cargo build --release -p pingmon
//! cargo run --release -p pingmon-benches --bin proving -- steady
//! ```
//! Each scenario prints its figures and laws. It exits with 1 when a law is broken; its files are kept then.
#![allow(clippy::print_stdout, reason = "a program that tells people what it found")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use pingmon_benches::{Result, proving::Scenario};

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

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { pingmon, keep, scenario } = Cli::parse();
    let (report, kept) = scenario.prove(&pingmon, keep).await;
    if let Ok(report) = &report {
        println!("{report}");
    }
    for kept in kept {
        println!("kept: {}", kept.display());
    }
    Ok(if report?.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
