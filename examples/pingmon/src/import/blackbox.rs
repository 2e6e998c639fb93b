//! blackbox_exporter: modules become monitors, one for each target that is named. The targets themselves stand in
//! Prometheus' own config.

use std::time::Duration;

use serde_json::Value;

use super::{
    Target,
    draft::{Draft, Monitor, go_duration, literal, rewrite},
    fields::Fields,
};

pub(super) fn convert(file: &Value, targets: &[Target]) -> Result<Draft, String> {
    let mut file = file.clone();
    rewrite(&mut file, &literal);
    let modules = file.get("modules").and_then(Value::as_object);
    let modules = modules.ok_or("isn't a config of blackbox_exporter: it has no modules")?;
    if let Some(unknown) = targets.iter().find(|target| !modules.contains_key(&target.module)) {
        return Err(format!("has no module {:?}; --target names one", unknown.module));
    }
    let mut draft = Draft::default();
    for (name, module) in modules {
        let of_module: Vec<_> = targets.iter().filter(|target| target.module == *name).collect();
        for target in &of_module {
            add(
                &mut draft,
                Monitor::new(&format!("{name} {}", without_login(&target.target))),
                module,
                Some(&target.target),
            );
        }
        if of_module.is_empty() {
            add(&mut draft, Monitor::new(name), module, None);
        }
    }
    Ok(draft)
}

fn add(draft: &mut Draft, mut monitor: Monitor, module: &Value, target: Option<&str>) {
    let mut module = Fields::of(module);
    let prober = module.text("prober").unwrap_or_default();
    let known = match prober.as_str() {
        "http" => http(&mut monitor, module.table("http"), target),
        "tcp" => tcp(&mut monitor, module.table("tcp"), target),
        "dns" => dns(&mut monitor, module.table("dns"), target),
        _ => false,
    };
    if !known {
        let name = monitor.name().to_owned();
        return draft.note(&format!("module \"{name}\""), &format!("the prober \"{prober}\" isn't carried over"));
    }
    let timeout = module.text("timeout").and_then(|text| go_duration(&text)).filter(|timeout| !timeout.is_zero());
    monitor.timing(Duration::from_secs(60), timeout.unwrap_or(Duration::from_secs(10)));
    if target.is_none() {
        monitor.set("enabled", false);
        monitor.note(
            "target",
            "not in the file: name one with --target MODULE=TARGET, or write it and take out `enabled`",
        );
    }
    module.skip(&["http", "tcp", "dns", "icmp", "grpc"]);
    monitor.note_left("", module.left());
    draft.monitor(monitor);
}

fn http(monitor: &mut Monitor, mut http: Fields<'_>, target: Option<&str>) -> bool {
    monitor.kind("http");
    let target = target.unwrap_or("https://target.example/");
    monitor.url(&literal(&if target.contains("://") { target.to_owned() } else { format!("http://{target}") }));
    if let Some(method) = http.text("method").filter(|method| method != "GET") {
        monitor.of_kind("method", method);
    }
    if let Some(body) = http.text("body") {
        monitor.of_kind("body", body);
    }
    let headers: toml::Table =
        http.table("headers").texts().into_iter().map(|(name, value)| (name, value.into())).collect();
    if !headers.is_empty() {
        monitor.of_kind("headers", headers);
    }
    let stays = http.flag("follow_redirects") == Some(false) || http.flag("no_follow_redirects") == Some(true);
    if stays {
        monitor.of_kind("redirects", 0);
    }
    if let Some(family) = http.text("preferred_ip_protocol") {
        let family = format!("ipv{}", family.trim_start_matches("ip"));
        let alone = http.flag("ip_protocol_fallback") == Some(false);
        monitor.of_kind("ip_family", if alone { family } else { format!("prefer_{family}") });
    }
    let mut tls = http.table("tls_config");
    if tls.flag("insecure_skip_verify") == Some(true) {
        monitor.trusting();
    }
    monitor.note_left("http.tls_config.", tls.left());
    credentials(monitor, &mut http);
    expectations(monitor, &mut http);
    http.skip(&["ip_protocol_fallback", "compression"]);
    monitor.note_left("http.", http.left());
    true
}

fn expectations(monitor: &mut Monitor, http: &mut Fields<'_>) {
    let codes: Vec<_> = http.list("valid_status_codes").into_iter().filter_map(Value::as_i64).collect();
    // Without any, 2xx is right, also for a redirect that isn't followed.
    let codes = match codes.is_empty() {
        true => vec!["2xx".into()],
        false => codes.into_iter().map(toml::Value::from).collect::<Vec<_>>(),
    };
    monitor.expect().insert("status".to_owned(), codes.into());
    for (field, test) in
        [("fail_if_body_matches_regexp", "not_matches"), ("fail_if_body_not_matches_regexp", "matches")]
    {
        for pattern in http.list(field).into_iter().filter_map(Value::as_str) {
            monitor.rule("body", [(test, pattern.into())]);
        }
    }
    for (field, test) in [("fail_if_header_matches", "not_matches"), ("fail_if_header_not_matches", "matches")] {
        for rule in http.list(field) {
            let mut rule = Fields::of(rule);
            let (name, pattern) = (rule.text("header").unwrap_or_default(), rule.text("regexp").unwrap_or_default());
            if rule.flag("allow_missing") == Some(true) {
                monitor
                    .note(&format!("http.{field}"), "the header has to be there, `allow_missing` isn't carried over");
            }
            monitor.rule("headers", [("name", name.into()), (test, pattern.into())]);
        }
    }
}

