//! `pingmon plugin run`: runs a component once, without a config file.

use std::{process::ExitCode, sync::Arc};

use pingmon_checks::wasm::Wasm;
use pingmon_core::{
    check::{CheckContext, CheckKind},
    dial::DialPolicy,
    id::MonitorId,
    time::{Clock, Span, SystemClock},
};
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use super::{
    super::{block_on, check::render, print},
    Failure, find,
};
use crate::{
    cli::{LogFormat, PluginRun},
    log,
    output::{self, Row},
};

/// Runs it; the exit code is that of its verdict.
pub(crate) fn run(args: PluginRun) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::INFO);
    let json = |option: &str, text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| Failure::Usage(format!("--{option} isn't JSON: {error}")))
    };
    let (config, grant) = (json("with", &args.with)?, json("grant", &args.grant)?);
    let timeout: Span =
        args.timeout.parse().map_err(|error| Failure::Usage(format!("--timeout {:?}: {error}", args.timeout)))?;
    let (plugins, plugin) = find(&args.component, args.file)?;
    let kind = Wasm::new(DialPolicy::open(), plugins)?;
    let name: Arc<str> = plugin.info().name.as_str().into();
    let check = kind.build(&json!({ "plugin": &*name, "config": config, "grant": grant }))?;
    let started_at = SystemClock.now();
    let context = CheckContext::new(MonitorId::new(), Arc::clone(&name), started_at, timeout.0);
    let outcome = block_on(check.run(&context))??.bounded();
    let rows = [Row { monitor: name.to_string(), kind: "wasm".to_owned(), started_at, outcome }];
    print(&render(&rows, args.output)?)?;
    Ok(ExitCode::from(output::worst(&rows).exit_code()))
}
