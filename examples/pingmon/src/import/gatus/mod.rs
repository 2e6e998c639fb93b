//! Gatus: endpoints with their conditions and alerts.

mod condition;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use toml::Table;

use super::{
    draft::{Draft, Monitor, go_duration, rewrite},
    fields::Fields,
};

pub(super) fn convert(file: &Value) -> Result<Draft, String> {
    let mut file = file.clone();
    rewrite(&mut file, &references);
    let mut file = Fields::of(&file);
    let endpoints = file.list("endpoints");
    if endpoints.is_empty() {
        return Err("isn't a config of Gatus: it has no endpoints".to_owned());
    }
    let mut draft = Draft::default();
    let channels = Channels::read(&mut draft, file.table("alerting"));
    for endpoint in endpoints {
        if let Some(monitor) = monitor(&mut draft, Fields::of(endpoint), &channels) {
            draft.monitor(monitor);
        }
    }
    for key in file.left() {
        draft.note(&key, "not carried over");
    }
    Ok(draft)
}

/// Gatus takes `$VAR` and `$$` too.
fn references(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        written.push_str(before);
        let name = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        rest = match after.strip_prefix('$') {
            // A literal `$`, which means something before a brace only.
            Some(after) => {
                written.push_str(if after.starts_with('{') { "$$" } else { "$" });
                after
            }
            None if name > 0 && !after.starts_with(|c: char| c.is_ascii_digit()) => {
                written.push_str(&format!("${{{}}}", &after[..name]));
                &after[name..]
            }
            None => {
                written.push('$');
                after
            }
        };
    }
    written + rest
}

/// The channels that could be carried over, by Gatus' word for them, with what alerts of them have unless they say so.
struct Channels<'v>(BTreeMap<String, (bool, &'v Value)>);

impl<'v> Channels<'v> {
    fn read(draft: &mut Draft, alerting: Fields<'v>) -> Self {
        let mut channels = BTreeMap::new();
        for (kind, config) in alerting.entries() {
            let mut fields = Fields::of(config);
            let defaults = fields.take("default-alert").unwrap_or(&Value::Null);
            let url = fields.text("url").filter(|_| kind == "custom");
            if let Some(url) = &url {
                let mut webhook = Table::new();
                webhook.insert("url".to_owned(), url.clone().into());
                let headers = fields.table("headers").texts();
                if !headers.is_empty() {
                    let headers: Table = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
                    webhook.insert("headers".to_owned(), headers.into());
                }
                draft.notifier(kind, "webhook", webhook);
                draft.note("alerting.custom", "becomes a webhook, which posts its own JSON in place of the body");
                fields.skip(&["body", "method"]);
                draft.note_left("alerting.custom.", fields.left());
            } else {
                draft.note(&format!("alerting.{kind}"), "channels of this kind aren't carried over");
            }
            channels.insert(kind.to_owned(), (url.is_some(), defaults));
        }
        Self(channels)
    }
}

