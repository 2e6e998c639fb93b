//! The command line of `pingmon plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{File, Listing, Output, help};

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Put a plug-in into the store, where all workers find it
    #[command(after_help = help::PLUGIN_ADD)]
    Add(PluginAdd),
    /// Remove a plug-in from the store
    #[command(after_help = help::PLUGIN_REMOVE)]
    Remove(PluginRemove),
    /// List the plug-ins that the config file declares, and those in its store
    List(PluginList),
    /// Tell what a plug-in is, what it wants and what it can be told
    Inspect(PluginInspect),
    /// Run a plug-in once and tell what it found; record nothing
    #[command(after_help = help::PLUGIN_RUN)]
    Run(PluginRun),
    /// Begin a plug-in in a new directory
    #[command(after_help = help::PLUGIN_NEW)]
    New(PluginNew),
}

#[derive(Args, Debug)]
pub(crate) struct PluginList {
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write the list
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct PluginAdd {
    /// The component
    #[arg(value_name = "FILE")]
    pub(crate) component: PathBuf,
    /// What monitors are to call it [default: the file's name without .wasm]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Its signature [default: the file with .sig after its name, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    /// Add it even if it refuses what monitors tell it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write what was done
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct PluginRemove {
    /// What monitors call it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write what was done
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct PluginInspect {
    /// The component; or the name of one that the config declares or its store has
    #[arg(value_name = "FILE|NAME")]
    pub(crate) component: PathBuf,
    #[command(flatten)]
    pub(crate) file: File,
    /// How to write what is found
    #[arg(short, long, value_enum, default_value_t = Listing::Table, value_name = "FORMAT")]
    pub(crate) output: Listing,
}

#[derive(Args, Debug)]
pub(crate) struct PluginRun {
    /// The component; or the name of one that the config declares or its store has
    #[arg(value_name = "FILE|NAME")]
    pub(crate) component: PathBuf,
    #[command(flatten)]
    pub(crate) file: File,
    /// Its config, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) with: String,
    /// What it is granted, as JSON: http, tcp, dns, secrets
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) grant: String,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) timeout: String,
    /// How to write the result
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct PluginNew {
    /// The language to write it in
    #[arg(value_enum, value_name = "LANG")]
    pub(crate) language: Language,
    /// Its name, and that of its directory
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where the crate pingmon-plugin lies, in place of pingmon's repository
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Javascript,
    Python,
    C,
}
