//! Conditions: `[STATUS] == 200`, `[BODY].status == UP`, `len([BODY].items) > 0`, `[RESPONSE_TIME] < 300`.

use toml::Value;

use crate::import::draft::{Monitor, go_duration};

/// A condition taken apart.
struct Condition<'c> {
    /// `len` or `has`, if one is called.
    function: &'c str,
    /// What stands in brackets.
    subject: &'c str,
    /// What follows the brackets: `.items[0].name`.
    path: &'c str,
    operator: &'c str,
    value: &'c str,
}

/// Carries conditions over as expectations.
pub(super) fn conditions(monitor: &mut Monitor, all: &[&str]) {
    let over_http = monitor.is("http");
    let mut on_status = false;
    for (nth, text) in all.iter().enumerate() {
        let condition = Condition::read(text);
        on_status |= condition.as_ref().is_some_and(|condition| condition.subject == "STATUS");
        if !condition.as_ref().is_some_and(|condition| carry(monitor, condition)) {
            let subject = condition.map_or(String::new(), |condition| format!(" on [{}]", condition.subject));
            monitor.note(&format!("conditions[{nth}]{subject}"), "can't be expected here");
        }
    }
    if over_http && !on_status {
        monitor.expect().insert("status".to_owned(), Value::Array(vec!["100-599".into()]));
    }
}

impl<'c> Condition<'c> {
    fn read(text: &'c str) -> Option<Self> {
        let (operator, at) = ["==", "!=", "<=", ">=", "<", ">"]
            .into_iter()
            .find_map(|op| text.find(&format!(" {op} ")).map(|at| (op, at)))?;
        let (left, value) = (text[..at].trim(), text[at + operator.len() + 2..].trim());
        let (function, inner) = match left.split_once('(') {
            Some((function, inner)) => (function, inner.strip_suffix(')')?),
            None => ("", left),
        };
        let (subject, path) = inner.strip_prefix('[')?.split_once(']')?;
        Some(Self { function, subject, path, operator, value })
    }
}

/// Whether an expectation could be made of a condition.
fn carry(monitor: &mut Monitor, condition: &Condition<'_>) -> bool {
    let (over_http, over_dns) = (monitor.is("http"), monitor.is("dns"));
    let Condition { function, subject, path, operator, value } = condition;
    match (*subject, *function) {
        ("CONNECTED", "") => *operator == "==" && *value == "true",
        ("RESPONSE_TIME", "") => match (*operator, value.parse::<u64>()) {
            ("<", Ok(ms)) if ms > 0 => latency(monitor, ms),
            ("<=", Ok(ms)) => latency(monitor, ms + 1),
            _ => false,
        },
        ("CERTIFICATE_EXPIRATION", "") if over_http || monitor.is("tls") => days_left(monitor, operator, value),
        ("DNS_RCODE", "") if over_dns && *operator == "==" => {
            monitor.expect().insert("rcode".to_owned(), (*value).into()).is_none()
        }
        ("BODY", "") if over_dns && path.is_empty() => record(monitor, operator, value),
        ("STATUS", "") if over_http => status(monitor, operator, value),
        ("BODY", "") if over_http && path.is_empty() => body(monitor, operator, value),
        ("BODY", _) if over_http => json(monitor, function, path, operator, value),
        _ => false,
    }
}

fn latency(monitor: &mut Monitor, ms: u64) -> bool {
    let level = toml::Table::from_iter([("down".to_owned(), format!("{ms}ms").into())]);
    monitor.expect().insert("latency".to_owned(), level.into());
    true
}

fn days_left(monitor: &mut Monitor, operator: &str, value: &str) -> bool {
    let Some(least) = go_duration(value).filter(|_| matches!(operator, ">" | ">=")) else { return false };
    monitor.days_left("down", least.as_secs_f64() / 86_400.0);
    true
}

