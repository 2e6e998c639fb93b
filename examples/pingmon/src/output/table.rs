//! The results of `pingmon check` as a table for people.

use comfy_table::{Attribute, Cell, CellAlignment, Color};
use pingmon_core::outcome::{Outcome, Status, millis};

use super::{Row, grid, one_line, tally};

/// The table and a line that sums it up.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = grid::titled(["STATUS", "MONITOR", "KIND", "LATENCY", "MESSAGE"]);
    for row in rows {
        table.add_row([
            status(row.outcome.status),
            Cell::new(one_line(&row.monitor)),
            Cell::new(&row.kind),
            Cell::new(latency(&row.outcome)).set_alignment(CellAlignment::Right),
            Cell::new(message(&row.outcome)),
        ]);
    }
    format!("{}\n{}", grid::text(table), tally(rows))
}

/// A mark, so that colour isn't the only sign, and the word.
fn status(status: Status) -> Cell {
    let (mark, colour) = match status {
        Status::Up => ('✓', Color::Green),
        Status::Degraded => ('!', Color::Yellow),
        Status::Down => ('✗', Color::Red),
        Status::Unknown => ('?', Color::Magenta),
    };
    Cell::new(format!("{mark} {status}")).fg(colour).add_attribute(Attribute::Bold)
}

fn latency(outcome: &Outcome) -> String {
    match outcome.latency.map(millis) {
        None => String::new(),
        Some(ms) if ms >= 10_000.0 => format!("{:.1} s", ms / 1_000.0),
        Some(ms) if ms >= 100.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{ms:.1} ms"),
    }
}

/// The one line, and a line for each further expectation that wasn't met.
fn message(outcome: &Outcome) -> String {
    let mut lines = vec![one_line(&outcome.message)];
    if outcome.failed.len() > 1 {
        let missed = outcome.failed.iter();
        let missed = missed.map(|f| format!("{}: expected {}, got {}", f.expectation, f.expected, f.actual));
        lines.extend(missed.map(|line| one_line(&line)).filter(|line| *line != lines[0]).collect::<Vec<_>>());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::tests::row, *};

    #[test]
    fn a_table_shows_every_missed_expectation() {
        let mut down = Outcome::up("200 OK").latency(Duration::from_millis(120));
        down.fail(Status::Down, "status", "2xx", "500");
        down.fail(Status::Degraded, "latency", "< 100ms", "120ms");
        let up = Outcome::up("fine").latency(Duration::from_micros(1_234));
        let text = anstream::adapter::strip_str(&render(&[row("shop", down), row("b", up)])).to_string();
        insta::assert_snapshot!(text);
    }
}
