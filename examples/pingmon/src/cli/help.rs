//! What `--help` says beyond the options: exit status and examples, a text a command.

pub(super) const EXAMPLES: &str = "\
Examples:
  pingmon                           Start at once: watch this host and itself
  pingmon run -c /etc/pingmon.toml  Watch what the file says, serve the page
  pingmon validate                  Find every mistake in ./pingmon.toml
  pingmon check 'shop api' -o json  Run one monitor once, for scripts
  pingmon workers                   Who shares the work, and how they are doing
  pingmon schema > schema.json      Let an editor complete and check the file

Without --config, ./pingmon.toml is read if it is there.";

pub(super) const CHECK: &str = "\
Exit status: 0 all up, 1 degraded, 2 down, 3 unknown or wrong usage. The worst
counts: down before unknown before degraded before up.

Examples:
  pingmon check                  Everything that is enabled, as a table
  pingmon check db cache         These two, enabled or not
  pingmon check -o nagios db     As a plug-in of Nagios, Icinga or Sensu
  pingmon check -o json | jq -r 'select(.status != \"up\") | .monitor'";

pub(super) const RUN: &str = "\
Signals: SIGHUP reads the file again; a bad one changes nothing. SIGTERM and
SIGINT stop gracefully: runs under way end, monitors go to other workers. A
second one stops at once.

RUST_LOG sets what is logged to standard error (info unless set).

Examples:
  pingmon run                          With ./pingmon.toml, or the quick start
  pingmon run -c /etc/pingmon.toml     With that file
  pingmon run --log-format json        With a log for machines";

pub(super) const VALIDATE: &str = "\
Exit status: 0 when the file is good, 3 when it isn't.

References to variables and secret files are followed; nothing is contacted.

Examples:
  pingmon validate                     Every mistake in ./pingmon.toml
  pingmon validate -c new.toml -o json | jq -r '.errors[].message'";

pub(super) const SCHEMA: &str = "\
Examples:
  pingmon schema > schema.json         For editors that complete and check
  pingmon schema | jq '.properties.store'";

pub(super) const MIGRATE: &str = "\
Run it before the first start, and with each new version before its workers.
An SQLite store needs no such care: it is brought up to date when it is opened.

Exit status: 0 when the tables are up to date, 1 when that failed, 3 for a bad
config or URL.

Examples:
  pingmon migrate                      The store that ./pingmon.toml names
  pingmon migrate -c /etc/pingmon.toml
  pingmon migrate --print | psql -v ON_ERROR_STOP=1 -d pingmon";

pub(super) const STORE: &str = "\
Examples:
  pingmon store copy sqlite:pingmon.db postgres://pingmon@db/pingmon
  pingmon store copy --help";

pub(super) const COPY: &str = "\
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

pub(super) const IMPORT: &str = "\
What can't be carried over is listed on standard error, by name and never by
value. The config holds the secrets of the file it comes from.

Exit status: 0 when a config was written, even if something is missing in it;
1 when it couldn't be written; 3 when the file can't be read.

Examples:
  pingmon import gatus config.yaml > pingmon.toml
  pingmon import uptime-kuma backup.json -o pingmon.toml
  pingmon import blackbox blackbox.yml --target http_2xx=https://shop.example";

pub(super) const PLUGIN: &str = "\
A plug-in is a WebAssembly component: a check in any language, which reaches
nothing but what its monitor grants.

Examples:
  pingmon plugin new rust queue-depth  Begin one
  pingmon plugin inspect queue.wasm    What it is, wants and can be told
  pingmon plugin run queue.wasm --with '{\"url\": \"http://127.0.0.1/q\"}' \\
      --grant '{\"http\": [\"http://127.0.0.1\"]}'
  pingmon plugin add queue.wasm        Put it into the store, for all workers
  pingmon plugin list                  Those of ./pingmon.toml and of its store";

pub(super) const PLUGIN_ADD: &str = "\
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

pub(super) const PLUGIN_REMOVE: &str = "\
Monitors that name it are unknown from then on, and are listed.

Exit status: 0 when it is gone, 1 when the store failed, 3 when there is none of
that name, for a bad config or wrong usage.

Examples:
  pingmon plugin remove queue
  pingmon plugin remove queue -o json | jq -r '.monitors[]'";

pub(super) const PLUGIN_RUN: &str = "\
Exit status: 0 up, 1 degraded, 2 down, 3 unknown or wrong usage.

Examples:
  pingmon plugin run page.wasm --with '{\"url\": \"https://a.example/\"}' \\
      --grant '{\"http\": [\"https://a.example\"]}'
  pingmon plugin run page.wasm -o json | jq .metrics";

pub(super) const PLUGIN_NEW: &str = "\
Examples:
  pingmon plugin new rust queue-depth
  pingmon plugin new javascript queue-depth
  pingmon plugin new python queue-depth
  pingmon plugin new c queue-depth";

pub(super) const WORKERS: &str = "\
LOAD is the runs under way of those allowed at once, HELD the monitors held of
the fair share, LATE the worst delay of a start since the last sign of life,
LEASE how long it still counts as alive without one.

Exit status: 0 when some worker is alive, 2 when none is, 3 when that can't be
told.

Examples:
  pingmon workers                      Of the store that ./pingmon.toml names
  pingmon workers -c /etc/pingmon.toml
  pingmon workers -o json | jq -r '[.host, .held] | @tsv'";

pub(super) const NOTIFY: &str = "\
Examples:
  pingmon notify test ops               Send a sample through the notifier ops
  pingmon notify preview                See what each notifier would send";

pub(super) const NOTIFY_TEST: &str = "\
Sends how an incident of a made-up monitor opens, and how it ends: a pager rings
and is calm again. Nothing is recorded, nothing is tried twice.

Exit status: 0 when both notices were taken, 1 when one wasn't, 3 for a bad
config or wrong usage.

Examples:
  pingmon notify test ops
  pingmon notify test ops -o json | jq -r 'select(.taken | not) | .error'";

pub(super) const NOTIFY_PREVIEW: &str = "\
Writes what would be sent when an incident of a made-up monitor opens, worsens,
is still there, ends, and opens with others. Secrets are left out. Nothing is
contacted.

Exit status: 0, or 3 for a bad config or wrong usage.

Examples:
  pingmon notify preview                Of every notifier
  pingmon notify preview ops | less     Of one
  pingmon notify preview -o json | jq -r 'select(.state == \"opened\").preview'";
