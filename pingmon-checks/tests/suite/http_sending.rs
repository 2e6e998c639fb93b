//! What the `http` kind sends: the request, who asks, and over which version of HTTP and TLS.

use std::{sync::Arc, sync::Mutex, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use pingmon_checks::http::Http;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    echo::{Echo, Pki},
    http::run,
    server::{Server, ok},
};

/// `config` with `more` in it.
fn with(config: &Value, more: &Value) -> Value {
    let mut all = config.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// Runs `config` with an expectation that isn't met, so that the evidence says how the answer came.
pub(crate) async fn evidence(config: &Value) -> Value {
    let outcome = run(with(config, &json!({ "expect": { "status": [599] } }))).await;
    json!(outcome.evidence)
}

/// What an echo understood of the request.
pub(crate) async fn heard(config: &Value) -> Value {
    let evidence = evidence(config).await;
    serde_json::from_str(evidence["body"].as_str().unwrap_or("null")).unwrap_or_else(|_| panic!("{evidence}"))
}

pub(crate) fn error(outcome: &Outcome) -> (Status, &str) {
    (outcome.status, outcome.evidence.get("error").and_then(Value::as_str).unwrap_or(""))
}

#[tokio::test]
async fn every_method_and_every_form_of_a_body_arrives_in_both_versions() {
    let echo = Echo::plain().await;
    for version in ["1.1", "2"] {
        let base = json!({ "url": echo.url("http", "127.0.0.1", "/p?a=1"), "http_version": version });
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            let outcome = run(with(&base, &json!({ "method": method }))).await;
            assert_eq!(outcome.status, Status::Up, "{method} by {version}: {outcome:?}");
            if method != "HEAD" {
                assert_eq!(heard(&with(&base, &json!({ "method": method }))).await["method"], method);
            }
        }
        for (body, expected) in [
            (json!("text"), "text"),
            (json!({ "json": { "a": 1 } }), r#"{"a":1}"#),
            (json!({ "form": { "a": "b c" } }), "a=b+c"),
            (json!({ "base64": "aGVsbG8=" }), "hello"),
            (json!(""), ""),
        ] {
            let heard = heard(&with(&base, &json!({ "method": "POST", "body": body }))).await;
            assert_eq!(heard["body"], expected, "by {version}");
        }
        let query = json!({ "query": { "b": "x & y", "c": ["1", "2"] } });
        assert_eq!(heard(&with(&base, &query)).await["target"], "/p?a=1&b=x+%26+y&c=1&c=2");
    }
}

#[tokio::test]
async fn host_and_user_agent_are_sent_as_given_and_repeated_headers_repeated() {
    let echo = Echo::plain().await;
    let url = echo.url("http", "127.0.0.1", "/");
    let headers = json!({ "Host": "shop.example", "user-agent": "me/1", "x-tag": ["a", "b"] });
    let one = heard(&json!({ "url": url, "headers": headers, "http_version": "1.1" })).await;
    assert_eq!((&one["headers"]["host"], &one["headers"]["user-agent"]), (&json!(["shop.example"]), &json!(["me/1"])));
    assert_eq!(one["headers"]["x-tag"], json!(["a", "b"]));
    let two = heard(&json!({ "url": url, "headers": headers, "http_version": "2" })).await;
    assert_eq!((&two["authority"], &two["headers"]["host"]), (&json!("shop.example"), &Value::Null));
    let plain = heard(&json!({ "url": url })).await;
    assert_eq!(plain["headers"]["host"], json!([echo.address.to_string()]));
}

#[tokio::test]
async fn a_large_body_is_sent_whole_and_its_sending_is_a_phase() {
    let server = Server::answering(|request| ok("text/plain", request.len().to_string())).await;
    let body = "x".repeat(1024 * 1024);
    let outcome = run(json!({ "url": server.url("/"), "method": "POST", "body": body })).await;
    assert_eq!(outcome.status, Status::Up);
    assert!(outcome.phases.iter().any(|(name, spent)| name == "request" && !spent.is_zero()), "{:?}", outcome.phases);
}

#[tokio::test]
async fn a_request_id_and_a_trace_are_new_with_each_run_and_named_in_the_evidence() {
    let echo = Echo::plain().await;
    let url = echo.url("http", "127.0.0.1", "/{{request_id}}");
    let config = json!({ "url": url, "headers": { "x-request-id": "{{request_id}}" }, "traceparent": true });
    let mut seen = Vec::new();
    for _ in 0..2 {
        let evidence = evidence(&config).await;
        let heard: Value = serde_json::from_str(evidence["body"].as_str().unwrap()).unwrap();
        let id = evidence["request_id"].as_str().unwrap().to_owned();
        assert_eq!(heard["headers"]["x-request-id"], json!([id]));
        assert_eq!(heard["target"], format!("/{id}"));
        let trace = evidence["trace_id"].as_str().unwrap();
        let parent = heard["headers"]["traceparent"][0].as_str().unwrap();
        assert!(parent.starts_with(&format!("00-{trace}-")) && parent.len() == 55, "{parent}");
        seen.push((id, trace.to_owned()));
    }
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1);
    assert_eq!(evidence(&json!({ "url": echo.url("http", "127.0.0.1", "/") })).await["trace_id"], Value::Null);
}

