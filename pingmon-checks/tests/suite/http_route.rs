//! The ways of the `http` kind to its target: other addresses, families, sockets, proxies, kept connections, redirects.

use std::{net::SocketAddr, sync::Arc, sync::Mutex, time::Duration};

use pingmon_checks::http::Http;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::Status,
    time::Timestamp,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};

use crate::{
    echo::{Echo, Pki, at_socket},
    http::{run, run_under},
    http_sending::{error, evidence, heard},
    server::{Server, closed, ok, read_request, send},
};

#[tokio::test]
async fn another_place_is_dialled_while_the_request_stays_the_same() {
    let echo = Echo::plain().await;
    let port = echo.address.port();
    for (config, expected) in [
        (
            json!({ "url": format!("http://shop.example:{port}/"), "resolve_to": ["127.0.0.1"] }),
            format!("shop.example:{port}"),
        ),
        (
            json!({ "url": "http://shop.example/", "connect_to": format!("127.0.0.1:{port}") }),
            "shop.example".to_owned(),
        ),
        (
            json!({ "url": "http://shop.example:81/", "connect_to": format!("localhost:{port}") }),
            "shop.example:81".to_owned(),
        ),
    ] {
        assert_eq!(heard(&config).await["headers"]["host"], json!([expected]), "{config}");
        assert_eq!(evidence(&config).await["address"], echo.address.to_string());
    }
    // The first address that answers is taken, and all that were tried are named when none does.
    let url = format!("http://shop.example:{}/", closed().port());
    let outcome = run(json!({ "url": url, "resolve_to": ["127.0.0.1", "127.0.0.2"] })).await;
    assert_eq!(error(&outcome), (Status::Down, "connect_refused"));
    assert_eq!(outcome.evidence["addresses"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_said_of_the_target_does_not_count_where_a_redirect_leads() {
    let echo = Echo::plain().await;
    let there = echo.url("http", "127.0.0.1", "/there");
    let first = Server::saying(format!("HTTP/1.1 302 Found\r\nlocation: {there}\r\n\r\n")).await;
    let config = json!({ "url": "http://shop.example/", "connect_to": first.address.to_string(), "headers": { "host": "x.example" } });
    let heard = heard(&config).await;
    assert_eq!((&heard["target"], &heard["headers"]["host"]), (&json!("/there"), &json!([echo.address.to_string()])));
    assert_eq!(first.accepted(), 1);
}

#[tokio::test]
async fn a_family_can_be_insisted_on_or_preferred() {
    let echo = Echo::plain().await;
    let url = |host: &str| echo.url("http", host, "/");
    for (host, family, status) in [
        ("127.0.0.1", "ipv4", Status::Up),
        ("127.0.0.1", "ipv6", Status::Down),
        ("127.0.0.1", "prefer_ipv6", Status::Up),
        ("localhost", "ipv4", Status::Up),
        ("localhost", "prefer_ipv4", Status::Up),
        ("localhost", "prefer_ipv6", Status::Up),
    ] {
        let outcome = run(json!({ "url": url(host), "ip_family": family })).await;
        assert_eq!(outcome.status, status, "{host} by {family}: {outcome:?}");
    }
    let outcome = run(json!({ "url": url("127.0.0.1"), "ip_family": "ipv6" })).await;
    assert_eq!((error(&outcome).1, outcome.message.as_str()), ("dns_not_found", "the host has no IPv6 address"));
}

#[tokio::test]
async fn the_address_to_connect_from_can_be_said() {
    let server = Server::start(|mut stream| async move {
        let from = stream.peer_addr().unwrap().ip().to_string();
        read_request(&mut stream).await;
        send(&mut stream, &ok("text/plain", from)).await;
    })
    .await;
    let from = |source: &str| {
        let expect = json!({ "body": [{ "equals": source }] });
        run(json!({ "url": server.url("/"), "source_address": source, "expect": expect }))
    };
    assert_eq!(from("127.0.0.7").await.status, Status::Up);
    // An address that isn't this machine's is our trouble.
    assert_eq!(error(&from("192.0.2.1").await), (Status::Unknown, "no_local_port"));
}

#[tokio::test]
async fn a_unix_socket_is_a_way_that_the_public_policy_forbids() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let _server = at_socket(&path);
    let config = json!({ "url": "http://app/health", "unix_socket": path });
    let heard = heard(&config).await;
    assert_eq!((&heard["target"], &heard["headers"]["host"]), (&json!("/health"), &json!(["app"])));
    let missing = json!({ "url": "http://app/", "unix_socket": directory.path().join("gone.sock") });
    assert_eq!(error(&run(missing).await), (Status::Down, "connect_refused"));
    let error = Http::new(DialPolicy::public()).unwrap().build(&config).err().unwrap().to_string();
    assert!(error.contains("invalid unix_socket: the dial policy forbids"), "{error}");
}

/// A proxy that knows CONNECT, forwarding and SOCKS5, asks for `user:pass` if `login`, and keeps a log.
async fn proxy(login: bool) -> (Server, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let server = Server::start(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            let mut first = [0];
            let _ = stream.peek(&mut first).await;
            let to = if first[0] == 5 { socks(&mut stream, login).await } else { http(&mut stream, login).await };
            let Some((said, to, begin)) = to else { return };
            log.lock().unwrap().push(said);
            let mut onward = TcpStream::connect(to).await.unwrap();
            onward.write_all(&begin).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    })
    .await;
    (server, kept)
}

async fn http(stream: &mut TcpStream, login: bool) -> Option<(String, String, Vec<u8>)> {
    let request = read_request(stream).await;
    if login && !request.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n") {
        send(stream, b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
        return None;
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    if method == "CONNECT" {
        send(stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
        let to = target.replace("shop.example", "127.0.0.1");
        return Some((format!("CONNECT {target}"), to, Vec::new()));
    }
    let to = target.strip_prefix("http://")?.split('/').next()?.replace("shop.example", "127.0.0.1");
    Some((format!("{method} {target}"), to, request.into_bytes()))
}

async fn socks(stream: &mut TcpStream, login: bool) -> Option<(String, String, Vec<u8>)> {
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await.ok()?;
    if login {
        if greeting[2] != 2 {
            send(stream, &[5, 255]).await;
            return None;
        }
        send(stream, &[5, 2]).await;
        let mut pair = [0; 11];
        stream.read_exact(&mut pair).await.ok()?;
        let good = &pair == b"\x01\x04user\x04pass";
        send(stream, &[1, u8::from(!good)]).await;
        if !good {
            return None;
        }
    } else {
        send(stream, &[5, 0]).await;
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let host = match head[3] {
        1 => {
            let mut v4 = [0; 4];
            stream.read_exact(&mut v4).await.ok()?;
            v4.map(|part| part.to_string()).join(".")
        }
        _ => {
            let mut name = vec![0; usize::from(stream.read_u8().await.ok()?)];
            stream.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).ok()?
        }
    };
    let port = stream.read_u16().await.ok()?;
    send(stream, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    let to = format!("{}:{port}", host.replace("shop.example", "127.0.0.1"));
    Some((format!("SOCKS5 {host}:{port}"), to, Vec::new()))
}

#[tokio::test]
async fn a_proxy_forwards_or_tunnels_with_and_without_a_login() {
    let pki = Pki::new();
    let (plain, tls) = (Echo::plain().await, Echo::tls(pki.server(&["h2"], false)).await);
    let (plain_port, tls_port) = (plain.address.port(), tls.address.port());
    for login in [false, true] {
        let (proxy, log) = proxy(login).await;
        let user = if login { "user:pass@" } else { "" };
        let by = |scheme: &str| format!("{scheme}://{user}{}", proxy.address);
        let http = format!("http://shop.example:{plain_port}/x?y");
        let https = format!("https://shop.example:{tls_port}/x?y");
        for (scheme, url, expected) in [
            ("http", &http, format!("GET http://shop.example:{plain_port}/x?y")),
            ("http", &https, format!("CONNECT shop.example:{tls_port}")),
            ("socks5h", &http, format!("SOCKS5 shop.example:{plain_port}")),
            ("socks5h", &https, format!("SOCKS5 shop.example:{tls_port}")),
            ("socks5", &format!("http://localhost:{plain_port}/x?y"), format!("SOCKS5 127.0.0.1:{plain_port}")),
        ] {
            let config = json!({ "url": url, "proxy": by(scheme), "tls": { "ca": pki.ca }, "ip_family": "ipv4" });
            let evidence = evidence(&config).await;
            let body = evidence["body"].as_str().unwrap_or_else(|| panic!("{evidence}"));
            let heard: Value = serde_json::from_str(body).unwrap();
            assert_eq!(heard["target"], "/x?y", "{scheme} {url}");
            assert_eq!(evidence["address"], proxy.address.to_string());
            assert_eq!(log.lock().unwrap().pop(), Some(expected));
        }
    }
}

#[tokio::test]
async fn what_a_proxy_does_wrong_is_unknown_and_what_it_cannot_reach_is_down() {
    let (strict, _) = proxy(true).await;
    let saying = |answer: &'static str| Server::saying(answer);
    let socks = |reply: u8| async move {
        Server::start(move |mut stream| async move {
            let mut greeting = [0; 3];
            let _ = stream.read_exact(&mut greeting).await;
            send(&mut stream, &[5, 0]).await;
            let _ = stream.read(&mut [0; 64]).await;
            send(&mut stream, &[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        })
        .await
    };
    let servers = [
        saying("HTTP/1.1 502 Bad Gateway\r\n\r\n").await,
        saying("HTTP/1.1 403 Forbidden\r\n\r\n").await,
        Server::start(|mut stream| async move { send(&mut stream, b"SSH-2.0-OpenSSH\r\n\r\n").await }).await,
        Server::repeating("HTTP/1.1 200 OK\r\n", "x: y\r\n").await,
        socks(5).await,
        socks(2).await,
    ];
    let at = |n: usize| servers[n].address;
    let (down, unknown) = (Status::Down, Status::Unknown);
    for (proxy, expected) in [
        (format!("http://{}", at(0)), (down, "proxy_target_unreachable")),
        (format!("http://{}", at(1)), (unknown, "proxy_failed")),
        (format!("http://{}", at(2)), (unknown, "proxy_failed")),
        (format!("http://{}", at(3)), (unknown, "proxy_failed")),
        (format!("socks5h://{}", at(4)), (down, "proxy_target_unreachable")),
        (format!("socks5h://{}", at(5)), (unknown, "proxy_failed")),
        (format!("socks5h://{}", at(2)), (unknown, "proxy_failed")),
        (format!("http://{}", closed()), (unknown, "proxy_failed")),
        (format!("http://{}", strict.address), (unknown, "proxy_failed")),
        (format!("socks5h://{}", strict.address), (unknown, "proxy_failed")),
        (format!("socks5h://user:s3cret@{}", strict.address), (unknown, "proxy_failed")),
    ] {
        let outcome = run(json!({ "url": "https://shop.example/", "proxy": proxy })).await;
        assert_eq!(error(&outcome), expected, "{proxy}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn the_dial_policy_holds_behind_a_proxy() {
    let (proxy, log) = proxy(false).await;
    let policy = || DialPolicy::open().deny("127.0.0.2/32".parse().unwrap());
    let config =
        json!({ "url": "http://127.0.0.1/", "proxy": format!("socks5://{}", proxy.address), "connect_to": "a:1" });
    let refused = Http::new(policy()).unwrap().build(&config).err().unwrap().to_string();
    assert!(refused.contains("can't be used together with proxy"), "{refused}");
    let secret = Server::saying("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2/\r\n\r\n").await;
    for scheme in ["http", "socks5", "socks5h"] {
        let config = json!({ "url": secret.url("/"), "proxy": format!("{scheme}://{}", proxy.address) });
        let outcome = run_under(policy(), &config, Duration::from_secs(5)).await;
        assert_eq!(error(&outcome), (Status::Unknown, "redirect_forbidden"), "{scheme}: {outcome:?}");
    }
    assert_eq!(log.lock().unwrap().len(), 3);
}

/// Answers on and on over the same connection; counts connections.
async fn patient(closes_after: usize) -> Server {
    Server::start(move |mut stream| async move {
        for _ in 0..closes_after {
            if read_request(&mut stream).await.is_empty() {
                return;
            }
            send(&mut stream, &ok("text/plain", "hello")).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_serves_run_after_run_and_a_closed_one_is_replaced() {
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    for (keep_alive, closes_after, connections) in [(true, 100, 1), (true, 2, 2), (false, 100, 4)] {
        let server = patient(closes_after).await;
        let config = json!({ "url": server.url("/"), "keep_alive": keep_alive });
        let check = Http::new(DialPolicy::open()).unwrap().build(&config).unwrap();
        for _ in 0..4 {
            let outcome = check.run(&cx).await.unwrap();
            assert_eq!(outcome.status, Status::Up, "{outcome:?}");
        }
        assert_eq!(server.accepted(), connections, "keep_alive {keep_alive}, {closes_after} answers");
    }
    let pki = Pki::new();
    let echo = Echo::tls(pki.server(&["h2"], false)).await;
    let config = json!({ "url": echo.url("https", "localhost", "/"), "tls": { "ca": pki.ca }, "keep_alive": true });
    let check = Http::new(DialPolicy::open()).unwrap().build(&config).unwrap();
    let phases: Vec<Vec<String>> = {
        let mut all = Vec::new();
        for _ in 0..2 {
            let outcome = check.run(&cx).await.unwrap();
            assert_eq!(outcome.status, Status::Up, "{outcome:?}");
            all.push(outcome.phases.iter().map(|(name, _)| name.to_string()).collect());
        }
        all
    };
    assert!(phases[0].contains(&"tls".to_owned()) && !phases[1].contains(&"tls".to_owned()), "{phases:?}");
}

#[tokio::test]
async fn cookies_live_as_long_as_a_run() {
    let server = Server::answering(|request| {
        if request.contains("cookie: mine=1; a=b\r\n") {
            return ok("text/plain", "welcome back");
        }
        b"HTTP/1.1 302 Found\r\nset-cookie: a=b\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
    .await;
    let config = json!({ "url": server.url("/"), "headers": { "cookie": "mine=1" } });
    let check = Http::new(DialPolicy::open()).unwrap().build(&config).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    for run in 1..=2 {
        assert_eq!(check.run(&cx).await.unwrap().status, Status::Up);
        assert_eq!(server.accepted(), 2 * run);
    }
}

#[tokio::test]
async fn the_way_of_redirects_and_the_sizes_are_kept_as_facts() {
    let echo = Echo::plain().await;
    let there = echo.url("http", "127.0.0.1", "/there?token=s3cret");
    let first = Server::saying(format!("HTTP/1.1 301 Moved\r\nlocation: {there}\r\n\r\n")).await;
    let evidence = evidence(&json!({ "url": first.url("/") })).await;
    let shown = echo.url("http", "127.0.0.1", "/there?token=…");
    assert_eq!(evidence["redirects"], json!([{ "status": 301, "from": first.url("/"), "to": shown }]));
    assert_eq!((&evidence["url"], &evidence["protocol"]), (&json!(shown), &json!("HTTP/1.1")));
    let size = evidence["size"]["decoded"].as_u64().unwrap();
    assert!(size > 100 && evidence["size"]["received"] == size, "{evidence}");
}

#[test]
fn routes_that_cannot_be_meant_are_refused_by_name() {
    let many: Vec<_> = (0..17).map(|n| format!("10.0.0.{n}")).collect();
    let forbidden: SocketAddr = "169.254.169.254:80".parse().unwrap();
    let kind = Http::new(DialPolicy::open()).unwrap();
    for (more, words) in [
        (json!({ "resolve_to": ["169.254.169.254"] }), "invalid resolve_to: the dial policy forbids"),
        (json!({ "resolve_to": many }), "invalid resolve_to: more than 16"),
        (json!({ "resolve_to": ["localhost"] }), "invalid resolve_to[0]"),
        (json!({ "connect_to": forbidden.to_string() }), "invalid connect_to: the dial policy forbids"),
        (json!({ "connect_to": "0xa9fea9fe:80" }), "invalid connect_to: the dial policy forbids"),
        (json!({ "connect_to": "somewhere" }), "invalid connect_to: \"somewhere\" isn't host:port"),
        (json!({ "connect_to": "a:1", "resolve_to": ["127.0.0.1"] }), "can't be used together with resolve_to"),
        (json!({ "unix_socket": "app.sock" }), "invalid unix_socket: it isn't the full path"),
        (json!({ "unix_socket": "/app.sock", "ip_family": "ipv4" }), "invalid unix_socket: it has no address"),
        (json!({ "proxy": "ftp://a.example" }), "invalid proxy: its scheme"),
        (json!({ "ip_family": "ipv5" }), "unknown variant `ipv5`"),
        (json!({ "source_address": "eth0" }), "invalid source_address"),
    ] {
        let mut config = json!({ "url": "http://a.example" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = kind.build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{more}: {error}");
    }
}
