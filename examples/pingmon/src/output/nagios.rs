//! The output of a monitoring plug-in (Nagios, Icinga, Sensu): `OK - text | label=value;;;`, more lines for more
//! monitors. Guidelines: <https://www.monitoring-plugins.org/doc/guidelines.html>.

use std::collections::HashSet;

use pingmon_core::outcome::{Metric, Status, millis};

use super::{Row, one_line, tally, worst};

/// The whole output, without its last line end.
pub(crate) fn render(rows: &[Row]) -> String {
    let text = match rows {
        [one] => plain(&one.outcome.message),
        many => tally(many),
    };
    let measured: Vec<_> = rows.iter().flat_map(|row| measured(row, rows.len() > 1)).collect();
    let numbers = if measured.is_empty() { String::new() } else { format!(" | {}", measured.join(" ")) };
    let mut lines = vec![format!("{} - {text}{numbers}", word(worst(rows)))];
    if rows.len() > 1 {
        let line = |row: &Row| {
            format!("{} - {}: {}", word(row.outcome.status), plain(&row.monitor), plain(&row.outcome.message))
        };
        lines.extend(rows.iter().map(line));
    }
    lines.join("\n")
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Up => "OK",
        Status::Degraded => "WARNING",
        Status::Down => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    }
}

/// Text on its one line; a bar would begin the numbers.
fn plain(text: &str) -> String {
    one_line(text).replace('|', "/")
}

/// The numbers of a run as performance data, under the monitor's name when there are several. A label that is taken
/// gets the unit appended: labels are to differ.
fn measured(row: &Row, prefixed: bool) -> Vec<String> {
    let latency = row.outcome.latency.map(|latency| Metric::new("latency", millis(latency), "ms"));
    let prefix = prefixed.then_some(row.monitor.as_str());
    let mut taken = HashSet::new();
    let metrics = latency.iter().chain(&row.outcome.metrics);
    metrics
        .map(|metric| {
            let words = prefix.into_iter().chain([&*metric.name]).chain(metric.labels.values().map(String::as_str));
            let mut name = words.collect::<Vec<_>>().join(" ");
            if !taken.insert(name.clone()) {
                name = format!("{name} {}", metric.unit);
            }
            format!("{}={}{};;;", label(&name), metric.value, unit(&metric.unit))
        })
        .collect()
}

/// A label is quoted when it holds a space; `=` and `'` are not allowed in it by all readers.
fn label(text: &str) -> String {
    let text = plain(text).replace(['=', '\''], "_");
    if text.contains(' ') { format!("'{text}'") } else { text }
}

/// The units that the guidelines know; others are left out.
fn unit(unit: &str) -> &str {
    match unit {
        "s" | "ms" | "us" => unit,
        "percent" => "%",
        "bytes" => "B",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pingmon_core::outcome::Outcome;

    use super::{super::tests::row, *};

    #[test]
    fn one_monitor_is_one_line_with_its_numbers() {
        let outcome = Outcome::up("200 OK | cached\nyes")
            .latency(Duration::from_micros(12_500))
            .metric(Metric::new("disk_used", 42.5, "percent").label("mount", "/va'r"))
            .metric(Metric::new("used", 10.0, "bytes"))
            .metric(Metric::new("used", 1.5, "percent"));
        assert_eq!(
            render(&[row("a", outcome)]),
            "OK - 200 OK / cached yes | latency=12.5ms;;; 'disk_used /va_r'=42.5%;;; used=10B;;; 'used percent'=1.5%;;;"
        );
    }

    #[test]
    fn several_monitors_are_summed_up_in_the_first_line() {
        let text = render(&[row("a", Outcome::up("fine")), row("b", Outcome::down("refused"))]);
        assert_eq!(text, "CRITICAL - 1 down, 1 up\nOK - a: fine\nCRITICAL - b: refused");
    }
}
