//! The command line. What each command does lives in `command`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::import::Target;

const EXAMPLES: &str = "\
Examples:
  pingmon                           Start at once: watch this host and itself
  pingmon run -c /etc/pingmon.toml  Watch what the file says, serve the page
  pingmon validate                  Find every mistake in ./pingmon.toml
  pingmon check 'shop api' -o json  Run one monitor once, for scripts
  pingmon workers                   Who shares the work, and how they are doing
  pingmon schema > schema.json      Let an editor complete and check the file

Without --config, ./pingmon.toml is read if it is there.";

const CHECK_HELP: &str = "\
Exit status: 0 all up, 1 degraded, 2 down, 3 unknown or wrong usage. The worst
counts: down before unknown before degraded before up.

Examples:
  pingmon check                  Everything that is enabled, as a table
  pingmon check db cache         These two, enabled or not
  pingmon check -o nagios db     As a plug-in of Nagios, Icinga or Sensu
  pingmon check -o json | jq -r 'select(.status != \"up\") | .monitor'";

const RUN_HELP: &str = "\
Signals: SIGHUP reads the file again; a bad one changes nothing. SIGTERM and
SIGINT stop gracefully: runs under way end, monitors go to other workers. A
second one stops at once.

RUST_LOG sets what is logged to standard error (info unless set).

Examples:
  pingmon run                          With ./pingmon.toml, or the quick start
  pingmon run -c /etc/pingmon.toml     With that file
  pingmon run --log-format json        With a log for machines";

const VALIDATE_HELP: &str = "\
Exit status: 0 when the file is good, 3 when it isn't.

References to variables and secret files are followed; nothing is contacted.

Examples:
  pingmon validate                     Every mistake in ./pingmon.toml
  pingmon validate -c new.toml -o json | jq -r '.errors[].message'";

const SCHEMA_HELP: &str = "\
Examples:
  pingmon schema > schema.json         For editors that complete and check
  pingmon schema | jq '.properties.store'";

const MIGRATE_HELP: &str = "\
Run it before the first start, and with each new version before its workers.
An SQLite store needs no such care: it is brought up to date when it is opened.

Exit status: 0 when the tables are up to date, 1 when that failed, 3 for a bad
config or URL.

Examples:
  pingmon migrate                      The store that ./pingmon.toml names
  pingmon migrate -c /etc/pingmon.toml
  pingmon migrate --print | psql -v ON_ERROR_STOP=1 -d pingmon";

const STORE_HELP: &str = "\
Examples:
  pingmon store copy sqlite:pingmon.db postgres://pingmon@db/pingmon
  pingmon store copy --help";

const COPY_HELP: &str = "\
A URL is as in [store] of the config; a password is better left to PGPASSWORD or
~/.pgpass than written here. An SQLite file is made, a PostgreSQL store needs its
tables (`pingmon migrate`). No engine may work on either store. A copy that was
cut off goes on when it is run again; until it is done and verified, no engine
can use the target.

Exit status: 0 when everything is there and the hashes agree, 1 when that
failed, 3 when a store can't be used.

Examples:
  pingmon store copy sqlite:pingmon.db postgres://pingmon@db/pingmon
  pingmon store copy postgres://pingmon@db/pingmon sqlite:copy.db -o json
  pingmon store copy sqlite:pingmon.db postgres://db/x --schema watch";

const IMPORT_HELP: &str = "\
What can't be carried over is listed on standard error, by name and never by
value. The config holds the secrets of the file it comes from.

Exit status: 0 when a config was written, even if something is missing in it;
1 when it couldn't be written; 3 when the file can't be read.

Examples:
  pingmon import gatus config.yaml > pingmon.toml
  pingmon import uptime-kuma backup.json -o pingmon.toml
  pingmon import blackbox blackbox.yml --target http_2xx=https://shop.example";

const PLUGIN_HELP: &str = "\
A plug-in is a WebAssembly component: a check in any language, which reaches
nothing but what its monitor grants.

Examples:
  pingmon plugin new rust queue-depth  Begin one
  pingmon plugin inspect queue.wasm    What it is, wants and can be told
  pingmon plugin run queue.wasm --with '{\"url\": \"http://127.0.0.1/q\"}' \\
      --grant '{\"http\": [\"http://127.0.0.1\"]}'
  pingmon plugin add queue.wasm        Put it into the store, for all workers
  pingmon plugin list                  Those of ./pingmon.toml and of its store";

const PLUGIN_ADD_HELP: &str = "\
The plug-in is compiled and asked what it is first. Workers that run take it up
within some seconds; runs under way end on the old version. A version that
refuses what monitors tell it is refused, unless --force is given.

A signature is that of `openssl pkeyutl -sign -rawin`, in base64 or as it is.

Exit status: 0 when the store has it, 1 when the store failed, 3 when the
plug-in is refused, for a bad config or wrong usage.

