//! `pingmon import`: what it writes is a good config that means the same, and what is missing is told without secrets.

use toml::{Table, Value};

use crate::program::{Done, Home};

const GATUS: &str = include_str!("import/gatus.yaml");
const UPTIME_KUMA: &str = include_str!("import/uptime-kuma.json");
const BLACKBOX: &str = include_str!("import/blackbox.yml");

/// Imports a file, validates what comes out, and shows both.
struct Import {
    done: Done,
    config: Table,
}

impl Import {
    fn of(origin: &str, file: &str, more: &[&str]) -> Self {
        let home = Home::empty();
        home.write("theirs", file);
        let done = home.call(&[&["import", origin, "theirs"], more].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        home.write("pingmon.toml", &done.stdout);
        let valid = home.call_with(&["validate"], &[("API_TOKEN", "t")]);
        assert_eq!(valid.code, 0, "{}\n{}", valid.stderr, done.stdout);
        for secret in ["-secret", "custom-token", "hook-key"] {
            assert!(!done.stderr.contains(secret), "{}", done.stderr);
        }
        let config = done.stdout.parse().unwrap();
        Self { done, config }
    }

    fn monitor(&self, name: &str) -> &Value {
        let monitors = self.config["monitor"].as_array().unwrap();
        monitors.iter().find(|monitor| monitor["name"].as_str() == Some(name)).expect(name)
    }

    fn names(&self) -> Vec<&str> {
        self.config["monitor"].as_array().unwrap().iter().map(|monitor| monitor["name"].as_str().unwrap()).collect()
    }
}

/// A value as TOML writes it, to compare with.
fn toml(text: &str) -> Value {
    format!("it = {text}").parse::<Table>().unwrap()["it"].clone()
}

#[test]
fn endpoints_of_gatus_become_monitors_that_expect_the_same() {
    let import = Import::of("gatus", GATUS, &[]);
    assert_eq!(import.names(), ["front-end", "front-end 2", "smtp", "any status", "name server", "mail tls"]);
    let shop = import.monitor("front-end");
    assert_eq!((shop["every"].as_str(), shop["timeout"].as_str()), (Some("5m"), Some("4s")));
    assert_eq!((&shop["open_after"], &shop["close_after"]), (&2.into(), &3.into()));
    assert_eq!(
        (&shop["notify"], &shop["labels"]),
        (&toml(r#"["custom"]"#), &toml(r#"{ group = "core", team = "web" }"#))
    );
    assert_eq!(shop["http"]["headers"]["authorization"].as_str(), Some("Bearer ${API_TOKEN}"));
    assert_eq!(shop["http"]["headers"]["x-price"].as_str(), Some("pay $5"));
    assert_eq!(
        (&shop["http"]["expect"]["status"], &shop["http"]["expect"]["latency"]),
        (&toml("[200]"), &toml("{ down = '300ms' }"))
    );
    let rules = toml(
        r#"[
        { json = "$.status", equals = "UP" }, { json = "$.queues[0].depth", less = 100.0 },
        { json = "$.version", not_equals = 1 }, { json = "$.nodes", length = 3 }, { json = "$.errors", exists = false },
        { json = "$.name", matches = '^shop\-(?s:.*)$' } ]"#,
    );
    assert_eq!(shop["http"]["expect"]["body"], rules);

    let partner = import.monitor("front-end 2");
    assert_eq!(partner["http"]["url"].as_str(), Some("https://partner.example:8443/"));
    assert_eq!(partner["http"]["basic"], toml(r#"{ username = "user", password = "url-secret" }"#));
    assert_eq!((&partner["http"]["redirects"], &partner["notify"]), (&0.into(), &toml("[]")));
    assert_eq!(partner["http"]["body"].as_str(), Some(r#"{"query":"{ users { name } }"}"#));
    assert_eq!(partner["timeout"].as_str(), Some("30s"));
    let smtp = import.monitor("smtp");
    assert_eq!((&smtp["enabled"], smtp["tcp"]["address"].as_str()), (&false.into(), Some("mail.example:25")));
    assert_eq!(import.monitor("any status")["http"]["expect"]["status"], toml(r#"["100-599"]"#));
    assert_eq!(
        (&shop["http"]["expect"]["tls"], &shop["http"]["tls"]),
        (&toml("{ days_left = { down = 2.0 } }"), &toml("{ verify = false }"))
    );
    let question = toml(
        r#"{ server = "8.8.8.8", name = "example.com", type = "A",
             expect = { rcode = "NOERROR", contains = ["192.0.2.7"] } }"#,
    );
    assert_eq!(import.monitor("name server")["dns"], question);
    let mail = toml(
        r#"{ address = "mail.example:587", starttls = "smtp", verify = false, expect = { days_left = { down = 3.0 } } }"#,
    );
    assert_eq!(import.monitor("mail tls")["tls"], mail);
    for missing in [
        "storage: not carried over",
        "alerting.slack: channels of this kind aren't carried over",
        "monitor \"front-end\": conditions[9] on [BODY]: can't be expected here",
        "monitor \"front-end\": alerts of slack: there is no such channel here",
        "monitor \"front-end 2\": timeout: longer than the interval, shortened to it",
        "endpoint \"router\": not carried over (its scheme: icmp)",
        "6 monitors, 1 notifier; ",
    ] {
        assert!(import.done.stderr.contains(missing), "{missing} is missing in\n{}", import.done.stderr);
    }
}

#[test]
fn monitors_of_uptime_kuma_come_over_with_their_groups_and_webhooks() {
    let import = Import::of("uptime-kuma", UPTIME_KUMA, &[]);
    assert_eq!(
        import.names(),
        ["shop api", "landing page", "no maintenance", "version", "sum", "mail", "orders", "telnet is off", "names"]
    );
    let shop = import.monitor("shop api");
    assert_eq!(shop["http"]["url"].as_str(), Some("https://shop.example/health?price=$${5}"), "no reference of ours");
    assert_eq!((shop["every"].as_str(), shop["timeout"].as_str()), (Some("30s"), Some("24s")));
    assert_eq!((&shop["open_after"], shop["retry_every"].as_str()), (&3.into(), Some("10s")));
    assert_eq!((shop["remind_every"].as_str(), &shop["notify"]), (Some("10m"), &toml(r#"["ops hook"]"#)));
    assert_eq!(shop["labels"], toml(r#"{ group = "Shop", team = "shop" }"#));
    assert_eq!(shop["http"]["expect"]["status"], toml(r#"["200-299", 401]"#));
    assert_eq!(shop["http"]["basic"], toml(r#"{ username = "kuma", password = "basic-secret" }"#));
    let hook = &import.config["notifier"][0];
    assert_eq!(
        (hook["name"].as_str(), hook["webhook"]["headers"]["x-key"].as_str()),
        (Some("ops hook"), Some("hook-key"))
    );
    let landing = import.monitor("landing page");
    assert_eq!(
        (&landing["enabled"], &landing["http"]["expect"]["body"]),
        (&false.into(), &toml(r#"[{ contains = "Welcome" }]"#))
    );
    let rule = |name: &str| import.monitor(name)["http"]["expect"]["body"].clone();
    assert_eq!(rule("no maintenance"), toml(r#"[{ not_contains = "maintenance" }]"#));
    assert_eq!(rule("version"), toml(r#"[{ json = "$.build.number", equals = 17 }]"#));
    assert_eq!(import.monitor("mail")["tcp"]["address"].as_str(), Some("mail.example:25"));
    assert_eq!(import.monitor("orders")["postgres"]["query"], toml(r#"{ sql = "select 1" }"#));
    assert_eq!(shop["http"]["expect"]["tls"], toml("{ days_left = { degraded = 21.0 } }"));
    assert_eq!(import.monitor("telnet is off")["tcp"]["expect"], toml("{ invert = true }"));
    let question = toml(r#"{ name = "shop.example", type = "MX", server = "192.0.2.53:5353" }"#);
    assert_eq!(import.monitor("names")["dns"], question);
    for missing in [
        "monitor \"names\": dns_resolve_server: only the first one is asked",
        "notification \"telegram\": channels of the type \"telegram\" aren't carried over",
        "monitor \"no maintenance\": upsideDown: not known here",
        "monitor \"sum\": jsonPath: JSONata isn't known here",
        "monitor \"router\": the type \"ping\" isn't carried over",
        "monitor \"backup job\": the type \"push\" isn't carried over",
        "9 monitors, 1 notifier; ",
    ] {
        assert!(import.done.stderr.contains(missing), "{missing} is missing in\n{}", import.done.stderr);
    }
}

#[test]
fn modules_of_blackbox_exporter_become_a_monitor_for_each_target() {
    let targets =
        ["http_2xx=https://shop.example/", "http_2xx=http://u:url-secret@a.example", "http_post_login=login.example/x"];
    let more: Vec<_> = targets.iter().flat_map(|target| ["--target", target]).collect();
    let import = Import::of("blackbox", BLACKBOX, &more);
    assert_eq!(
        import.names(),
        [
            "dns_mx",
            "http_2xx https://shop.example/",
            "http_2xx http://a.example",
            "http_bearer",
            "http_post_login login.example/x",
            "smtp_starttls",
            "ssh_banner",
            "tcp_connect"
        ]
    );
    let login = &import.monitor("http_post_login login.example/x");
    assert_eq!(login["http"]["url"].as_str(), Some("http://login.example/x"));
    assert_eq!(login["http"]["body"].as_str(), Some(r#"{"password": "$${body-secret}"}"#));
    assert_eq!((&login["http"]["redirects"], &login["http"]["expect"]["status"]), (&0.into(), &toml("[200, 201]")));
    let body = toml(r#"[{ not_matches = "(?i)error" }, { matches = "welcome" }]"#);
    assert_eq!(login["http"]["expect"]["body"], body);
    let bearer = import.monitor("http_bearer");
    assert_eq!((&bearer["enabled"], bearer["http"]["bearer"].as_str()), (&false.into(), Some("token-secret")));
    assert_eq!(import.monitor("tcp_connect")["timeout"].as_str(), Some("2s"));
    assert_eq!(import.monitor("http_2xx https://shop.example/")["http"]["ip_family"].as_str(), Some("prefer_ipv4"));
    assert_eq!(login["http"]["tls"], toml("{ verify = false }"));
    let banner = toml(
        r#"{ address = "target.example:443", tls = { server_name = "ssh.example" }, send = "SSH-2.0-probe\n",
             expect = { reply = { matches = "^SSH-2.0-" } } }"#,
    );
    assert_eq!(import.monitor("ssh_banner")["tcp"], banner);
    let question = toml(
        r#"{ name = "shop.example", type = "MX", transport = "tcp", server = "192.0.2.53", expect = { rcode = "NXDOMAIN" } }"#,
    );
    assert_eq!(import.monitor("dns_mx")["dns"], question);
    for missing in [
        "monitor \"dns_mx\": dns.validate_answer_rrs: not known here",
        "monitor \"http_bearer\": target: not in the file",
        "monitor \"smtp_starttls\": tcp.query_response: only one thing to send and one to expect are carried over",
        "module \"icmp\": the prober \"icmp\" isn't carried over",
    ] {
        assert!(import.done.stderr.contains(missing), "{missing} is missing in\n{}", import.done.stderr);
    }
}

#[test]
fn a_config_is_written_to_the_file_that_is_named() {
    let home = Home::empty();
    home.write("theirs.yml", BLACKBOX);
    let done = home.call(&["import", "blackbox", "theirs.yml", "--output", "pingmon.toml"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{}", done.stderr);
    assert!(home.call(&["validate"]).stdout.starts_with("ok: 7 monitors"));
}

#[test]
fn what_is_no_such_file_is_refused_without_repeating_it() {
    for (origin, text, words) in [
        ("gatus", "a: [s3cret", "isn't YAML that can be read: line"),
        ("gatus", "modules: {}", "isn't a config of Gatus"),
        ("uptime-kuma", "{\"s3cret\": ", "isn't JSON: line 1"),
        ("uptime-kuma", "{}", "isn't a backup of Uptime Kuma"),
        ("blackbox", "- s3cret", "isn't a config of blackbox_exporter"),
    ] {
        let home = Home::empty();
        home.write("theirs", text);
        let done = home.call(&["import", origin, "theirs"]);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""), "{origin}");
        assert!(done.stderr.contains(words) && !done.stderr.contains("s3cret"), "{}", done.stderr);
    }
    let home = Home::empty();
    home.write("theirs", BLACKBOX);
    assert!(home.call(&["import", "blackbox", "theirs", "--target", "nope=x"]).stderr.contains("no module \"nope\""));
    assert_eq!(home.call(&["import", "gatus", "missing.yaml"]).code, 3);
}
