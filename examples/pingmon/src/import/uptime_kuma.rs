//! Uptime Kuma: the JSON file of its backup, with its monitors and notifications.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use toml::Table;

use super::{
    draft::{Draft, Monitor, literal, rewrite},
    fields::Fields,
};

/// What is Kuma's own business, or goes with types that aren't carried over.
const MEANINGLESS: [&str; 22] = [
    "id",
    "userId",
    "weight",
    "pathName",
    "path",
    "childrenIDs",
    "forceInactive",
    "maintenance",
    "includeSensitiveData",
    "screenshot",
    "type",
    "dns_resolve_type",
    "dns_resolve_server",
    "dns_last_result",
    "packetSize",
    "mqttSuccessMessage",
    "mqttCheckType",
    "kafkaProducerBrokers",
    "kafkaProducerSaslOptions",
    "httpBodyEncoding",
    "pushToken",
    "gamedigGivenPortOnly",
];

/// How many days before a certificate expires Kuma begins to tell, unless it's set up otherwise.
const EXPIRY_DAYS: f64 = 21.0;

pub(super) fn convert(file: &Value) -> Result<Draft, String> {
    let mut file = file.clone();
    rewrite(&mut file, &literal);
    let mut file = Fields::of(&file);
    let monitors = file.list("monitorList");
    if monitors.is_empty() {
        return Err("isn't a backup of Uptime Kuma: it has no monitorList".to_owned());
    }
    let mut draft = Draft::default();
    let channels = notifications(&mut draft, &file.list("notificationList"));
    let groups: BTreeMap<_, _> = monitors
        .iter()
        .filter(|monitor| monitor["type"] == "group")
        .filter_map(|monitor| Some((monitor["id"].as_i64()?, monitor["name"].as_str()?)))
        .collect();
    for monitor in monitors.iter().filter(|monitor| monitor["type"] != "group") {
        add(&mut draft, Fields::of(monitor), &channels, &groups);
    }
    file.skip(&["version"]);
    for key in file.left() {
        draft.note(&key, "not carried over");
    }
    Ok(draft)
}

/// The names of the channels that could be carried over, by Kuma's id.
fn notifications(draft: &mut Draft, all: &[&Value]) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for notification in all {
        let mut notification = Fields::of(notification);
        let (name, id) = (notification.text("name").unwrap_or_default(), notification.text("id").unwrap_or_default());
        // The settings are JSON in a text.
        let config: Value =
            notification.text("config").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let mut config = Fields::of(&config);
        let kind = config.text("type").unwrap_or_default();
        let url = config.text("webhookURL").filter(|_| kind == "webhook");
        let Some(url) = url else {
            draft.note(
                &format!("notification \"{name}\""),
                &format!("channels of the type \"{kind}\" aren't carried over"),
            );
            continue;
        };
        let mut webhook = Table::from_iter([("url".to_owned(), url.into())]);
        let headers: Value = config
            .text("webhookAdditionalHeaders")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let headers: Table =
            Fields::of(&headers).texts().into_iter().map(|(name, value)| (name, value.into())).collect();
        if !headers.is_empty() {
            webhook.insert("headers".to_owned(), headers.into());
        }
        draft.notifier(&name, "webhook", webhook);
        draft.note(&format!("notification \"{name}\""), "becomes a webhook, which posts its own JSON");
        known.insert(id, name);
    }
    known
}

fn add(draft: &mut Draft, mut fields: Fields<'_>, channels: &BTreeMap<String, String>, groups: &BTreeMap<i64, &str>) {
    let mut monitor = Monitor::new(&fields.text("name").unwrap_or_default());
    let kind = fields.text("type").unwrap_or_default();
    if !of_type(&mut monitor, &kind, &mut fields) {
        let name = monitor.name().to_owned();
        return draft.note(&format!("monitor \"{name}\""), &format!("the type \"{kind}\" isn't carried over"));
    }
    if fields.flag("active") == Some(false) {
        monitor.set("enabled", false);
    }
    let seconds = |number: Option<f64>, default| {
        Duration::try_from_secs_f64(number.filter(|number| *number > 0.0).unwrap_or(default)).unwrap_or_default()
    };
    let every = seconds(fields.number("interval"), 60.0).min(Duration::from_secs(86_400 * 366));
    // Unless it says, Kuma waits for four fifths of the interval.
    let timeout = seconds(fields.number("timeout"), every.as_secs_f64() * 0.8).min(Duration::from_secs(3_600));
    monitor.timing(every, timeout);
    let retries = fields.number("maxretries").unwrap_or(0.0);
    monitor.set("open_after", (retries + 1.0).clamp(1.0, 1_000.0) as i64);
    let retry_every = seconds(fields.number("retryInterval"), 0.0);
    if retries > 0.0 && !retry_every.is_zero() && retry_every != every {
        monitor.set("retry_every", pingmon_core::time::Span(retry_every).to_string());
    }
    let resend = fields.number("resendInterval").unwrap_or(0.0);
    if resend >= 1.0 {
        let month = Duration::from_secs(31 * 86_400);
        monitor.set("remind_every", pingmon_core::time::Span(every.mul_f64(resend).min(month)).to_string());
    }
    told(&mut monitor, fields.take("notificationIDList"), channels);
    if let Some(group) = fields.number("parent").and_then(|id| groups.get(&(id as i64))) {
        monitor.label("group", group);
    }
    for tag in fields.list("tags") {
        let mut tag = Fields::of(tag);
        let (name, value) = (tag.text("name").unwrap_or_default(), tag.text("value"));
        monitor.label(&name, &value.unwrap_or_else(|| "true".to_owned()));
    }
    fields.skip(&MEANINGLESS);
    monitor.note_left("", fields.left());
    draft.monitor(monitor);
}

