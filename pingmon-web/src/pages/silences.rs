//! Silences as pages show them: which monitors, who wants it, why and until when.

use pingmon_core::{
    matcher::Matcher,
    monitor::Monitor,
    notification::Subject,
    silence::{MAX_ALIVE, Silence},
    store::{Store, silences::SilenceFilter},
    time::Timestamp,
};
use serde::Serialize;

use super::wording::When;
use crate::failure::Failure;

/// Most names of monitors in a line.
const NAMED: usize = 5;

/// A silence as a line of a list.
#[derive(Serialize)]
pub(super) struct SilenceRow {
    /// `shop, db`, `all monitors with team = shop`
    about: String,
    maintenance: bool,
    by: String,
    comment: String,
    until: When,
}

impl SilenceRow {
    fn new(silence: Silence, now: Timestamp) -> Self {
        Self {
            about: about(&silence.matcher),
            maintenance: silence.maintenance,
            by: silence.by,
            comment: silence.comment,
            until: When::seen_from(now, silence.until),
        }
    }
}

/// The silences that are on, the earliest end first: of one monitor, or of all.
pub(super) async fn on(
    store: &dyn Store,
    monitor: Option<&Monitor>,
    now: Timestamp,
) -> Result<Vec<SilenceRow>, Failure> {
    let subject = monitor.map(Subject::of);
    let silences = store.silences(SilenceFilter::all().alive(), MAX_ALIVE).await?;
    let is_meant = |silence: &Silence| match &subject {
        Some(subject) => silence.holds(subject, now),
        None => silence.is_on(now),
    };
    Ok(silences.into_iter().rev().filter(is_meant).map(|silence| SilenceRow::new(silence, now)).collect())
}

fn about(matcher: &Matcher) -> String {
    let mut about = match matcher.monitors.as_slice() {
        [] => "all monitors".to_owned(),
        names if names.len() <= NAMED => names.join(", "),
        names => format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED),
    };
    let labels: Vec<_> = matcher.labels.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    if !labels.is_empty() {
        about = format!("{about} with {}", labels.join(", "));
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_monitors_without_end() {
        for (matcher, expected) in [
            (Matcher::all(), "all monitors"),
            (Matcher::all().monitors(["shop", "db"]), "shop, db"),
            (Matcher::all().label("team", "shop").label("tier", "1"), "all monitors with team = shop, tier = 1"),
            (Matcher::all().monitors(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more"),
        ] {
            assert_eq!(about(&matcher), expected);
        }
    }
}
