//! `pingmon notify`: sends samples through a notifier, or shows what notifiers would send.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use pingmon_core::{
    error::{Error, Result as CoreResult},
    notification::{Notification, Receipt},
    notifier::Notifier,
    time::{Clock, SystemClock},
};
use pingmon_notify::sample;
use tracing_subscriber::filter::LevelFilter;

use super::{Failure, block_on, load, print};
use crate::{
    cli::{Answer, Listing, LogFormat, NotifyPreview, NotifyTest},
    config::{Config, hint},
    log,
    output::notices::{Attempt, Preview, json, preview_json, preview_text, table},
};

/// A sample wasn't taken.
const NOT_TAKEN: u8 = 1;
/// How long a notifier may take, as in the engine.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The states of a test: what opens is closed again.
const TESTED: [&str; 2] = ["opened", "resolved"];

/// Sends samples through a notifier; the exit code says whether they were taken.
pub(crate) fn test(args: NotifyTest) -> Result<ExitCode, Failure> {
    log::install(LogFormat::Text, LevelFilter::WARN);
    let config = load(args.file.config)?;
    let notifier = Arc::clone(find(&config, &args.name)?);
    let attempts = block_on(send(&args.name, &*notifier))?;
    print(&match args.output {
        Listing::Table => table(&attempts),
        Listing::Json => json(&attempts),
    })?;
    let taken = attempts.iter().all(Attempt::taken);
    Ok(if taken { ExitCode::SUCCESS } else { ExitCode::from(NOT_TAKEN) })
}

/// Shows what notifiers would send.
pub(crate) fn preview(args: NotifyPreview) -> Result<ExitCode, Failure> {
    let config = load(args.file.config)?;
    let names = if args.names.is_empty() { config.notifiers.keys().cloned().collect() } else { args.names };
    let at = SystemClock.now();
    let mut previews = Vec::new();
    for name in names {
        let notifier = find(&config, &name)?;
        let samples = sample::notices(&name, at).into_iter();
        previews.extend(samples.map(|(state, notice)| Preview {
            notifier: name.clone(),
            state,
            text: notifier.preview(&notice),
        }));
    }
    print(&match args.output {
        Answer::Text => preview_text(&previews),
        Answer::Json => preview_json(&previews),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Arc<dyn Notifier>, Failure> {
    config.notifiers.get(name).map(|channel| &channel.notifier).ok_or_else(|| {
        let known = config.notifiers.keys().map(String::as_str);
        Failure::Usage(format!("no notifier is named \"{name}\", {}", hint(name, known)))
    })
}

/// How an incident opens and how it ends, one after the other; the first that isn't taken is the last.
async fn send(name: &str, notifier: &dyn Notifier) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut receipt = None;
    let samples = sample::notices(name, SystemClock.now()).into_iter();
    for (state, mut notice) in samples.filter(|(state, _)| TESTED.contains(state)) {
        notice.receipt = receipt.clone();
        let begun = Instant::now();
        let ended = deliver(notifier, &notice).await;
        let (took, refused) = (begun.elapsed(), ended.is_err());
        receipt = receipt.or(ended.as_ref().ok().cloned().flatten());
        attempts.push(Attempt { notifier: name.to_owned(), state, id: notice.id, took, ended });
        if refused {
            break;
        }
    }
    attempts
}

async fn deliver(notifier: &dyn Notifier, notice: &Notification) -> CoreResult<Option<Receipt>> {
    match tokio::time::timeout(TIMEOUT, notifier.deliver(notice)).await {
        Ok(ended) => ended,
        Err(_) => {
            Err(Error::Delivery { reason: "it took longer than 30s".to_owned(), retryable: true, retry_after: None })
        }
    }
}
