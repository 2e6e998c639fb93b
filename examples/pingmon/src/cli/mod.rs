//! The command line. What each command does lives in `command`.

mod help;
mod plugin;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::plugin::{
    Language, Plugin, PluginAdd, PluginInspect, PluginList, PluginNew, PluginRemove, PluginRun,
};
use crate::import::Target;

/// A complete monitor: checks, incidents, notices and a status page from one file.
#[derive(Debug, Parser)]
#[command(name = "pingmon", version, after_help = help::EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 80)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch and serve the status page until stopped (the default)
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Run monitors once and tell what they found; record nothing
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Find everything that is wrong with the config file
    #[command(after_help = help::VALIDATE)]
    Validate(Validate),
    /// Try notifiers, and look at what they send
    #[command(subcommand, after_help = help::NOTIFY)]
    Notify(Notify),
    /// Show the workers that share a store, and how they are doing
    #[command(after_help = help::WORKERS)]
    Workers(Workers),
    /// Bring the tables of a PostgreSQL store up to date
    #[command(after_help = help::MIGRATE)]
    Migrate(Migrate),
    /// Move stores
    #[command(subcommand, after_help = help::STORE)]
    Store(Store),
    /// Print the JSON Schema of the config file
    #[command(after_help = help::SCHEMA)]
    Schema,
    /// Write a config from that of another monitor
    #[command(after_help = help::IMPORT)]
    Import(Import),
    /// Begin, try and list plug-ins, and share them through the store
    #[command(subcommand, after_help = help::PLUGIN)]
    Plugin(Plugin),
    /// Compile a plug-in; started by this program itself
    #[command(hide = true)]
    CompilePlugin,
}

#[derive(Args, Debug, Default)]
pub(crate) struct File {
    /// The config file [default: ./pingmon.toml if it is there]
    #[arg(short, long, value_name = "FILE", env = "PINGMON_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Monitors to run; all enabled ones when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write the results
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write the answer
    #[arg(short, long, value_enum, default_value_t = Answer::Text, value_name = "FORMAT")]
    pub(crate) output: Answer,
}

#[derive(Args, Debug)]
pub(crate) struct Workers {
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write the list
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) file: File,
    /// Print the SQL for whoever may change the database, and do nothing
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Copy everything from one store into another
    #[command(after_help = help::COPY)]
    Copy(Copy),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Send a sample through a notifier and tell what came of it
    #[command(after_help = help::NOTIFY_TEST)]
    Test(NotifyTest),
    /// Show what notifiers would send, state by state
    #[command(after_help = help::NOTIFY_PREVIEW)]
    Preview(NotifyPreview),
}

#[derive(Args, Debug)]
pub(crate) struct NotifyTest {
    /// The notifier
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write what came of it
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct NotifyPreview {
    /// Notifiers to show; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Answer::Text, value_name = "FORMAT")]
    pub(crate) output: Answer,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// What the file is of
    #[arg(value_enum, value_name = "ORIGIN")]
    pub(crate) origin: Origin,
    /// The file: YAML of gatus and blackbox, the JSON backup of uptime-kuma
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What to probe with a module of blackbox; may be given often
    #[arg(long = "target", value_name = "MODULE=TARGET", value_parser = Target::parse)]
    pub(crate) targets: Vec<Target>,
    /// Where to write the config, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Whose config is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Origin {
    Gatus,
    UptimeKuma,
    Blackbox,
}

#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// The URL of the store to read
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The URL of the store to write, which is empty
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// The schema of a PostgreSQL store at either end
    #[arg(long, value_name = "NAME", default_value = "pingmon")]
    pub(crate) schema: String,
    /// How to write the summary
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

/// How the log is written. Variants have no doc comments: they would make the short help long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Nagios,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    Table,
    Json,
}

/// How the answer about a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    Text,
    Json,
}
