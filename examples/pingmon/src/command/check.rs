//! `pingmon check`: runs monitors once, side by side, and records nothing.

use std::{collections::HashMap, process::ExitCode, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use pingmon_core::{
    check::CheckContext,
    id::MonitorId,
    monitor::Definition,
    outcome::Outcome,
    time::{Clock, SystemClock},
};
use tokio::sync::Semaphore;
use tracing_subscriber::filter::LevelFilter;

use super::{Failure, load, plugin, print};
use crate::{
    cli::{Check, LogFormat, Output},
    config::{Config, Planned, hint},
    log,
    output::{self, Row, json, nagios, table},
};

/// Runs the named monitors, or all that are enabled; the exit code is that of the worst.
pub(crate) fn check(args: Check) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::ERROR);
    let config = load(args.file.config)?;
    let monitors = select(&config, &args.names)?;
    plugin::complete(&config, &monitors)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Failure::Broken(format!("failed to start: {e}")))?;
    let rows = runtime.block_on(run_all(&config, &monitors));
    // A check that blocks its thread must not keep the answer back.
    runtime.shutdown_timeout(Duration::from_millis(100));
    print(&render(&rows, args.output)?)?;
    Ok(ExitCode::from(output::worst(&rows).exit_code()))
}

/// What runs found, in the form that is asked for.
pub(super) fn render(rows: &[Row], output: Output) -> Result<String, Failure> {
    Ok(match output {
        Output::Table => table::render(rows),
        Output::Nagios => nagios::render(rows),
        Output::Json => {
            let lines: Result<Vec<_>, _> = rows.iter().map(json::line).collect();
            lines.map_err(|e| Failure::Broken(format!("failed to write JSON: {e}")))?.join("\n")
        }
    })
}

/// The monitors to run, in the order of the file.
fn select<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Definition>, Failure> {
    let known: Vec<_> = config.monitors.iter().map(|monitor| monitor.definition.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = hint(unknown, known);
        return Err(Failure::Usage(format!("no monitor is named \"{unknown}\", {hint}")));
    }
    let is_wanted = |monitor: &&Planned| {
        if names.is_empty() { monitor.enabled } else { names.contains(&monitor.definition.name) }
    };
    let monitors: Vec<_> = config.monitors.iter().filter(is_wanted).map(|monitor| &monitor.definition).collect();
    if monitors.is_empty() {
        return Err(Failure::Usage("the config file has no enabled monitor: there is nothing to check".into()));
    }
    Ok(monitors)
}

async fn run_all(config: &Config, monitors: &[&Definition]) -> Vec<Row> {
    let worker = &config.settings.worker;
    let limits: HashMap<_, _> =
        worker.kinds.iter().map(|(kind, limit)| (kind.as_str(), Semaphore::new(limit.get().into()))).collect();
    let progress = progress(monitors.len());
    let runs = monitors.iter().enumerate().map(|(position, monitor)| {
        let (limit, progress) = (limits.get(monitor.kind.as_str()), &progress);
        async move {
            // The semaphore is never closed; without a permit it would run just the same.
            let _permit = match limit {
                Some(limit) => limit.acquire().await.ok(),
                None => None,
            };
            let row = run_once(config, monitor).await;
            progress.inc(1);
            (position, row)
        }
    });
    let mut rows: Vec<_> = stream::iter(runs).buffer_unordered(worker.concurrency).collect().await;
    progress.finish_and_clear();
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, row)| row).collect()
}

async fn run_once(config: &Config, definition: &Definition) -> Row {
    let started_at = SystemClock.now();
    let name: Arc<str> = definition.name.as_str().into();
    let context = CheckContext::new(MonitorId::new(), name, started_at, definition.timeout.0);
    let outcome = match config.build(definition) {
        Ok(check) => check.run(&context).await,
        Err(error) => Outcome::unknown(error.chain()),
    };
    Row { monitor: definition.name.clone(), kind: definition.kind.clone(), started_at, outcome }
}

/// A bar on standard error when there is something to wait for; none when that is no terminal.
fn progress(monitors: usize) -> ProgressBar {
    if monitors < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30.green/dim} {pos} of {len} monitors, {elapsed}");
    ProgressBar::new(monitors as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
