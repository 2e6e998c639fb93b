//! What came of sample notices, and what notifiers would send, for people and for programs.

use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, Color};
use pingmon_core::{
    error::{Error, Result},
    id::DeliveryId,
    notification::Receipt,
    outcome::millis,
};
use serde_json::{Value, json};

use super::{grid, one_line};

/// One sample, sent.
pub(crate) struct Attempt {
    pub(crate) notifier: String,
    pub(crate) state: &'static str,
    pub(crate) id: DeliveryId,
    pub(crate) took: Duration,
    pub(crate) ended: Result<Option<Receipt>>,
}

impl Attempt {
    /// Whether the far end has it.
    pub(crate) fn taken(&self) -> bool {
        self.ended.is_ok()
    }
}

/// What would be sent for one state.
pub(crate) struct Preview {
    pub(crate) notifier: String,
    pub(crate) state: &'static str,
    pub(crate) text: String,
}

/// A row for each sample.
pub(crate) fn table(attempts: &[Attempt]) -> String {
    let mut table = grid::titled(["RESULT", "NOTIFIER", "STATE", "TOOK", "MESSAGE"]);
    for attempt in attempts {
        let (mark, colour, message) = match &attempt.ended {
            Ok(_) => ("✓ taken", Color::Green, String::new()),
            Err(error) => ("✗ failed", Color::Red, explain(error)),
        };
        table.add_row([
            Cell::new(mark).fg(colour).add_attribute(Attribute::Bold),
            Cell::new(one_line(&attempt.notifier)),
            Cell::new(attempt.state),
            Cell::new(format!("{:.0} ms", millis(attempt.took))).set_alignment(CellAlignment::Right),
            Cell::new(one_line(&message)),
        ]);
    }
    grid::text(table)
}

/// What went wrong, and what the engine would do about it.
fn explain(error: &Error) -> String {
    match error {
        Error::Delivery { reason, retryable: true, .. } => format!("{reason} (would be tried again)"),
        Error::Delivery { reason, retryable: false, .. } => format!("{reason} (would not be tried again)"),
        error => error.chain(),
    }
}

/// One object a line and sample.
pub(crate) fn json(attempts: &[Attempt]) -> String {
    let line = |attempt: &Attempt| {
        let error = attempt.ended.as_ref().err();
        let (reason, retryable, wait) = match error {
            Some(Error::Delivery { reason, retryable, retry_after }) => {
                (Some(reason.clone()), Some(*retryable), retry_after.map(millis))
            }
            Some(error) => (Some(error.chain()), Some(error.is_retryable()), None),
            None => (None, None, None),
        };
        json!({
            "notifier": attempt.notifier,
            "state": attempt.state,
            "id": attempt.id,
            "taken": attempt.taken(),
            "took_ms": millis(attempt.took),
            "error": reason,
            "retryable": retryable,
            "retry_after_ms": wait,
        })
    };
    lines(attempts.iter().map(line))
}

/// Each preview below its title.
pub(crate) fn preview_text(previews: &[Preview]) -> String {
    let text = |Preview { notifier, state, text }: &Preview| {
        let lines: Vec<_> = text.lines().map(one_line).collect();
        format!("── {} · {state} ──\n{}\n", one_line(notifier), lines.join("\n"))
    };
    previews.iter().map(text).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// One object a line and preview.
pub(crate) fn preview_json(previews: &[Preview]) -> String {
    lines(
        previews
            .iter()
            .map(|Preview { notifier, state, text }| json!({ "notifier": notifier, "state": state, "preview": text })),
    )
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join("\n")
}