fn monitor(draft: &mut Draft, mut endpoint: Fields<'_>, channels: &Channels<'_>) -> Option<Monitor> {
    let mut monitor = Monitor::new(&endpoint.text("name").unwrap_or_default());
    let url = endpoint.text("url").unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let mut question = endpoint.table("dns");
    let kind = match scheme {
        _ if endpoint.take("ssh").is_some() => None,
        "http" | "https" => Some("http"),
        "tcp" => Some("tcp"),
        "tls" | "starttls" => Some("tls"),
        "" if !question.is_empty() => Some("dns"),
        _ => None,
    };
    let Some(kind) = kind else {
        let scheme = if scheme.is_empty() { "none" } else { scheme };
        draft.note(&format!("endpoint \"{}\"", monitor.name()), &format!("not carried over (its scheme: {scheme})"));
        return None;
    };
    monitor.kind(kind);
    if endpoint.flag("enabled") == Some(false) {
        monitor.set("enabled", false);
    }
    let mut client = endpoint.table("client");
    let span = |text: Option<String>, default| text.and_then(|text| go_duration(&text)).unwrap_or(default);
    let every = span(endpoint.text("interval"), Duration::from_secs(60));
    monitor.timing(every, span(client.text("timeout"), Duration::from_secs(10)));
    alerts(&mut monitor, endpoint.list("alerts"), channels);
    monitor.label("group", &endpoint.text("group").unwrap_or_default());
    for (key, value) in endpoint.table("extra-labels").texts() {
        monitor.label(&key, &value);
    }
    match kind {
        "http" => {
            monitor.url(&url);
            http(&mut monitor, &mut endpoint, &mut client);
        }
        "dns" => {
            monitor.of_kind("server", url.as_str());
            monitor.of_kind("name", question.text("query-name").unwrap_or_default());
            monitor.of_kind("type", question.text("query-type").unwrap_or_else(|| "A".to_owned()));
        }
        _ => monitor.of_kind("address", rest.trim_end_matches('/')),
    }
    if scheme == "starttls" {
        // Gatus knows no other.
        monitor.of_kind("starttls", "smtp");
    }
    if matches!(kind, "http" | "tls") && client.flag("insecure") == Some(true) {
        monitor.trusting();
    }
    let conditions = endpoint.list("conditions").into_iter().filter_map(Value::as_str);
    condition::conditions(&mut monitor, &conditions.collect::<Vec<_>>());
    monitor.note_left("dns.", question.left());
    monitor.note_left("client.", client.left());
    endpoint.skip(&["ui"]);
    monitor.note_left("", endpoint.left());
    Some(monitor)
}

fn http(monitor: &mut Monitor, endpoint: &mut Fields<'_>, client: &mut Fields<'_>) {
    if let Some(method) = endpoint.text("method").filter(|method| method != "GET") {
        monitor.of_kind("method", method);
    }
    if let Some(body) = endpoint.text("body") {
        if endpoint.flag("graphql") == Some(true) {
            monitor.of_kind("body", serde_json::json!({ "query": body }).to_string());
        } else {
            monitor.of_kind("body", body);
        }
    }
    let headers = endpoint.table("headers").texts();
    if !headers.is_empty() {
        monitor.of_kind("headers", headers.into_iter().map(|(name, value)| (name, value.into())).collect::<Table>());
    }
    if client.flag("ignore-redirect") == Some(true) {
        monitor.of_kind("redirects", 0);
    }
}

/// Whom to tell, and after how many runs: as the first alert says.
fn alerts(monitor: &mut Monitor, alerts: Vec<&Value>, channels: &Channels<'_>) {
    let mut names = Vec::new();
    let mut counts = None;
    for alert in alerts {
        let mut own = Fields::of(alert);
        let kind = own.text("type").unwrap_or_default();
        let (known, defaults) =
            channels.0.get(&kind).map_or((false, &Value::Null), |(known, defaults)| (*known, *defaults));
        let mut defaults = Fields::of(defaults);
        if own.flag("enabled").or_else(|| defaults.flag("enabled")) == Some(false) {
            continue;
        }
        let mut count = |key: &str, usual: f64| own.number(key).or_else(|| defaults.number(key)).unwrap_or(usual);
        let these = (count("failure-threshold", 3.0), count("success-threshold", 2.0));
        if *counts.get_or_insert(these) != these {
            monitor
                .note(&format!("alerts of {kind}"), "thresholds are the monitor's; those of the first alert are taken");
        }
        own.skip(&["send-on-resolved", "description"]);
        monitor.note_left(&format!("alerts of {kind}: "), own.left());
        match known {
            true => names.push(toml::Value::from(kind)),
            false => monitor.note(&format!("alerts of {kind}"), "there is no such channel here"),
        }
    }
    if let Some((failures, successes)) = counts {
        monitor.set("open_after", failures.clamp(1.0, 1_000.0) as i64);
        monitor.set("close_after", successes.clamp(1.0, 1_000.0) as i64);
    }
    monitor.set("notify", names);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_written_our_way() {
        for (theirs, ours) in [
            ("$TOKEN", "${TOKEN}"),
            ("a-$TOKEN-b", "a-${TOKEN}-b"),
            ("${TOKEN}", "${TOKEN}"),
            ("pay $$5", "pay $5"),
            ("$${TOKEN}", "$${TOKEN}"),
            ("5$", "5$"),
            ("$5", "$5"),
        ] {
            assert_eq!(references(theirs), ours, "{theirs}");
        }
    }
}