#[tokio::test]
async fn the_version_of_http_is_negotiated_or_insisted_on() {
    let pki = Pki::new();
    let both = Echo::tls(pki.server(&["h2", "http/1.1"], false)).await;
    let old = Echo::tls(pki.server(&["http/1.1"], false)).await;
    let mute = Echo::tls(pki.server(&[], false)).await;
    let config = |echo: &Echo| json!({ "url": echo.url("https", "localhost", "/"), "tls": { "ca": pki.ca } });
    for (echo, version, expected) in [
        (&both, json!({}), "HTTP/2.0"),
        (&both, json!({ "http_version": "1.1" }), "HTTP/1.1"),
        (&both, json!({ "http_version": "2" }), "HTTP/2.0"),
        (&old, json!({}), "HTTP/1.1"),
        (&mute, json!({}), "HTTP/1.1"),
    ] {
        let evidence = evidence(&with(&config(echo), &version)).await;
        assert_eq!(evidence["protocol"], expected, "{version}: {evidence}");
        assert_eq!(evidence["tls"], json!({ "version": "1.3", "cipher": "TLS_AES_256_GCM_SHA384" }));
    }
    for (echo, kind) in [(&old, "tls_refused"), (&mute, "http2_refused")] {
        let outcome = run(with(&config(echo), &json!({ "http_version": "2" }))).await;
        assert_eq!(error(&outcome), (Status::Down, kind), "{outcome:?}");
    }
    let plain = Echo::plain().await;
    let outcome = run(json!({ "url": plain.url("http", "127.0.0.1", "/"), "http_version": "2" })).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
    let deaf = Server::saying(ok("text/plain", "")).await;
    let outcome = run(json!({ "url": deaf.url("/"), "http_version": "2" })).await;
    assert_eq!(outcome.status, Status::Down, "{outcome:?}");
}

