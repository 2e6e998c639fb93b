//! Ways to where a connection may not go: spellings of an address, names that change their mind, redirects, proxies.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use hickory_resolver::proto::rr::RecordType;
use pingmon_checks::{dial::resolver::Resolver, http::Http};
use pingmon_core::{check::CheckKind, dial::DialPolicy};
use serde_json::json;

use super::{attempt, http, judge, tcp};
use crate::{
    nameserver::{NameServer, Reply},
    server::{Server, ok},
};

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_forbidden_address_is_dialled() {
    let inside = Server::start(|_| async {}).await;
    let port = inside.address.port();
    let (mut rows, refused, forbidden) = (Vec::new(), "refused: invalid url: ", "unknown dial_forbidden");
    let policy = refused.to_owned() + "the dial policy forbids";
    for (host, expected) in [
        ("127.0.0.1", &*policy),
        ("127.1", &policy),
        ("2130706433", &policy),
        ("017700000001", &policy),
        ("0177.0.0.1", &policy),
        ("0x7f000001", &policy),
        ("0x7f.1", &policy),
        ("127.0.0.1.", &policy),
        ("%31%32%37.0.0.1", &policy),
        ("１２７.０.０.１", &policy),
        ("①②⑦.⓪.⓪.①", &policy),
        ("127。0。0。1", &policy),
        ("user.example%2f@127.0.0.1", refused),
        ("0", &policy),
        ("0.0.0.0", &policy),
        ("[::]", &policy),
        ("[::1]", &policy),
        ("[0:0:0:0:0:0:0:1]", &policy),
        ("[::ffff:127.0.0.1]", &policy),
        ("[::ffff:7f00:1]", &policy),
        ("[::127.0.0.1]", &policy),
        ("[::ffff:0:127.0.0.1]", &policy),
        ("[64:ff9b::127.0.0.1]", &policy),
        ("[64:ff9b:1::127.0.0.1]", &policy),
        ("[2002:7f00:1::]", &policy),
        ("[fe80::1]", &policy),
        ("[fe80::1%25lo]", refused),
        ("[::1%lo]", refused),
        ("localhost", forbidden),
        ("localhost.", forbidden),
        ("LOCALHOST", forbidden),
        ("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", forbidden),
        ("shop.localhost", forbidden),
        ("xn--", refused),
    ] {
        let row = attempt(host, http(DialPolicy::public()), &json!({ "url": format!("http://{host}:{port}/") }));
        assert!(row.verdict.starts_with(expected), "{host}: {}", row.verdict);
        rows.push(row);
    }
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.254.",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.170.2",
    ] {
        let row =
            attempt(host, http(DialPolicy::open()), &json!({ "url": format!("http://{host}/latest/meta-data/") }));
        assert!(row.verdict.starts_with(&policy), "{host}: {}", row.verdict);
        rows.push(row);
    }
    for (host, expected) in [
        ("127.0.0.1", "refused: invalid address: the dial policy forbids"),
        ("[::ffff:127.0.0.1]", "refused: invalid address: the dial policy forbids"),
        ("[64:ff9b::127.0.0.1]", "refused: invalid address: the dial policy forbids"),
        ("2130706433", "down dns_not_found"),
        ("0177.0.0.1", "down dns_not_found"),
        ("0x7f.1", "down dns_not_found"),
        ("127.0.0.1.", "down dns_not_found"),
        ("localhost.", forbidden),
    ] {
        let row =
            attempt(&format!("tcp {host}"), tcp(DialPolicy::public()), &json!({ "address": format!("{host}:{port}") }));
        assert!(row.verdict.starts_with(expected), "tcp {host}: {}", row.verdict);
        rows.push(row);
    }
    judge("forbidden addresses in every spelling", &rows);
    assert_eq!(inside.accepted(), 0, "nothing was dialled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_mind_is_dialled_only_where_the_same_answer_allows_it() {
    let allowed = Server::saying(ok("text/plain", "fine")).await;
    let port = allowed.address.port();
    let inside = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    inside.set_nonblocking(true).unwrap();
    let names = NameServer::start({
        let asked = AtomicUsize::new(0);
        move |name: &str, family: RecordType| match (name, family) {
            ("mixed.example", _) => Reply::Addresses(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()]),
            (_, RecordType::A) => match asked.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::address("127.0.0.1"),
                _ => Reply::address("127.0.0.2"),
            },
            _ => Reply::Addresses(Vec::new()),
        }
    })
    .await;
    let kind = || {
        let policy = DialPolicy::open().deny("127.0.0.2".parse().unwrap());
        let resolver = Resolver::with_servers(vec![names.address]);
        move || Box::new(Http::with_resolver(policy, resolver).unwrap()) as Box<dyn CheckKind>
    };
    let mut rows = Vec::new();
    for (host, expected) in
        [("rebinding.example", "up"), ("rebinding.example", "unknown dial_forbidden"), ("mixed.example", "up")]
    {
        let row = attempt(host, kind(), &json!({ "url": format!("http://{host}:{port}/") }));
        assert_eq!(row.verdict, expected, "{host}");
        rows.push(row);
    }
    judge("rebinding", &rows);
    assert_eq!(
        (allowed.accepted(), names.asked()),
        (2, 6),
        "each run asked once for each family, and used that answer"
    );
    assert!(inside.accept().is_err(), "nothing was dialled inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_denied_is_not_dialled_by_name_by_address_or_by_a_redirect() {
    let denied = Server::saying(ok("text/plain", "internal")).await;
    let port = denied.address.port();
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: http://localhost:{port}/\r\ncontent-length: 0\r\n\r\n");
    let front = Server::saying(moved).await;
    let policy = || DialPolicy::open().deny(format!("*:{port}").parse().unwrap());
    let rows = [
        attempt("by address", http(policy()), &json!({ "url": denied.url("/") })),
        attempt("by name", http(policy()), &json!({ "url": format!("http://localhost:{port}/") })),
        attempt("by redirect", http(policy()), &json!({ "url": front.url("/") })),
        attempt("by tcp", tcp(policy()), &json!({ "address": format!("localhost:{port}") })),
    ];
    judge("a denied port", &rows);
    assert!(
        rows[0]
            .verdict
            .contains(&format!("dial.deny has \"*:{port}\"; take it out, or add \"127.0.0.1\" to dial.allow"))
    );
    assert!(rows[1..].iter().all(|row| row.verdict == "unknown dial_forbidden"), "{}", rows[2].verdict);
    assert_eq!((denied.accepted(), front.accepted()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_policy_forbids_is_not_asked_of_a_proxy_that_resolves_names() {
    let proxy = Server::saying(ok("text/plain", "internal")).await;
    let asked = |policy: DialPolicy, url: &str, scheme: &str| {
        let config = json!({ "url": url, "proxy": format!("{scheme}://{}", proxy.address) });
        attempt(&format!("{url} by {scheme}"), http(policy), &config)
    };
    let open = DialPolicy::open;
    let rule = |text: &str| text.parse().unwrap();
    let rows = [
        asked(open().deny(rule("db.inside.example")), "http://db.inside.example/", "http"),
        asked(open().deny(rule("*.inside.example")), "https://db.inside.example/", "http"),
        asked(open().protect(rule("store.example")), "http://store.example./", "socks5h"),
        asked(open().deny(rule("*:5432")), "http://db.example:5432/", "socks5h"),
        asked(open().deny(rule("0.0.0.0/0")).allow(rule("127.0.0.1")), "http://db.example/", "http"),
    ];
    judge("forbidden names through a proxy", &rows);
    assert!(rows.iter().all(|row| row.verdict == "unknown dial_forbidden"), "{:?}", rows.map(|row| row.verdict));
    assert_eq!(proxy.accepted(), 0, "nothing was dialled");
    let row = asked(open().deny(rule("*.inside.example")), "http://outside.example/", "http");
    assert_eq!((&*row.verdict, proxy.accepted()), ("up", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_environment_is_not_used() {
    let (proxy, target) =
        (Server::saying(ok("text/plain", "proxied")).await, Server::saying(ok("text/plain", "fine")).await);
    // The environment of this process is everybody's: another one runs the probe.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["attacks::places::a_probe_in_another_process", "--exact", "--ignored"]).env(URL, target.url("/"));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, proxy.url("/"));
    }
    let ended = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!((proxy.accepted(), target.accepted()), (0, 1));
}

/// Where the probe of another process goes.
const URL: &str = "PINGMON_TEST_URL";

#[test]
#[ignore = "run by `a_proxy_in_the_environment_is_not_used` with an environment of its own"]
#[allow(clippy::disallowed_methods, reason = "the test that starts this process says where to go")]
fn a_probe_in_another_process() {
    let row =
        attempt("a proxy in the environment", http(DialPolicy::open()), &json!({ "url": std::env::var(URL).unwrap() }));
    assert_eq!(row.verdict, "up");
}
