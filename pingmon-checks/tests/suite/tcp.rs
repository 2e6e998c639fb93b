//! The `tcp` kind against real sockets.

use std::time::Duration;

use pingmon_checks::tcp::Tcp;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
};
use rustls::version::TLS13;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    authority::{Authority, NOW, serving},
    found::phases,
    server::{Server, closed, send},
};

async fn run_for(policy: DialPolicy, config: Value, timeout: Duration) -> Outcome {
    let check = Tcp::new(policy).build(&config).unwrap();
    check.run(&CheckContext::new(MonitorId::new(), "test", NOW, timeout)).await.unwrap()
}

async fn run(policy: DialPolicy, config: Value) -> Outcome {
    run_for(policy, config, Duration::from_secs(5)).await
}

#[tokio::test]
async fn an_accepted_connection_is_up_with_its_phases() {
    let server = Server::start(|_| async {}).await;
    let literal = run(DialPolicy::open(), json!({ "address": server.address.to_string() })).await;
    assert_eq!((literal.status, literal.message), (Status::Up, format!("connected to {}", server.address)));
    let address = format!("localhost:{}", server.address.port());
    let named = run(DialPolicy::open(), json!({ "address": address })).await;
    assert_eq!((named.status, phases(&named)), (Status::Up, vec!["dns", "connect"]));
    assert_eq!(named.latency.unwrap(), named.phases.iter().map(|(_, spent)| *spent).sum::<Duration>());
}

#[tokio::test]
async fn a_refused_connection_is_down_and_says_where_it_broke() {
    let outcome = run(DialPolicy::open(), json!({ "address": closed().to_string() })).await;
    assert_eq!(outcome.status, Status::Down);
    assert_eq!(
        (&outcome.evidence["error"], &outcome.evidence["phase"]),
        (&json!("connect_refused"), &json!("connect"))
    );
}

#[tokio::test]
async fn a_target_that_we_have_no_route_to_is_unknown() {
    // No system has a route for TCP to a multicast address.
    let outcome = run(DialPolicy::open(), json!({ "address": "224.0.0.1:80" })).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &json!("network_unreachable")));
}

#[tokio::test]
async fn a_slow_connection_is_degraded_or_down_as_the_levels_say() {
    let server = Server::start(|_| async {}).await;
    let address = server.address.to_string();
    for (latency, status) in [
        (json!("1ns"), Status::Degraded),
        (json!({ "degraded": "1ns", "down": "2ns" }), Status::Down),
        (json!("1h"), Status::Up),
    ] {
        let config = json!({ "address": address, "expect": { "latency": latency } });
        assert_eq!(run(DialPolicy::open(), config).await.status, status, "{latency}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_a_forbidden_address_is_unknown() {
    let server = Server::start(|_| async {}).await;
    let policy = DialPolicy::public();
    let outcome = run(policy, json!({ "address": format!("localhost:{}", server.address.port()) })).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Unknown, &json!("dial_forbidden")));
    assert_eq!(server.accepted(), 0);
}