#[tokio::test]
async fn whom_tls_trusts_and_by_which_name_can_be_said() {
    let pki = Pki::new();
    let echo = Echo::tls(pki.server(&["h2"], false)).await;
    let localhost = echo.url("https", "localhost", "/");
    let address = echo.url("https", "127.0.0.1", "/");
    let other = echo.url("https", "other.example", "/");
    let to = json!(["127.0.0.1"]);
    for (config, expected) in [
        (json!({ "url": localhost, "tls": { "ca": pki.ca } }), ""),
        (json!({ "url": address, "tls": { "ca": pki.ca } }), ""),
        (json!({ "url": localhost }), "tls_certificate_unknown_issuer"),
        (json!({ "url": localhost, "tls": { "ca": Pki::new().ca } }), "tls_certificate_unknown_issuer"),
        (json!({ "url": localhost, "tls": { "verify": false } }), ""),
        (json!({ "url": other, "resolve_to": to, "tls": { "ca": pki.ca } }), "tls_certificate_wrong_name"),
        (json!({ "url": other, "resolve_to": to, "tls": { "ca": pki.ca, "server_name": "shop.example" } }), ""),
        (json!({ "url": other, "resolve_to": to, "tls": { "verify": false } }), ""),
    ] {
        let outcome = run(config.clone()).await;
        let status = if expected.is_empty() { Status::Up } else { Status::Down };
        assert_eq!(error(&outcome), (status, expected), "{config} {outcome:?}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_from_pem_or_pkcs12() {
    let pki = Pki::new();
    let echo = Echo::tls(pki.server(&["h2", "http/1.1"], true)).await;
    let archive = pki.pkcs12("s3cret");
    let shown = |tls: Value| {
        let tls = with(&json!({ "ca": pki.ca }), &tls);
        run(json!({ "url": echo.url("https", "localhost", "/"), "tls": tls }))
    };
    let pem = json!({ "certificate": pki.certificate_pem, "key": pki.key_pem });
    assert_eq!(shown(pem).await.status, Status::Up);
    if cfg!(feature = "pkcs12") {
        assert_eq!(shown(json!({ "pkcs12": archive, "passphrase": "s3cret" })).await.status, Status::Up);
    }
    let outcome = shown(json!({})).await;
    assert_eq!(error(&outcome), (Status::Down, "tls_client_certificate_required"), "{outcome:?}");
    let stranger = Pki::new();
    let outcome = shown(json!({ "certificate": stranger.certificate_pem, "key": stranger.key_pem })).await;
    assert_eq!(error(&outcome), (Status::Down, "tls_refused"), "{outcome:?}");
}

#[tokio::test]
async fn a_clients_certificate_is_not_shown_to_where_a_redirect_leads() {
    let pki = Pki::new();
    let elsewhere = Echo::tls(pki.server(&["http/1.1"], true)).await;
    let there = elsewhere.url("https", "localhost", "/");
    let moved = Server::saying(format!("HTTP/1.1 302 Found\r\nlocation: {there}\r\n\r\n")).await;
    let tls = json!({ "ca": pki.ca, "certificate": pki.certificate_pem, "key": pki.key_pem });
    let outcome = run(json!({ "url": moved.url("/"), "tls": tls })).await;
    assert_eq!(error(&outcome), (Status::Down, "tls_client_certificate_required"), "{outcome:?}");
}

#[tokio::test]
async fn digest_answers_a_challenge_and_a_wrong_password_stays_refused() {
    // The server checks by the documented example: MD5 of RFC 2617 without qop, whose answer needs no client nonce.
    let server = Server::answering(|request| {
        if request.contains("response=\"670fd8c2df070c60b045671b8b24ff02\"") {
            return ok("text/plain", "welcome");
        }
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        format!("HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\n\r\n").into()
    })
    .await;
    let config = |password: &str| {
        let login = json!({ "username": "Mufasa", "password": password });
        json!({ "url": server.url("/dir/index.html"), "digest": login })
    };
    assert_eq!(run(config("Circle Of Life")).await.status, Status::Up);
    assert_eq!(server.accepted(), 2);
    let outcome = run(config("s3cret")).await;
    assert_eq!((outcome.status, &outcome.evidence["status"]), (Status::Down, &json!(401)));
    assert_eq!(server.accepted(), 4);
    assert!(!format!("{outcome:?}").contains("s3cret"));
}

/// A token endpoint that counts what it hands out.
async fn issuer(lifetime: u32) -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = Server::answering(move |request| {
        let mut log = log.lock().unwrap();
        log.push(request.to_owned());
        let grant =
            json!({ "access_token": format!("t{}", log.len()), "token_type": "bearer", "expires_in": lifetime });
        ok("application/json", grant.to_string())
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn a_token_is_fetched_once_kept_and_fetched_anew_when_it_expired_or_was_revoked() {
    let api = Server::answering(|request| {
        let status =
            if request.contains("bearer t2") || request.contains("Bearer t2") { "401 Revoked" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into()
    })
    .await;
    for (lifetime, fetched) in [(3600, 1), (0, 3)] {
        let (issuer, asked) = issuer(lifetime).await;
        let oauth2 = json!({
            "token_url": issuer.url("/token"), "client_id": "me", "client_secret": "s3cret:&", "scope": "read",
            "params": { "audience": "shop" },
        });
        let check = Http::new(DialPolicy::open())
            .unwrap()
            .build(&json!({ "url": api.url("/"), "oauth2": oauth2, "expect": { "status": [200, 401] } }))
            .unwrap();
        let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
        for _ in 0..3 {
            let outcome = check.run(&cx).await.unwrap();
            assert_eq!(outcome.status, Status::Up, "{outcome:?}");
        }
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), fetched, "{asked:?}");
        let login = BASE64_STANDARD.encode("me:s3cret%3A%26");
        assert!(asked[0].contains(&format!("authorization: Basic {login}\r\n")), "{}", asked[0]);
        assert!(asked[0].ends_with("audience=shop&grant_type=client_credentials&scope=read"), "{}", asked[0]);
    }
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_in_the_same_run() {
    let uses = Arc::new(Mutex::new(0));
    let api = Server::answering(move |request| {
        let mut uses = uses.lock().unwrap();
        *uses += 1;
        let revoked = request.contains("Bearer t1") && *uses > 1;
        let status = if revoked { "401 Unauthorized" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into()
    })
    .await;
    let (issuer, asked) = issuer(3600).await;
    let oauth2 = json!({
        "token_url": issuer.url("/"), "client_id": "me", "client_secret": "x", "client_auth": "body",
    });
    let kind = Http::new(DialPolicy::open()).unwrap();
    let check = kind.build(&json!({ "url": api.url("/"), "oauth2": oauth2 })).unwrap();
    let cx = CheckContext::new(MonitorId::new(), "test", Timestamp::default(), Duration::from_secs(5));
    for _ in 0..2 {
        assert_eq!(check.run(&cx).await.unwrap().status, Status::Up);
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].ends_with("client_id=me&client_secret=x&grant_type=client_credentials"), "{}", asked[0]);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_unknown_and_the_target_is_left_alone() {
    let api = Server::saying(ok("text/plain", "")).await;
    for (answer, words) in [
        (
            "HTTP/1.1 400 Bad\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}",
            "400 Bad Request (invalid_client)",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "holds no access_token"),
        ("SSH-2.0", "isn't HTTP"),
    ] {
        let issuer = Server::saying(answer).await;
        let oauth2 = json!({ "token_url": issuer.url("/"), "client_id": "me", "client_secret": "s3cret" });
        let outcome = run(json!({ "url": api.url("/"), "oauth2": oauth2 })).await;
        assert_eq!(error(&outcome), (Status::Unknown, "token_failed"), "{outcome:?}");
        assert!(outcome.message.contains(words), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("s3cret"));
    }
    assert_eq!(api.accepted(), 0);
}

#[test]
fn what_cannot_be_sent_is_refused_by_its_field_and_no_secret_is_shown() {
    let kind = Http::new(DialPolicy::open()).unwrap();
    let pki = Pki::new();
    let (certificate, key) = (&pki.certificate_pem, &pki.key_pem);
    let oauth2 = |url: &str| json!({ "token_url": url, "client_id": "a", "client_secret": "s3cret" });
    for (more, words) in [
        (json!({ "tls": { "ca": "s3cret" } }), "invalid tls.ca: no certificate in it"),
        (json!({ "tls": { "ca": pki.ca, "verify": false } }), "invalid tls.ca: it is of no use"),
        (json!({ "tls": { "server_name": "a b" } }), "invalid tls.server_name"),
        (json!({ "tls": { "certificate": certificate } }), "invalid tls.key: it is missing"),
        (json!({ "tls": { "key": key } }), "invalid tls.certificate: it is missing"),
        (json!({ "tls": { "certificate": certificate, "key": "s3cret" } }), "invalid tls.key: no unencrypted key"),
        (
            json!({ "tls": { "certificate": certificate, "key": Pki::new().key_pem } }),
            "the key isn't the certificate's",
        ),
        (json!({ "tls": { "pkcs12": "s3cret" } }), "invalid tls.pkcs12"),
        (
            json!({ "tls": { "pkcs12": pki.pkcs12("a"), "passphrase": "s3cret" } }),
            if cfg!(feature = "pkcs12") { "it can't be opened" } else { "built without PKCS#12" },
        ),
        (json!({ "tls": { "pkcs12": "x", "key": key } }), "it takes the place of"),
        (json!({ "tls": { "passphrase": "s3cret" } }), "invalid tls.passphrase"),
        (json!({ "http_version": "3" }), "unknown variant `3`"),
        (json!({ "oauth2": oauth2("nowhere s3cret") }), "invalid oauth2.token_url"),
        (json!({ "oauth2": oauth2("http://169.254.169.254/") }), "invalid oauth2.token_url: the dial policy forbids"),
        (json!({ "bearer": "s3cret\n" }), "such as a line break"),
        (json!({ "bearer": "s3cret", "digest": { "username": "a", "password": "s3cret" } }), "given twice"),
    ] {
        let config = with(&json!({ "url": "https://a.example" }), &more);
        let error = kind.build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{more}: {error}");
    }
}
