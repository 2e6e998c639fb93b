//! Shows that time passes, when somebody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep_until};

/// A bar of `steps` steps; hidden when standard error is no terminal.
pub(crate) fn bar(what: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(steps).with_message(what.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Lets that much time pass.
pub(crate) async fn pass(what: &str, time: Duration) {
    let bar = bar(what, time.as_secs());
    let until = Instant::now() + time;
    while Instant::now() < until {
        sleep_until(until.min(Instant::now() + Duration::from_secs(1))).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
}
