//! The `http` kind against servers that don't behave: each gets a clear verdict in time, whatever it sends.

use std::{io::Write as _, sync::Arc, time::Duration};

use pingmon_core::{
    dial::DialPolicy,
    outcome::{Outcome, Status},
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    time::{Instant, sleep},
};

use crate::{
    http::{run, run_under},
    server::{Server, closed, ok, read_request, send},
};

/// The verdict and the stable word for what broke.
fn verdict(outcome: &Outcome) -> (Status, &str) {
    (outcome.status, outcome.evidence.get("error").and_then(Value::as_str).unwrap_or(""))
}

async fn verdict_on(answer: impl AsRef<[u8]>) -> (Outcome, String) {
    let server = Server::saying(answer).await;
    let outcome = run(json!({ "url": server.url("/") })).await;
    let error = verdict(&outcome).1.to_owned();
    (outcome, error)
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit_and_rules_on_it_say_that_it_was_cut() {
    let server = Server::repeating("HTTP/1.1 200 OK\r\n\r\n", "spam and eggs ").await;
    assert_eq!(run(json!({ "url": server.url("/") })).await.status, Status::Up);
    let expect = json!({ "body": [{ "contains": "ham" }] });
    let outcome = run(json!({ "url": server.url("/"), "max_body": 70_000, "expect": expect })).await;
    assert_eq!(outcome.status, Status::Down);
    assert!(outcome.failed[0].actual.contains("the body was cut at 70000 bytes"), "{:?}", outcome.failed);
    assert!(outcome.evidence["body"].as_str().unwrap().chars().count() <= 2 * 1024 + 1);
}

#[tokio::test]
async fn a_compressed_bomb_is_cut_by_what_it_unpacks_to() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'0'; 1024 * 1024];
    for _ in 0..16 {
        gzip.write_all(&zeros).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let server = Server::saying([head.as_bytes(), &bomb].concat()).await;
    let expect = json!({ "body": [{ "contains": "1" }] });
    let outcome = run(json!({ "url": server.url("/"), "max_body": 65_536, "expect": expect })).await;
    assert!(outcome.failed[0].actual.contains("cut at 65536 bytes"), "{:?}", outcome.failed);
}