/// Echoes the first thing it hears, in capitals, byte by byte.
async fn echo() -> Server {
    Server::start(|mut stream| async move {
        let mut heard = [0; 1_024];
        let count = stream.read(&mut heard).await.unwrap_or(0);
        for byte in heard[..count].to_ascii_uppercase() {
            send(&mut stream, &[byte]).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_is_sent_and_replied_is_judged() {
    let server = echo().await;
    let hello = json!("hello\r\n");
    for (sent, reply, up) in [
        (hello.clone(), json!({ "starts": "HELLO" }), true),
        (hello.clone(), json!({ "starts": "ELLO" }), false),
        (hello.clone(), json!({ "contains": "LO\r\n" }), true),
        (hello.clone(), json!({ "contains": { "hex": "0d 0a" } }), true),
        (hello.clone(), json!({ "contains": { "base64": "TE8=" }, "matches": "^HE" }), true),
        (hello.clone(), json!({ "contains": "LO", "matches": "^hello" }), false),
        (json!({ "hex": "ff00" }), json!({ "matches": "^(?-u:\\xff)\\x00$" }), true),
        (json!({ "hex": "ff00" }), json!({ "contains": { "hex": "ff01" } }), false),
    ] {
        let config = json!({ "address": server.address.to_string(), "send": sent, "expect": { "reply": reply } });
        let outcome = run(DialPolicy::open(), config).await;
        assert_eq!(outcome.status, if up { Status::Up } else { Status::Down }, "{reply}: {outcome:?}");
        assert_eq!(phases(&outcome), ["connect", "reply"]);
    }
}

#[tokio::test]
async fn a_reply_that_does_not_come_or_end_is_judged_by_what_there_is_of_it() {
    let silent = Server::start(|mut stream| async move {
        send(&mut stream, b"220 ").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let config = json!({
        "address": silent.address.to_string(),
        "expect": { "reply": { "contains": "ESMTP", "level": "degraded" } },
    });
    let outcome = run_for(DialPolicy::open(), config, Duration::from_millis(200)).await;
    assert_eq!((outcome.status, &outcome.evidence["error"]), (Status::Degraded, &json!("timeout")), "{outcome:?}");
    assert_eq!(outcome.message, "reply: expected \"ESMTP\" in it, got \"220 \"");

    let endless = Server::start(|mut stream| async move { while stream.write_all(b"abcd").await.is_ok() {} }).await;
    let config = |most: u64| json!({ "address": endless.address.to_string(), "max_reply": most, "expect": { "reply": { "matches": "d$" } } });
    assert_eq!(run(DialPolicy::open(), config(40)).await.status, Status::Up);
    let outcome = run(DialPolicy::open(), config(41)).await;
    assert!(outcome.status == Status::Down || outcome.failed.is_empty(), "{outcome:?}");

    let gone = Server::start(|_| async {}).await;
    let config = json!({ "address": gone.address.to_string(), "expect": { "reply": { "contains": "x" } } });
    let outcome = run(DialPolicy::open(), config).await;
    assert_eq!((outcome.status, outcome.message.as_str()), (Status::Down, "reply: expected \"x\" in it, got nothing"));
}

#[tokio::test]
async fn under_tls_nothing_is_said_to_a_target_that_can_not_be_trusted() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let server = serving(identity.server(&[&TLS13], &[]), move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut bytes = [0; 64];
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            heard.send(bytes[..count].to_vec()).unwrap();
            let _ = stream.write_all(b"+PONG\r\n").await;
        }
    })
    .await;
    let config = |tls: Value| {
        let expect = json!({ "reply": { "starts": "+PONG" } });
        json!({ "address": server.address.to_string(), "tls": tls, "send": "PING\r\n", "expect": expect })
    };
    let trusted = run(DialPolicy::open(), config(json!({ "ca": authority.pem }))).await;
    assert_eq!((trusted.status, phases(&trusted)), (Status::Up, vec!["connect", "tls", "reply"]), "{trusted:?}");
    assert_eq!(hears.recv().await.unwrap(), b"PING\r\n");
    let foreign = config(json!({ "ca": authority.pem, "server_name": "a.example" }));
    let outcome = run(DialPolicy::open(), foreign).await;
    assert_eq!(
        (outcome.status, &outcome.evidence["error"]),
        (Status::Down, &json!("tls_certificate_wrong_name")),
        "{outcome:?}"
    );
    assert_eq!(hears.recv().await.unwrap(), b"");
}

#[tokio::test]
async fn turned_around_a_target_that_accepts_is_down_and_one_that_does_not_is_up() {
    let config = |address: String| json!({ "address": address, "expect": { "invert": true } });
    let server = Server::start(|_| async {}).await;
    assert_eq!(run(DialPolicy::open(), config(server.address.to_string())).await.status, Status::Down);
    assert_eq!(run(DialPolicy::open(), config(closed().to_string())).await.status, Status::Up);
    // That we can't get there doesn't say that nothing listens.
    assert_eq!(run(DialPolicy::open(), config("224.0.0.1:80".to_owned())).await.status, Status::Unknown);
}

#[test]
fn a_forbidden_address_and_an_unknown_key_are_refused_when_the_check_is_built() {
    for (config, words) in [
        (json!({ "address": "169.254.169.254:80" }), "invalid address: the dial policy forbids 169.254.169.254"),
        (json!({ "address": "a.example:80", "colour": 1 }), "unknown field `colour`"),
        (json!({ "address": 80 }), "invalid address"),
        (json!({ "address": "a.example:80", "send": "" }), "invalid send: it is empty"),
        (json!({ "address": "a.example:80", "max_reply": 0 }), "invalid max_reply"),
        (json!({ "address": "a.example:80", "tls": { "ca": "x" } }), "invalid tls.ca"),
        (json!({ "address": "a.example:80", "expect": { "reply": {} } }), "invalid expect.reply: says nothing"),
        (json!({ "address": "a.example:80", "expect": { "reply": { "matches": "(" } } }), "expect.reply.matches"),
        (json!({ "address": "a.example:80", "send": "x", "expect": { "invert": true } }), "invalid expect.invert"),
    ] {
        let error = Tcp::new(DialPolicy::open()).build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}
