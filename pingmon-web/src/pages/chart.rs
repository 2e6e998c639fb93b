//! A small SVG writer for three charts: runs as bars, latency over runs, phases of one run. Shapes carry the meaning
//! (a failure stands taller), colours come from the style sheet by class, every shape has its `<title>`.

use std::{fmt::Write, time::Duration};

use minijinja::HtmlEscape;
use pingmon_core::{
    outcome::{Outcome, Status},
    store::history::Record,
};

use super::wording;

/// Width of one run and the space behind it.
const STEP: usize = 5;
/// Height of the bars.
const TALL: usize = 24;
/// Height of the bar of an ordinary run.
const USUAL: usize = 17;
/// Height of the latency chart.
const DEEP: f64 = 100.0;
/// Most of a run's message that its title repeats, in characters.
const MAX_TITLE: usize = 80;

/// The latest runs as bars, newest on the right; `records` newest first, at most `room` are drawn.
pub(super) fn runs(records: &[Record], room: usize) -> String {
    let drawn = &records[..records.len().min(room)];
    let mut svg = open("bars", room * STEP - 1, TALL, &summary(drawn));
    let (vacant, top) = (((room - drawn.len()) * STEP).saturating_sub(1), TALL - USUAL);
    let _ = write!(svg, r#"<rect class="vacant" x="0" y="{top}" width="{vacant}" height="{USUAL}"/>"#);
    for (index, record) in drawn.iter().enumerate() {
        let height = match record.outcome.status {
            Status::Up => USUAL,
            Status::Degraded => 21,
            Status::Down => TALL,
            Status::Unknown => 9,
        };
        let x = (room - 1 - index) * STEP;
        bar(&mut svg, record, x as f64, (STEP - 1) as f64, (TALL - height) as f64, height as f64);
    }
    svg.push_str("</svg>");
    svg
}

/// Latency over runs, newest on the right, scaled to the longest; `records` newest first.
pub(super) fn latencies(records: &[Record], room: usize) -> String {
    let drawn = &records[..records.len().min(room)];
    let longest = longest(drawn).as_secs_f64().max(1e-6);
    let mut svg = open("latencies", room * STEP - 1, DEEP as usize, &format!("Latency. {}", summary(drawn)));
    for (index, record) in drawn.iter().enumerate() {
        let x = ((room - 1 - index) * STEP) as f64;
        let share = record.outcome.latency.map_or(0.0, |latency| latency.as_secs_f64() / longest);
        let height = (share * DEEP).max(2.0);
        if record.outcome.status != Status::Up {
            let _ = write!(
                svg,
                r#"<rect class="{} shade" x="{x}" y="0" width="{STEP}" height="{DEEP}"/>"#,
                record.outcome.status
            );
        }
        bar(&mut svg, record, x, (STEP - 1) as f64, DEEP - height, height);
    }
    svg.push_str("</svg>");
    svg
}

/// The longest latency among `records`; zero without any.
pub(super) fn longest(records: &[Record]) -> Duration {
    records.iter().filter_map(|record| record.outcome.latency).max().unwrap_or_default()
}

/// The phases of one run side by side, `longest` filling the width. A phase has the colour of its place in `names`.
pub(super) fn phases(outcome: &Outcome, names: &[String], longest: Duration) -> String {
    const WIDTH: f64 = 160.0;
    let scale = WIDTH / longest.as_secs_f64().max(1e-6);
    let label: Vec<String> =
        outcome.phases.iter().map(|(name, took)| format!("{name} {}", wording::latency(*took))).collect();
    let mut svg = open("phases", WIDTH as usize, 8, &label.join(", "));
    let mut x = 0.0;
    for ((name, took), label) in outcome.phases.iter().zip(&label) {
        let width = took.as_secs_f64() * scale;
        let _ = write!(
            svg,
            r#"<rect class="{}" x="{x:.1}" y="0" width="{:.1}" height="8"><title>{}</title></rect>"#,
            phase_class(names, name),
            width.max(0.5),
            HtmlEscape(label),
        );
        x += width;
    }
    svg.push_str("</svg>");
    svg
}

/// The class that colours a phase; eight colours take turns.
pub(super) fn phase_class(names: &[String], name: &str) -> String {
    format!("p{}", names.iter().position(|known| known == name).unwrap_or_default() % 8)
}

fn open(class: &str, width: usize, height: usize, label: &str) -> String {
    format!(
        r#"<svg class="{class}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{}">"#,
        HtmlEscape(label)
    )
}

fn bar(svg: &mut String, record: &Record, x: f64, width: f64, y: f64, height: f64) {
    let status = record.outcome.status;
    let _ = write!(
        svg,
        r#"<rect class="{status}" x="{x}" y="{y:.0}" width="{width}" height="{height:.0}"><title>{}</title></rect>"#,
        HtmlEscape(&title(record))
    );
}

/// `up, 12 ms, 10:03:05`, and why when it wasn't.
fn title(record: &Record) -> String {
    let outcome = &record.outcome;
    let mut title = outcome.status.to_string();
    if let Some(latency) = outcome.latency {
        let _ = write!(title, ", {}", wording::latency(latency));
    }
    let _ = write!(title, ", {}", record.started_at.to_datetime().format("%-d %b %H:%M:%S"));
    if outcome.status != Status::Up {
        let message: String = outcome.message.chars().take(MAX_TITLE).collect();
        let _ = write!(title, ": {message}");
    }
    title
}

/// `Last 60 runs: 58 up, 2 down`.
fn summary(records: &[Record]) -> String {
    let mut parts = Vec::new();
    for status in [Status::Up, Status::Degraded, Status::Down, Status::Unknown] {
        let count = records.iter().filter(|record| record.outcome.status == status).count();
        if count > 0 {
            parts.push(format!("{count} {status}"));
        }
    }
    match records.len() {
        0 => "No runs yet".into(),
        length => format!("Last {}: {}", wording::count(length, "run"), parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::time::Timestamp;

    use super::*;

    fn record(second: i64, outcome: Outcome) -> Record {
        let slot = Timestamp::from_micros(1_790_000_000_000_000 + second * 1_000_000);
        Record::new(slot, slot, outcome)
    }

    #[test]
    fn the_newest_run_stands_right_and_a_failure_stands_taller() {
        let records =
            [record(1, Outcome::down("refused")), record(0, Outcome::up("ok").latency(Duration::from_millis(12)))];
        let svg = runs(&records, 60);
        assert!(svg.contains(r#"aria-label="Last 2 runs: 1 up, 1 down""#), "{svg}");
        assert!(svg.contains(r#"<rect class="down" x="295" y="0" width="4" height="24"><title>down, 21 Sep 14:13:21: refused</title>"#), "{svg}");
        assert!(
            svg.contains(
                r#"<rect class="up" x="290" y="7" width="4" height="17"><title>up, 12 ms, 21 Sep 14:13:20</title>"#
            ),
            "{svg}"
        );
    }

    #[test]
    fn no_more_bars_are_drawn_than_there_is_room() {
        let records: Vec<Record> = (0..100).rev().map(|second| record(second, Outcome::up(""))).collect();
        assert_eq!(runs(&records, 60).matches("<title>").count(), 60);
        assert_eq!(runs(&[], 60).matches("<title>").count(), 0);
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "\"><script>alert(1)</script>";
        let outcome = Outcome::down(hostile).phase(hostile, Duration::from_millis(1));
        for svg in [
            runs(&[record(0, outcome.clone())], 60),
            latencies(&[record(0, outcome.clone())], 60),
            phases(&outcome, &[], Duration::ZERO),
        ] {
            assert!(!svg.contains("<script"), "{svg}");
            assert_eq!(svg.matches("<svg").count(), 1);
        }
    }

    #[test]
    fn phases_share_the_width_by_their_length() {
        let outcome = Outcome::up("").phase("dns", Duration::from_millis(10)).phase("tls", Duration::from_millis(30));
        let names = ["dns".to_owned(), "tls".to_owned()];
        let svg = phases(&outcome, &names, Duration::from_millis(40));
        assert!(svg.contains(r#"<rect class="p0" x="0.0" y="0" width="40.0""#), "{svg}");
        assert!(svg.contains(r#"<rect class="p1" x="40.0" y="0" width="120.0""#), "{svg}");
        assert!(svg.contains("<title>dns 10 ms</title>"), "{svg}");
    }
}