#[tokio::test]
async fn endless_and_countless_headers_are_refused() {
    let server = Server::repeating("HTTP/1.1 200 OK\r\n", "x-spam: spam spam spam spam\r\n").await;
    let outcome = run(json!({ "url": server.url("/") })).await;
    assert_eq!(verdict(&outcome), (Status::Down, "response_too_large"));

    let many: String = (0..10_000).map(|n| format!("x-{n}: v\r\n")).collect();
    let (outcome, error) = verdict_on(format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n")).await;
    assert_eq!((outcome.status, error.as_str()), (Status::Down, "response_too_large"));
}

#[tokio::test]
async fn an_endless_redirect_ends_at_the_limit() {
    let server = Server::saying("HTTP/1.1 302 Found\r\nlocation: /again?k=v\r\ncontent-length: 0\r\n\r\n").await;
    let outcome = run(json!({ "url": server.url("/"), "redirects": 3 })).await;
    assert_eq!(verdict(&outcome), (Status::Down, "redirect_limit"));
    assert_eq!(outcome.message, format!("more than 3 redirects, the last one to {}", server.url("/again?k=…")));
    assert_eq!(server.accepted(), 4);
}

#[tokio::test]
async fn a_redirect_to_a_forbidden_address_is_not_followed_and_is_unknown() {
    let secret = Server::saying(ok("text/plain", "internal")).await;
    let port = secret.address.port();
    let policy = || DialPolicy::open().deny("127.0.0.2/32".parse().unwrap()).deny("::1/128".parse().unwrap());
    for (target, error) in [
        ("http://127.0.0.2:PORT/", "redirect_forbidden"),
        ("http://2130706434:PORT/", "redirect_forbidden"),
        ("http://[::ffff:127.0.0.2]:PORT/", "redirect_forbidden"),
        ("http://169.254.169.254/latest/meta-data", "redirect_forbidden"),
    ] {
        let location = target.replace("PORT", &port.to_string());
        let moved = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\n\r\n");
        let server = Server::saying(moved).await;
        let outcome = run_under(policy(), &json!({ "url": server.url("/") }), Duration::from_secs(5)).await;
        assert_eq!(verdict(&outcome), (Status::Unknown, error), "{location}");
    }
    assert_eq!(secret.accepted(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_a_forbidden_address_is_not_dialled() {
    let secret = Server::saying(ok("text/plain", "internal")).await;
    let config = json!({ "url": format!("http://localhost:{}/", secret.address.port()) });
    let outcome = run_under(DialPolicy::public(), &config, Duration::from_secs(5)).await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "dial_forbidden"));
    assert_eq!((secret.accepted(), &outcome.evidence["phase"]), (0, &json!("dns")));
}

#[tokio::test]
async fn redirects_that_lead_out_of_http_are_the_targets_fault() {
    for location in ["file:///etc/passwd", "javascript:alert(1)", "ftp://a.example/"] {
        let (outcome, error) = verdict_on(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\n\r\n")).await;
        assert!(outcome.status == Status::Down, "{location}: {error} {outcome:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_down_and_one_that_goes_on_is_read_to_its_stated_end() {
    let (outcome, error) = verdict_on("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await;
    assert_eq!((outcome.status, error.as_str()), (Status::Down, "connection_closed"));
    assert_eq!((&outcome.evidence["phase"], &outcome.evidence["body"]), (&json!("transfer"), &json!("short")));
    assert_eq!(outcome.evidence["status"], 200);

    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more").await;
    let outcome = run(json!({ "url": server.url("/"), "expect": { "body": [{ "equals": "hello" }] } })).await;
    assert_eq!(outcome.status, Status::Up);
}

#[tokio::test]
async fn bytes_that_are_no_text_never_pass_a_rule_and_never_break_the_run() {
    let head = "HTTP/1.1 200 OK\r\nx-odd: a\u{e9}b\r\n\r\n";
    let server = Server::saying([head.as_bytes(), b"a\0b\xff\xfe"].concat()).await;
    let expect = json!({
        "headers": [{ "name": "x-odd", "equals": "nothing" }],
        "body": [{ "contains": "a" }, { "not_contains": "z" }, { "json": "$.a", "exists": false }],
    });
    let outcome = run(json!({ "url": server.url("/"), "expect": expect })).await;
    assert_eq!((outcome.status, outcome.failed.len()), (Status::Down, 4), "{:?}", outcome.failed);
    assert_eq!(outcome.failed[1].actual, "a body that isn't valid UTF-8");

    let (outcome, error) = verdict_on("HTTP/1.1 200 OK\r\nx-nul: a\0b\r\n\r\n").await;
    assert_eq!((outcome.status, error.as_str()), (Status::Down, "invalid_response"));
}

#[tokio::test]
async fn a_body_in_another_charset_is_read_in_it() {
    let server = Server::saying(ok("text/html; charset=iso-8859-1", b"gr\xfcn")).await;
    let outcome = run(json!({ "url": server.url("/"), "expect": { "body": [{ "contains": "grün" }] } })).await;
    assert_eq!(outcome.failed, []);
}

#[tokio::test]
async fn a_page_where_json_is_expected_is_down_and_says_so() {
    let server = Server::saying(ok("application/json", "<html>hello</html>")).await;
    let expect = json!({ "body": [{ "json": "$.status", "equals": "ok" }] });
    let outcome = run(json!({ "url": server.url("/"), "expect": expect })).await;
    assert_eq!(outcome.status, Status::Down);
    assert!(outcome.failed[0].actual.starts_with("a body that isn't JSON"), "{:?}", outcome.failed);
    assert_eq!(outcome.evidence["body"], "<html>hello</html>");
}

#[tokio::test]
async fn a_server_that_drips_or_says_nothing_is_down_within_the_timeout_and_the_phase_is_named() {
    for (first, phase) in
        [("", "first_byte"), ("HTTP/1.1 200 OK\r\nx-slow: ", "first_byte"), ("HTTP/1.1 200 OK\r\n\r\n", "transfer")]
    {
        let server = Server::start(move |mut stream| async move {
            read_request(&mut stream).await;
            send(&mut stream, first.as_bytes()).await;
            while !first.is_empty() && stream.write_all(b"a").await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
            std::future::pending::<()>().await;
        })
        .await;
        let (started, timeout) = (Instant::now(), Duration::from_millis(600));
        let outcome = run_under(DialPolicy::open(), &json!({ "url": server.url("/") }), timeout).await;
        assert_eq!(verdict(&outcome), (Status::Down, "timeout"), "{first}");
        assert_eq!(outcome.evidence["phase"], phase);
        assert!(outcome.latency.unwrap() < timeout && started.elapsed() < timeout + Duration::from_secs(1));
    }
}

#[tokio::test]
async fn connections_that_break_are_down_with_the_way_they_broke() {
    let silent = Server::start(|_| async {}).await;
    let outcome = run(json!({ "url": silent.url("/") })).await;
    assert_eq!(outcome.status, Status::Down, "{outcome:?}");
    assert!(matches!(verdict(&outcome).1, "connection_closed" | "connection_reset"), "{outcome:?}");

    let reset = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        send(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await;
        sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(verdict(&run(json!({ "url": reset.url("/") })).await), (Status::Down, "connection_reset"));

    let outcome = run(json!({ "url": format!("http://{}/", closed()) })).await;
    assert_eq!(verdict(&outcome), (Status::Down, "connect_refused"));
    assert_eq!(outcome.evidence["phase"], "connect");
}

#[tokio::test]
async fn a_target_that_we_have_no_route_to_is_unknown() {
    // No system has a route for TCP to a multicast address.
    let outcome = run(json!({ "url": "http://224.0.0.1/" })).await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "network_unreachable"), "{outcome:?}");
}

#[tokio::test]
async fn what_is_not_http_is_an_invalid_response() {
    for garbage in
        ["SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"]
    {
        let (outcome, error) = verdict_on(garbage).await;
        assert_eq!((outcome.status, error.as_str()), (Status::Down, "invalid_response"), "{garbage:?} {outcome:?}");
    }
    let broken = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!";
    let (outcome, error) = verdict_on(broken).await;
    assert_eq!((outcome.status, error.as_str()), (Status::Down, "invalid_body"), "{outcome:?}");
    let (outcome, error) = verdict_on("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello").await;
    assert_eq!(outcome.status, Status::Down, "{error} {outcome:?}");
}

#[tokio::test]
async fn tls_with_something_that_does_not_speak_it_is_down() {
    let server = Server::start(|mut stream| async move {
        send(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        read_request(&mut stream).await;
    })
    .await;
    let outcome = run(json!({ "url": format!("https://{}/", server.address) })).await;
    assert_eq!(verdict(&outcome), (Status::Down, "not_tls"), "{outcome:?}");
    assert_eq!(outcome.evidence["phase"], "tls");
}

#[tokio::test]
async fn a_self_signed_certificate_is_down_and_named_as_such() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        // The client breaks the handshake off, which is the point.
        while tls.complete_io(&mut stream).is_ok() && tls.is_handshaking() {}
    });
    let outcome = run(json!({ "url": format!("https://localhost:{}/", address.port()) })).await;
    server.join().unwrap();
    assert_eq!(outcome.status, Status::Down);
    assert!(verdict(&outcome).1.starts_with("tls_certificate_"), "{outcome:?}");
    assert_eq!(outcome.evidence["phase"], "tls");
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_down_only_if_the_resolver_is_sure() {
    let outcome = run(json!({ "url": "http://nonexistent.invalid/" })).await;
    let found = verdict(&outcome);
    let expected = [(Status::Down, "dns_not_found"), (Status::Unknown, "dns_failed"), (Status::Unknown, "dns_timeout")];
    assert!(expected.contains(&found), "{outcome:?}");
    assert_eq!(outcome.evidence["phase"], "dns");
}
