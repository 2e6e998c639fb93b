//! The complete monitor as a program: reads the command line, hands over to a command, and turns its end into an exit
//! code.

mod cli;
mod command;
mod config;
mod import;
mod kinds;
mod log;
mod output;
mod store;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Command},
    command::Failure,
};

/// The system's allocator keeps what reading a large config file needed: 300 MB at 100,000 monitors.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Wrong usage or a bad config: the "unknown" of monitoring plug-ins, so that neither reads as a target that is down.
const USAGE: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let done = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => command::run::run(args),
        Command::Check(args) => command::check::check(args),
        Command::Validate(args) => command::validate::validate(args),
        Command::Notify(cli::Notify::Test(args)) => command::notify::test(args),
        Command::Notify(cli::Notify::Preview(args)) => command::notify::preview(args),
        Command::Workers(args) => command::workers::workers(args),
        Command::Migrate(args) => command::migrate::migrate(args),
        Command::Store(cli::Store::Copy(args)) => command::copy::copy(args),
        Command::Schema => command::schema::schema(),
        Command::Import(args) => command::import::import(args),
        Command::Plugin(cli::Plugin::Add(args)) => command::plugin::add::add(args),
        Command::Plugin(cli::Plugin::Remove(args)) => command::plugin::remove::remove(args),
        Command::Plugin(cli::Plugin::List(args)) => command::plugin::list::list(args),
        Command::Plugin(cli::Plugin::Inspect(args)) => command::plugin::inspect::inspect(args),
        Command::Plugin(cli::Plugin::Run(args)) => command::plugin::run::run(args),
        Command::Plugin(cli::Plugin::New(args)) => command::plugin::new::new(args),
        Command::CompilePlugin => command::plugin::compile(),
    };
    done.unwrap_or_else(|failure| {
        failure.print();
        ExitCode::from(match failure {
            Failure::Config(_) | Failure::Usage(_) | Failure::Unknown(_) => USAGE,
            Failure::Broken(_) => 1,
        })
    })
}