fn record(monitor: &mut Monitor, operator: &str, value: &str) -> bool {
    let (test, value) = match (operator, pattern(value)) {
        ("==", Some(pattern)) => ("matches", pattern.into()),
        ("==", None) if !is_function(value) => ("contains", Value::Array(vec![value.into()])),
        _ => return false,
    };
    monitor.expect().insert(test.to_owned(), value).is_none()
}

fn status(monitor: &mut Monitor, operator: &str, value: &str) -> bool {
    let any = value.strip_prefix("any(").and_then(|inner| inner.strip_suffix(')'));
    let codes: Option<Vec<i64>> = any.unwrap_or(value).split(',').map(|code| code.trim().parse().ok()).collect();
    let Some(codes) = codes.filter(|codes| codes.iter().all(|code| (100..=599).contains(code))) else { return false };
    let range = |from: i64, to: i64| (from <= to).then(|| vec![Value::from(format!("{from}-{to}"))]);
    let allowed = match (operator, codes.as_slice()) {
        ("==", _) => Some(codes.into_iter().map(Value::from).collect()),
        ("<", [code]) => range(100, code - 1),
        ("<=", [code]) => range(100, *code),
        (">", [code]) => range(code + 1, 599),
        (">=", [code]) => range(*code, 599),
        _ => None,
    };
    let Some(allowed) = allowed else { return false };
    // Of two conditions on the status both must hold, which one list can't say.
    monitor.expect().insert("status".to_owned(), Value::Array(allowed)).is_none()
}

fn body(monitor: &mut Monitor, operator: &str, value: &str) -> bool {
    match (operator, pattern(value)) {
        ("==", Some(pattern)) => monitor.rule("body", [("matches", pattern.into())]),
        ("==", None) if !is_function(value) => monitor.rule("body", [("equals", value.into())]),
        _ => return false,
    }
    true
}

fn json(monitor: &mut Monitor, function: &str, path: &str, operator: &str, value: &str) -> bool {
    let json = ("json", Value::from(format!("${path}")));
    let number = value.parse::<f64>().ok();
    let rule = match (function, operator, number) {
        ("has", "==", _) => match value.parse::<bool>() {
            Ok(exists) => ("exists", exists.into()),
            Err(_) => return false,
        },
        ("len", "==", Some(number)) => ("length", Value::from(number as i64)),
        ("", "<", Some(number)) => ("less", number.into()),
        ("", ">", Some(number)) => ("greater", number.into()),
        ("", "<=", Some(number)) => ("at_most", number.into()),
        ("", ">=", Some(number)) => ("at_least", number.into()),
        ("", "==", _) => match pattern(value) {
            Some(pattern) => ("matches", pattern.into()),
            None if is_function(value) => return false,
            None => ("equals", scalar(value)),
        },
        ("", "!=", _) if !is_function(value) => ("not_equals", scalar(value)),
        _ => return false,
    };
    monitor.rule("body", [json, rule]);
    true
}

fn is_function(value: &str) -> bool {
    value.ends_with(')') && value.split_once('(').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase()))
}

/// `pat(a*b)` as a regular expression.
fn pattern(value: &str) -> Option<String> {
    let glob = value.strip_prefix("pat(")?.strip_suffix(')')?;
    let escaped = glob.chars().fold(String::from("^"), |mut regex, c| {
        match c {
            '*' => regex.push_str("(?s:.*)"),
            '?' => regex.push_str("(?s:.)"),
            c if c.is_alphanumeric() || matches!(c, ' ' | '_') => regex.push(c),
            c => regex.extend(['\\', c]),
        }
        regex
    });
    Some(escaped + "$")
}

/// A value as JSON has it: Gatus compares everything as text.
fn scalar(value: &str) -> Value {
    match (value.parse::<i64>(), value.parse::<f64>(), value.parse::<bool>()) {
        (Ok(whole), ..) => whole.into(),
        (_, Ok(number), _) if number.is_finite() => number.into(),
        (.., Ok(flag)) => flag.into(),
        _ => value.into(),
    }
}
