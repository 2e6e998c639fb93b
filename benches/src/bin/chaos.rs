//! The chaos suite: breaks things around many pingmon processes on one PostgreSQL, and judges from the logs of target
//! and receiver and from the database whether the laws held. Everything stays on 127.0.0.1.
//!
//! ```sh
//! make chaos
//! make chaos CHAOS='--only kill --seed 7 --seconds 20'
//! ```
//! Each scenario prints its figures, aims and laws; a table at the end sums up. It exits with 1 when a law was broken, an
//! aim missed, or a scenario couldn't be played. Files are kept then.
#![allow(clippy::print_stdout, reason = "a program that tells people what it found")]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum as _};
use comfy_table::{Table, presets};
use pingmon_benches::{
    Result,
    chaos::{Length, Name, Order, program_beside},
};

/// Breaks things around many pingmon processes on one PostgreSQL, and judges whether the laws hold.
#[derive(Parser)]
struct Cli {
    /// Play these scenarios instead of all.
    #[arg(long)]
    only: Vec<Name>,
    /// What chance is drawn from; a random one unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// How long the ordeal of each scenario lasts, instead of what is usual for it.
    #[arg(long)]
    seconds: Option<u64>,
    /// A few seconds each, at small rates: for a quick look.
    #[arg(long)]
    cut: bool,
    /// The pingmon binary to run; the one built together with this program unless given.
    #[arg(long)]
    pingmon: Option<PathBuf>,
    /// Keep databases and logs, even if every law held.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let order = Order {
        binary: cli.pingmon.map_or_else(program_beside, Ok)?,
        length: if cli.cut { Length::Cut } else { Length::Full },
        time: cli.seconds.map(Duration::from_secs),
        seed: cli.seed.unwrap_or_else(|| fastrand::u64(..)),
        keep: cli.keep,
    };
    println!("seed {}", order.seed);
    let names = if cli.only.is_empty() { Name::value_variants() } else { &cli.only };
    let mut verdicts = Table::new();
    verdicts.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(["scenario", "laws", "aims"]);
    let mut good = true;
    for name in names {
        let [laws, aims] = play(*name, &order).await;
        good &= laws == "held" && aims == "met";
        verdicts.add_row([
            name.to_possible_value().map_or_else(String::new, |name| name.get_name().to_owned()),
            laws.into(),
            aims.into(),
        ]);
    }
    println!("{verdicts}\nseed {}", order.seed);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays one and prints what it found; answers the verdicts on its laws and aims.
async fn play(name: Name, order: &Order) -> [&'static str; 2] {
    let (report, kept) = name.play(order).await;
    let verdicts = match &report {
        Ok(report) => {
            println!("{report}");
            [if report.held() { "held" } else { "BROKEN" }, if report.met() { "met" } else { "MISSED" }]
        }
        Err(error) => {
            println!("{name:?} couldn't be played: {error}");
            ["not played", "not played"]
        }
    };
    kept.iter().for_each(|kept| println!("kept: {}", kept.display()));
    verdicts
}
