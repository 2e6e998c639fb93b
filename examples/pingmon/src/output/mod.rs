//! What the commands tell: the results of `pingmon check`, one format a file, and how bad they are as a whole; the lists
//! of other commands, one a file.

pub(crate) mod copied;
mod grid;
pub(crate) mod json;
pub(crate) mod nagios;
pub(crate) mod notices;
pub(crate) mod plugins;
pub(crate) mod table;
pub(crate) mod workers;

use pingmon_core::{
    outcome::{Outcome, Status},
    time::Timestamp,
};

/// What one monitor's run found.
pub(crate) struct Row {
    pub(crate) monitor: String,
    pub(crate) kind: String,
    pub(crate) started_at: Timestamp,
    pub(crate) outcome: Outcome,
}

/// The verdict on all: down before unknown before degraded before up.
pub(crate) fn worst(rows: &[Row]) -> Status {
    let badness = |status: &Status| match status {
        Status::Up => 0,
        Status::Degraded => 1,
        Status::Unknown => 2,
        Status::Down => 3,
    };
    rows.iter().map(|row| row.outcome.status).max_by_key(badness).unwrap_or(Status::Unknown)
}

/// How many monitors have which status, worst first: `1 down, 11 up`.
pub(crate) fn tally(rows: &[Row]) -> String {
    let count = |status| rows.iter().filter(|row| row.outcome.status == status).count();
    let counts = [Status::Down, Status::Unknown, Status::Degraded, Status::Up].map(|status| (count(status), status));
    let words: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, status)| format!("{count} {status}")).collect();
    words.join(", ")
}

/// One line without control characters: what targets say reaches terminals and log files.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |c: char| {
        if c.is_whitespace() {
            ' '
        } else if c.is_control() {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(name: &str, outcome: Outcome) -> Row {
        let started_at = Timestamp::from_micros(1_790_000_000_123_456);
        Row { monitor: name.to_owned(), kind: "http".to_owned(), started_at, outcome }
    }

    #[test]
    fn the_worst_wins_and_down_is_worse_than_unknown() {
        let rows = |outcomes: &[fn(&'static str) -> Outcome]| -> Vec<Row> {
            outcomes.iter().map(|outcome| row("a", outcome("x"))).collect()
        };
        assert_eq!(worst(&rows(&[Outcome::up, Outcome::degraded])), Status::Degraded);
        assert_eq!(worst(&rows(&[Outcome::unknown, Outcome::degraded])), Status::Unknown);
        assert_eq!(worst(&rows(&[Outcome::down, Outcome::unknown, Outcome::up])), Status::Down);
        assert_eq!(worst(&[]), Status::Unknown, "nothing checked is nothing known");
        assert_eq!(tally(&rows(&[Outcome::up, Outcome::down, Outcome::up])), "1 down, 2 up");
    }

    #[test]
    fn a_targets_words_can_not_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\nc"), "a\u{fffd}[2Jb  c");
    }
}