fn credentials(monitor: &mut Monitor, http: &mut Fields<'_>) {
    let mut basic = http.table("basic_auth");
    if let Some(user) = basic.text("username") {
        monitor.basic(&user, &basic.text("password").unwrap_or_default());
    }
    monitor.note_left("http.basic_auth.", basic.left());
    let mut authorization = http.table("authorization");
    let scheme = authorization.text("type").unwrap_or_else(|| "Bearer".to_owned());
    let token = http.text("bearer_token").or_else(|| authorization.text("credentials"));
    match token {
        Some(token) if scheme.eq_ignore_ascii_case("bearer") => monitor.of_kind("bearer", token),
        Some(_) => monitor.note("http.authorization", "only the type Bearer is carried over"),
        None => {}
    }
    monitor.note_left("http.authorization.", authorization.left());
}

fn tcp(monitor: &mut Monitor, mut tcp: Fields<'_>, target: Option<&str>) -> bool {
    monitor.kind("tcp");
    monitor.of_kind("address", literal(target.unwrap_or("target.example:443")));
    let dialogue = tcp.list("query_response");
    if !talks(monitor, &dialogue) {
        monitor.note("tcp.query_response", "only one thing to send and one to expect are carried over");
    }
    let mut tls = tcp.table("tls_config");
    if tcp.flag("tls") == Some(true) {
        let name = tls.text("server_name").map(|name| ("server_name".to_owned(), name.into()));
        monitor.of_kind("tls", toml::Table::from_iter(name));
    }
    monitor.note_left("tcp.tls_config.", tls.left());
    tcp.skip(&["ip_protocol_fallback"]);
    monitor.note_left("tcp.", tcp.left());
    true
}

/// Whether a dialogue is no more than a `tcp` monitor can say: something to send, then something to expect.
fn talks(monitor: &mut Monitor, dialogue: &[&Value]) -> bool {
    let (send, expect) = match dialogue {
        [] => return true,
        [expect] => (None, *expect),
        [send, expect] => (Some(*send), *expect),
        _ => return false,
    };
    let only = |step: &Value, key: &str| {
        let mut step = Fields::of(step);
        step.text(key).filter(|_| step.left().is_empty())
    };
    let sent = send.map(|send| only(send, "send"));
    let (Some(pattern), false) = (only(expect, "expect"), sent == Some(None)) else { return false };
    if let Some(text) = sent.flatten() {
        // What is sent ends its line there.
        monitor.of_kind("send", format!("{text}\n"));
    }
    let reply = toml::Table::from_iter([("matches".to_owned(), pattern.into())]);
    monitor.expect().insert("reply".to_owned(), reply.into());
    true
}

fn dns(monitor: &mut Monitor, mut dns: Fields<'_>, target: Option<&str>) -> bool {
    monitor.kind("dns");
    monitor.of_kind("name", dns.text("query_name").unwrap_or_default());
    match dns.text("query_type").filter(|kind| kind != "ANY") {
        Some(kind) => monitor.of_kind("type", kind),
        None => monitor.note("dns.query_type", "all types at once can't be asked for; A is"),
    }
    let over_tls = dns.flag("dns_over_tls") == Some(true);
    let transport = dns.text("transport_protocol").map(|transport| if over_tls { "tls".to_owned() } else { transport });
    if let Some(transport) = transport.or_else(|| over_tls.then(|| "tls".to_owned())) {
        monitor.of_kind("transport", transport);
    }
    if dns.flag("recursion_desired") == Some(false) {
        monitor.of_kind("recursion", false);
    }
    monitor.of_kind("server", literal(target.unwrap_or("192.0.2.53")));
    match dns.list("valid_rcodes").as_slice() {
        [] => {}
        [Value::String(code)] => drop(monitor.expect().insert("rcode".to_owned(), code.as_str().into())),
        _ => monitor.note("dns.valid_rcodes", "only one can be expected"),
    }
    dns.skip(&["ip_protocol_fallback"]);
    monitor.note_left("dns.", dns.left());
    true
}

/// A target as a part of a name: whoever reads it needs no password.
fn without_login(target: &str) -> String {
    match target.split_once('@') {
        Some((before, rest)) => {
            format!("{}{rest}", before.split_once("://").map_or(String::new(), |(s, _)| format!("{s}://")))
        }
        None => target.to_owned(),
    }
}