Examples:
  pingmon plugin add queue.wasm
  pingmon plugin add target/queue.wasm --name queue --signature queue.sig
  pingmon plugin add queue.wasm -o json | jq -r .sha256";

const PLUGIN_REMOVE_HELP: &str = "\
Monitors that name it are unknown from then on, and are listed.

Exit status: 0 when it is gone, 1 when the store failed, 3 when there is none of
that name, for a bad config or wrong usage.

Examples:
  pingmon plugin remove queue
  pingmon plugin remove queue -o json | jq -r '.monitors[]'";

const PLUGIN_RUN_HELP: &str = "\
Exit status: 0 up, 1 degraded, 2 down, 3 unknown or wrong usage.

Examples:
  pingmon plugin run page.wasm --with '{\"url\": \"https://a.example/\"}' \\
      --grant '{\"http\": [\"https://a.example\"]}'
  pingmon plugin run page.wasm -o json | jq .metrics";

const PLUGIN_NEW_HELP: &str = "\
Examples:
  pingmon plugin new rust queue-depth
  pingmon plugin new javascript queue-depth
  pingmon plugin new python queue-depth";

const WORKERS_HELP: &str = "\
LOAD is the runs under way of those allowed at once, HELD the monitors held of
the fair share, LATE the worst delay of a start since the last sign of life,
LEASE how long it still counts as alive without one.

Exit status: 0 when some worker is alive, 2 when none is, 3 when that can't be
told.

Examples:
  pingmon workers                      Of the store that ./pingmon.toml names
  pingmon workers -c /etc/pingmon.toml
  pingmon workers -o json | jq -r '[.host, .held] | @tsv'";

const NOTIFY_HELP: &str = "\
Examples:
  pingmon notify test ops               Send a sample through the notifier ops
  pingmon notify preview                See what each notifier would send";

const NOTIFY_TEST_HELP: &str = "\
Sends how an incident of a made-up monitor opens, and how it ends: a pager rings
and is calm again. Nothing is recorded, nothing is tried twice.

Exit status: 0 when both notices were taken, 1 when one wasn't, 3 for a bad
config or wrong usage.

Examples:
  pingmon notify test ops
  pingmon notify test ops -o json | jq -r 'select(.taken | not) | .error'";

const NOTIFY_PREVIEW_HELP: &str = "\
Writes what would be sent when an incident of a made-up monitor opens, worsens,
is still there, ends, and opens with others. Secrets are left out. Nothing is
contacted.

Exit status: 0, or 3 for a bad config or wrong usage.

Examples:
  pingmon notify preview                Of every notifier
  pingmon notify preview ops | less     Of one
  pingmon notify preview -o json | jq -r 'select(.state == \"opened\").preview'";

/// A complete monitor: checks, incidents, notices and a status page from one file.
#[derive(Debug, Parser)]
#[command(name = "pingmon", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 80)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch and serve the status page until stopped (the default)
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Run monitors once and tell what they found; record nothing
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// Find everything that is wrong with the config file
    #[command(after_help = VALIDATE_HELP)]
    Validate(Validate),
    /// Try notifiers, and look at what they send
    #[command(subcommand, after_help = NOTIFY_HELP)]
    Notify(Notify),
    /// Show the workers that share a store, and how they are doing
    #[command(after_help = WORKERS_HELP)]
    Workers(Workers),
    /// Bring the tables of a PostgreSQL store up to date
    #[command(after_help = MIGRATE_HELP)]
    Migrate(Migrate),
    /// Move stores
    #[command(subcommand, after_help = STORE_HELP)]
    Store(Store),
    /// Print the JSON Schema of the config file
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Write a config from that of another monitor
    #[command(after_help = IMPORT_HELP)]
    Import(Import),
    /// Begin, try and list plug-ins, and share them through the store
    #[command(subcommand, after_help = PLUGIN_HELP)]
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
    #[command(after_help = COPY_HELP)]
    Copy(Copy),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Send a sample through a notifier and tell what came of it
    #[command(after_help = NOTIFY_TEST_HELP)]
    Test(NotifyTest),
    /// Show what notifiers would send, state by state
    #[command(after_help = NOTIFY_PREVIEW_HELP)]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Put a plug-in into the store, where all workers find it
    #[command(after_help = PLUGIN_ADD_HELP)]
    Add(PluginAdd),
    /// Remove a plug-in from the store
    #[command(after_help = PLUGIN_REMOVE_HELP)]
    Remove(PluginRemove),
    /// List the plug-ins that the config file declares, and those in its store
    List(PluginList),
    /// Tell what a plug-in is, what it wants and what it can be told
    Inspect(PluginInspect),
    /// Run a plug-in once and tell what it found; record nothing
    #[command(after_help = PLUGIN_RUN_HELP)]
    Run(PluginRun),
    /// Begin a plug-in in a new directory
    #[command(after_help = PLUGIN_NEW_HELP)]
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
