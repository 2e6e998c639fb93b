//! `pingmon store copy`: moves everything from one store into another.

use std::{process::ExitCode, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pingmon_core::error::Error;
use pingmon_store::copy::{self, Place, Progress, Stage};
use tracing_subscriber::filter::LevelFilter;

use super::{Failure, block_on, print};
use crate::{
    cli::{Copy, Listing, LogFormat},
    log,
    output::copied::{json, table},
};

/// Copies, verifies, and tells what came over.
pub(crate) fn copy(args: Copy) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::WARN);
    let place = |url: String| Place::new(url).schema(&args.schema);
    let (from, to) = (place(args.from), place(args.to));
    let (began, mut bars) = (Instant::now(), Bars::new());
    let copied = block_on(copy::copy(&from, &to, &mut |progress| bars.show(progress)))?;
    bars.finish();
    let report = copied.map_err(failure)?;
    print(&match args.output {
        Listing::Table => table(&report, began.elapsed()),
        Listing::Json => json(&report, began.elapsed()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// As the command line names things.
fn failure(error: Error) -> Failure {
    match error {
        Error::Config { field, reason } if field == "schema" => Failure::Usage(format!("--schema: {reason}")),
        Error::Config { field, reason } => Failure::Usage(format!("{}: {reason}", field.to_uppercase())),
        error if error.is_retryable() => Failure::Broken(format!("{}: run it again to go on", error.chain())),
        error => Failure::Broken(error.chain()),
    }
}

/// A bar on standard error for each table in turn; none when that is no terminal.
struct Bars {
    style: ProgressStyle,
    /// The present one, and what it is about.
    bar: Option<(ProgressBar, &'static str, Stage)>,
}

impl Bars {
    fn new() -> Self {
        let style = ProgressStyle::with_template(
            "{msg:10} {prefix:10} {bar:30.green/dim} {human_pos} of {human_len} rows, {per_sec}, {eta} left",
        );
        Self { style: style.unwrap_or_else(|_| ProgressStyle::default_bar()), bar: None }
    }

    fn show(&mut self, progress: Progress) {
        let Progress { table, stage, done, total, .. } = progress;
        if self.bar.as_ref().is_none_or(|(_, shown, at)| (*shown, *at) != (table, stage)) {
            self.finish();
            let bar = ProgressBar::new(total).with_style(self.style.clone()).with_position(done).with_prefix(table);
            let doing = match stage {
                Stage::Copying => "copying",
                Stage::Verifying => "verifying",
            };
            self.bar = Some((bar.with_message(doing), table, stage));
        }
        if let Some((bar, ..)) = &self.bar {
            bar.set_position(done);
        }
    }

    /// Leaves the present bar as it stands.
    fn finish(&mut self) {
        if let Some((bar, ..)) = self.bar.take() {
            bar.abandon();
        }
    }
}
