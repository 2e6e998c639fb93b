//! Shows that time passes, when somebody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

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
    for _ in 0..time.as_secs() {
        sleep(Duration::from_secs(1)).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
}