/// Whether there is a kind for the type; if so, with its settings.
fn of_type(monitor: &mut Monitor, kind: &str, fields: &mut Fields<'_>) -> bool {
    match kind {
        "http" | "keyword" | "json-query" => http(monitor, kind, fields),
        "dns" => {
            monitor.kind("dns");
            monitor.of_kind("name", fields.text("hostname").unwrap_or_default());
            monitor.of_kind("type", fields.text("dns_resolve_type").unwrap_or_else(|| "A".to_owned()));
            let (servers, port) = (fields.text("dns_resolve_server").unwrap_or_default(), fields.text("port"));
            let mut servers = servers.split(',').map(str::trim);
            if let Some(server) = servers.next().filter(|server| !server.is_empty()) {
                let port = port.filter(|port| port != "53").map_or_else(String::new, |port| format!(":{port}"));
                let server =
                    if server.contains(':') && !port.is_empty() { format!("[{server}]") } else { server.into() };
                monitor.of_kind("server", format!("{server}{port}"));
            }
            if servers.next().is_some() {
                monitor.note("dns_resolve_server", "only the first one is asked");
            }
            fields.skip(&["url", "method", "accepted_statuscodes", "maxredirects"]);
        }
        "port" => {
            monitor.kind("tcp");
            if fields.flag("upsideDown") == Some(true) {
                monitor.expect().insert("invert".to_owned(), true.into());
            }
            let (host, port) = (fields.text("hostname").unwrap_or_default(), fields.text("port").unwrap_or_default());
            monitor.of_kind("address", format!("{host}:{port}"));
            fields.skip(&["url", "method", "accepted_statuscodes", "maxredirects"]);
        }
        "postgres" => {
            monitor.kind("postgres");
            monitor.of_kind("url", fields.text("databaseConnectionString").unwrap_or_default());
            if let Some(sql) = fields.text("databaseQuery") {
                monitor.of_kind("query", Table::from_iter([("sql".to_owned(), sql.into())]));
            }
            fields.skip(&["url", "method", "accepted_statuscodes", "maxredirects", "hostname", "port"]);
        }
        _ => return false,
    }
    true
}

fn http(monitor: &mut Monitor, kind: &str, fields: &mut Fields<'_>) {
    monitor.kind("http");
    let url = fields.text("url").unwrap_or_default();
    monitor.url(&url);
    if let Some(method) = fields.text("method").filter(|method| method != "GET") {
        monitor.of_kind("method", method);
    }
    if let Some(body) = fields.text("body") {
        monitor.of_kind("body", body);
    }
    let headers: Value = fields.text("headers").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let headers: Table = Fields::of(&headers).texts().into_iter().map(|(name, value)| (name, value.into())).collect();
    if !headers.is_empty() {
        monitor.of_kind("headers", headers);
    }
    let (user, password) = (fields.text("basic_auth_user"), fields.text("basic_auth_pass"));
    match fields.text("authMethod").as_deref() {
        None | Some("basic") => {
            if let Some(user) = user {
                monitor.basic(&user, &password.unwrap_or_default());
            }
        }
        Some(_) => monitor.note("authMethod", "only basic is carried over"),
    }
    if let Some(redirects) = fields.number("maxredirects") {
        monitor.of_kind("redirects", redirects.clamp(0.0, 20.0) as i64);
    }
    let codes: Vec<_> = fields.list("accepted_statuscodes").into_iter().filter_map(Value::as_str).map(code).collect();
    if !codes.is_empty() {
        monitor.expect().insert("status".to_owned(), codes.into());
    }
    if let Some(keyword) = fields.text("keyword").filter(|_| kind == "keyword") {
        let test = if fields.flag("invertKeyword") == Some(true) { "not_contains" } else { "contains" };
        monitor.rule("body", [(test, keyword.into())]);
    }
    if kind == "json-query" {
        json_query(monitor, fields);
    }
    if fields.flag("ignoreTls") == Some(true) {
        monitor.trusting();
    }
    if fields.flag("expiryNotification") == Some(true) && url.starts_with("https://") {
        monitor.days_left("degraded", EXPIRY_DAYS);
    }
    fields.skip(&["hostname", "port", "invertKeyword"]);
}

/// A JSONata expression that is no more than a path is a JSON path.
fn json_query(monitor: &mut Monitor, fields: &mut Fields<'_>) {
    let (path, expected) = (fields.text("jsonPath").unwrap_or_default(), fields.text("expectedValue"));
    let operator = fields.text("jsonPathOperator").unwrap_or_else(|| "==".to_owned());
    let is_path =
        path.trim_start_matches("$.").chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '[' | ']'));
    match expected {
        Some(expected) if is_path && !path.is_empty() && operator == "==" => {
            let json = format!("$.{}", path.trim_start_matches("$."));
            // Kuma compares as text; a number is meant as one.
            let value = expected.parse::<i64>().map_or_else(|_| toml::Value::from(expected), toml::Value::from);
            monitor.rule("body", [("json", json.into()), ("equals", value)]);
        }
        _ => monitor.note("jsonPath", "JSONata isn't known here; write expect.body with a JSON path"),
    }
}

/// `200-299` as it is, `200` as a number.
fn code(text: &str) -> toml::Value {
    text.parse::<i64>().map_or_else(|_| text.into(), toml::Value::from)
}

fn told(monitor: &mut Monitor, ids: Option<&Value>, channels: &BTreeMap<String, String>) {
    let ids = ids.and_then(Value::as_object).into_iter().flatten().filter(|(_, on)| **on == Value::Bool(true));
    let names: Vec<_> =
        ids.filter_map(|(id, _)| channels.get(id)).map(|name| toml::Value::from(name.clone())).collect();
    monitor.set("notify", names);
}
