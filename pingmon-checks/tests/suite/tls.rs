//! The `tls` kind against real handshakes, good ones and broken ones.

use std::{sync::Arc, time::Duration};

use pingmon_checks::tls::Tls;
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SigningKey as _};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::{
    authority::{Authority, Identity, NOW, drain, serving},
    found::{failed, phases, verdict},
    server::Server,
};

async fn run_for(config: &Value, timeout: Duration) -> Outcome {
    let check = Tls::new(DialPolicy::open()).build(config).unwrap();
    check.run(&CheckContext::new(MonitorId::new(), "test", NOW, timeout)).await.unwrap()
}

async fn run(config: Value) -> Outcome {
    run_for(&config, Duration::from_secs(5)).await
}

fn at(server: &Server, authority: &Authority) -> Value {
    json!({ "address": server.address.to_string(), "server_name": "localhost", "ca": authority.pem })
}

fn with(mut config: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

#[tokio::test]
async fn a_trusted_certificate_is_up_and_its_facts_are_told() {
    let authority = Authority::new("Test Root");
    let server = authority.issue(|_| ()).serve().await;
    let outcome = run(at(&server, &authority)).await;
    assert_eq!(verdict(&outcome), (Status::Up, "none"), "{outcome:?}");
    assert_eq!(outcome.message, "TLS 1.3, certificate good for 30 days, issued by CN=Test Root");
    assert_eq!(phases(&outcome), ["connect", "tls"]);
    assert_eq!(outcome.latency.unwrap(), outcome.phases.iter().map(|(_, spent)| *spent).sum::<Duration>());
    let metrics: Vec<_> = outcome.metrics.iter().map(|metric| (metric.name.as_ref(), metric.value)).collect();
    assert_eq!(metrics, [("certificate_days_left", 30.0), ("chain_days_left", 30.0)]);
    let certificate = &outcome.evidence["certificate"];
    assert_eq!((&certificate["subject"], &certificate["issuer"]), (&json!("CN=localhost"), &json!("CN=Test Root")));
    assert_eq!(certificate["names"], json!(["localhost", "127.0.0.1"]));
    assert_eq!(certificate["fingerprint"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_a_word_of_its_own_and_the_certificate_is_still_seen() {
    let (authority, other, twin) = (Authority::new("Test Root"), Authority::new("Other"), Authority::new("Test Root"));
    let year = |year| move |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(year, 5, 1);
    for (identity, kind, words) in [
        (authority.issue(year(2026)), "tls_certificate_expired", "the certificate expired at 2026-05-01"),
        (
            authority.issue(|params| params.not_before = rcgen::date_time_ymd(2026, 6, 10)),
            "tls_certificate_not_yet_valid",
            "the certificate is valid from 2026-06-10",
        ),
        (
            authority.issue(|params| params.subject_alt_names.clear()),
            "tls_certificate_wrong_name",
            "isn't valid for localhost: it is for no name at all",
        ),
        (
            authority.issue(|params| {
                params.subject_alt_names = vec![rcgen::SanType::DnsName("a.example".try_into().unwrap())]
            }),
            "tls_certificate_wrong_name",
            "isn't valid for localhost but for a.example",
        ),
        (other.issue(|_| ()), "tls_certificate_unknown_issuer", "which CN=Other issued"),
        (twin.issue(|_| ()), "tls_certificate_bad_signature", "TLS failed"),
        (Identity::self_signed(), "tls_certificate_self_signed", "signed by itself"),
        (
            authority.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "tls_certificate_wrong_purpose",
            "TLS failed",
        ),
    ] {
        let server = identity.serve().await;
        let outcome = run(at(&server, &authority)).await;
        assert_eq!(verdict(&outcome), (Status::Down, kind), "{outcome:?}");
        assert!(outcome.message.contains(words), "{kind}: {}", outcome.message);
        assert!(outcome.evidence["certificate"]["not_after"].is_string(), "{kind}");
        let ignored = run(with(at(&server, &authority), json!({ "verify": false }))).await;
        assert_eq!((ignored.status, &ignored.evidence["untrusted"]), (Status::Up, &json!(kind)), "{ignored:?}");
    }
}

#[tokio::test]
async fn several_faults_of_one_certificate_are_all_listed() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|params| {
        params.not_after = rcgen::date_time_ymd(2026, 5, 1);
        params.subject_alt_names.clear();
    });
    let server = identity.serve().await;
    let outcome = run(with(at(&server, &authority), json!({ "expect": { "days_left": { "down": 7 } } }))).await;
    assert_eq!(failed(&outcome), ["certificate", "certificate", "days_left"], "{outcome:?}");
}

#[tokio::test]
async fn a_handshake_that_breaks_says_why() {
    let authority = Authority::new("Test Root");
    for (said, kind) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "not_tls"),
        (b"220 mail.example ESMTP\r\n", "not_tls"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls_protocol_too_old"),
        // A hello of TLS 1.0.
        (
            b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01\
              0123456789abcdef0123456789abcdef\x00\x00\x2f\x00",
            "tls_protocol_too_old",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x28", "tls_refused"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "tls_name_unknown"),
        (b"", "connection_closed"),
    ] {
        let server = Server::start(move |mut stream| async move {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(said).await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 4_096]).await;
        })
        .await;
        let outcome = run(at(&server, &authority)).await;
        assert_eq!(verdict(&outcome), (Status::Down, kind), "{outcome:?}");
        assert_eq!(outcome.evidence["phase"], "tls");
    }
    let silent = Server::start(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let outcome = run_for(&at(&silent, &authority), Duration::from_millis(300)).await;
    assert_eq!(verdict(&outcome), (Status::Down, "timeout"), "{outcome:?}");
}

#[tokio::test]
async fn a_handshake_that_is_as_expected_is_up_and_another_one_is_told_apart() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    let server = serving(identity.server(&[&TLS12], &["h2"]), |stream| async move { drain(stream).await }).await;
    let fingerprint = run(at(&server, &authority)).await.evidence["certificate"]["fingerprint"].clone();
    for (expect, missed) in [
        (json!({ "days_left": 30 }), None),
        (json!({ "days_left": { "degraded": 31 } }), Some((Status::Degraded, "days_left"))),
        (json!({ "days_left": { "degraded": 60, "down": 31 } }), Some((Status::Down, "days_left"))),
        (json!({ "chain_days_left": 29 }), None),
        (json!({ "chain_days_left": 31 }), Some((Status::Degraded, "chain_days_left"))),
        (json!({ "names": ["127.0.0.1"] }), None),
        (json!({ "names": ["a.example"] }), Some((Status::Down, "names"))),
        (json!({ "names": ["a b"] }), Some((Status::Down, "names"))),
        (json!({ "issuer": "Root" }), None),
        (json!({ "issuer": "Let's Encrypt" }), Some((Status::Down, "issuer"))),
        (json!({ "issuer": "Let's Encrypt", "level": "degraded" }), Some((Status::Degraded, "issuer"))),
        (json!({ "keys": { "ecdsa": 256 } }), None),
        (json!({ "keys": { "ecdsa": 384 } }), Some((Status::Down, "keys"))),
        (json!({ "keys": { "rsa": 2048 } }), Some((Status::Down, "keys"))),
        (json!({ "signatures": ["ecdsa-with-SHA256"] }), None),
        (json!({ "signatures": ["sha256WithRSAEncryption"] }), Some((Status::Down, "signatures"))),
        (json!({ "fingerprints": [fingerprint] }), None),
        (json!({ "fingerprints": ["00".repeat(32)] }), Some((Status::Down, "fingerprints"))),
        (json!({ "protocol": "1.2" }), None),
        (json!({ "protocol": "1.3" }), Some((Status::Down, "protocol"))),
        (json!({ "alpn": "h2" }), None),
        (json!({ "latency": "1h" }), None),
        (json!({ "latency": "1ns" }), Some((Status::Degraded, "latency"))),
        (json!({ "ocsp_staple": true }), Some((Status::Down, "ocsp_staple"))),
    ] {
        let outcome = run(with(at(&server, &authority), json!({ "expect": expect }))).await;
        let (status, names) = missed.map_or((Status::Up, Vec::new()), |(status, name)| (status, vec![name]));
        assert_eq!((outcome.status, failed(&outcome)), (status, names), "{expect}: {outcome:?}");
    }
    let foreign = with(at(&server, &authority), json!({ "alpn": ["http/1.1"] }));
    assert_eq!(verdict(&run(foreign).await), (Status::Down, "tls_refused"));
    let plain = identity.serve().await;
    let outcome = run(with(at(&plain, &authority), json!({ "expect": { "alpn": "h2" } }))).await;
    assert_eq!(failed(&outcome), ["alpn"]);
}

#[tokio::test]
async fn a_target_that_asks_for_a_certificate_gets_ours_and_refuses_us_without() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    let ours = KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&ours, &authority.issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    for version in [&TLS12, &TLS13] {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = serving(acceptor, |stream| async move { drain(stream).await }).await;
        let refused = run(at(&server, &authority)).await;
        assert_eq!(refused.status, Status::Down, "{version:?}: {refused:?}");
        assert!(["tls_refused", "tls_client_certificate_required"].contains(&verdict(&refused).1), "{refused:?}");
        let client = json!({ "client": { "certificate": certificate.pem(), "key": ours.serialize_pem() } });
        let let_in = run(with(at(&server, &authority), client.clone())).await;
        assert_eq!(let_in.status, Status::Up, "{version:?}: {let_in:?}");
        let distrusted = with(json!({ "address": server.address.to_string(), "server_name": "b.example" }), client);
        let outcome = run(with(distrusted, json!({ "ca": authority.pem }))).await;
        assert_eq!(verdict(&outcome), (Status::Down, "tls_certificate_wrong_name"), "{outcome:?}");
    }
}

/// A server that says something in the clear each time it hears something, the first thing unasked if it is to
/// `speaks_first`, and then shakes hands.
async fn clear(identity: &Identity, speaks_first: bool, lines: &'static [&'static str]) -> Server {
    let acceptor = identity.server(&[&TLS13], &[]);
    Server::start(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            for (nth, line) in lines.iter().enumerate() {
                let unasked = speaks_first && nth == 0;
                if !unasked && !matches!(stream.read(&mut [0; 4_096]).await, Ok(count) if count > 0) {
                    return;
                }
                let _ = stream.write_all(line.as_bytes()).await;
            }
            if let Ok(stream) = acceptor.accept(stream).await {
                drain(stream).await;
            }
        }
    })
    .await
}

const FEATURES: &str = "<?xml version='1.0'?><stream:stream from='localhost'><stream:features><starttls \
    xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

#[tokio::test]
async fn tls_begins_after_each_protocols_own_way_to_ask_for_it() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    for (protocol, lines) in [
        (
            "smtp",
            &["220-mx.example\r\n220 ready\r\n", "250-mx.example\r\n250-SIZE 1\r\n250 starttls\r\n", "220 go\r\n"][..],
        ),
        ("imap", &["* OK IMAP4rev2 ready\r\n", "* CAPABILITY STARTTLS\r\na OK go\r\n"]),
        ("pop3", &["+OK ready\r\n", "+OK go\r\n"]),
        ("postgres", &["S"]),
        ("xmpp", &[FEATURES, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"]),
    ] {
        let speaks_first = !matches!(protocol, "postgres" | "xmpp");
        let server = clear(&identity, speaks_first, lines).await;
        let outcome = run(with(at(&server, &authority), json!({ "starttls": protocol }))).await;
        assert_eq!(verdict(&outcome), (Status::Up, "none"), "{protocol}: {outcome:?}");
        assert_eq!(phases(&outcome), ["connect", "starttls", "tls"]);
    }
}

/// Against a real PostgreSQL that offers TLS with the certificate `pem`.
#[cfg(feature = "postgres")]
pub(crate) async fn begins_at_postgres(port: u16, pem: &str) {
    let config = json!({ "address": format!("localhost:{port}"), "starttls": "postgres", "ca": pem });
    let outcome = run(config).await;
    assert_eq!(verdict(&outcome), (Status::Up, "none"), "{outcome:?}");
    assert_eq!(phases(&outcome), ["dns", "connect", "starttls", "tls"]);
}

#[tokio::test]
async fn a_target_that_does_not_begin_tls_is_down_and_says_how() {
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    for (protocol, lines, kind) in [
        ("smtp", &["220 ready\r\n", "250 mx.example\r\n"][..], "starttls_unsupported"),
        ("smtp", &["554 no service\r\n"], "starttls_refused"),
        ("smtp", &["220 ready\r\n", "250-x\r\n250 STARTTLS\r\n", "454 later\r\n"], "starttls_refused"),
        ("smtp", &["220 ready\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"], "starttls_injected"),
        ("smtp", &["SSH-2.0-OpenSSH_9.2\r\n"], "invalid_response"),
        ("imap", &["* BYE full\r\n"], "starttls_refused"),
        ("imap", &["* OK ready\r\n", "a BAD what\r\n"], "starttls_refused"),
        ("imap", &["+OK ready\r\n"], "invalid_response"),
        ("pop3", &["-ERR busy\r\n"], "starttls_refused"),
        ("pop3", &["+OK ready\r\n", "-ERR what\r\n"], "starttls_refused"),
        ("pop3", &["220 ready\r\n"], "invalid_response"),
    ] {
        let server = clear(&identity, true, lines).await;
        let outcome = run(with(at(&server, &authority), json!({ "starttls": protocol }))).await;
        assert_eq!(verdict(&outcome), (Status::Down, kind), "{protocol} {lines:?}: {outcome:?}");
        assert_eq!(outcome.evidence["phase"], "starttls");
    }
    for (protocol, lines, kind) in [
        ("postgres", &["N"][..], "starttls_unsupported"),
        ("postgres", &["E"], "starttls_refused"),
        ("postgres", &["H"], "invalid_response"),
        ("postgres", &["SInjected"], "starttls_injected"),
        ("xmpp", &["<stream:stream><stream:features/>"], "starttls_unsupported"),
        ("xmpp", &["<stream:stream><stream:error><host-unknown/></stream:error>"], "starttls_refused"),
        ("xmpp", &["HTTP/1.1 400 <stream:features/>"], "invalid_response"),
        ("xmpp", &[FEATURES, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], "starttls_refused"),
    ] {
        let server = clear(&identity, false, lines).await;
        let outcome = run(with(at(&server, &authority), json!({ "starttls": protocol }))).await;
        assert_eq!(verdict(&outcome), (Status::Down, kind), "{protocol} {lines:?}: {outcome:?}");
    }
    let mute = Server::start(|mut stream| async move { stream.write_all(b"+OK").await.unwrap() }).await;
    let outcome = run(with(at(&mute, &authority), json!({ "starttls": "pop3" }))).await;
    assert_eq!(verdict(&outcome), (Status::Down, "connection_closed"), "{outcome:?}");
    let flood =
        Server::start(|mut stream| async move { while stream.write_all(b"220-more\r\n").await.is_ok() {} }).await;
    let outcome = run(with(at(&flood, &authority), json!({ "starttls": "smtp" }))).await;
    assert_eq!(verdict(&outcome), (Status::Down, "response_too_large"));
}

#[tokio::test]
async fn a_staple_has_to_be_good_in_date_for_this_certificate_and_signed_by_its_issuer() {
    let (authority, other) = (Authority::new("Test Root"), Authority::new("Other"));
    let serial = 77_u64;
    let issue = || authority.issue(|params| params.serial_number = Some(serial.into()));
    for (signer, about, status, from, until, reason) in [
        (&authority, 77, 0x80, "20260525000000Z", "20260608000000Z", None),
        (&authority, 77, 0xa1, "20260525000000Z", "20260608000000Z", Some("revoked")),
        (&authority, 77, 0x82, "20260525000000Z", "20260608000000Z", Some("doesn't know")),
        (&authority, 77, 0x80, "20260501000000Z", "20260508000000Z", Some("expired at 2026-05-08")),
        (&authority, 77, 0x80, "20260605000000Z", "20260608000000Z", Some("valid from 2026-06-05")),
        (&authority, 78, 0x80, "20260525000000Z", "20260608000000Z", Some("another certificate")),
        (&other, 77, 0x80, "20260525000000Z", "20260608000000Z", Some("isn't signed by the issuer")),
    ] {
        let mut identity = issue();
        identity.ocsp = response(signer, about, status, from, until);
        let server = identity.serve().await;
        let outcome = run(with(at(&server, &authority), json!({ "expect": { "ocsp_staple": true } }))).await;
        match reason {
            None => assert_eq!(outcome.status, Status::Up, "{outcome:?}"),
            Some(reason) => {
                assert_eq!(failed(&outcome), ["ocsp_staple"], "{outcome:?}");
                assert!(outcome.failed[0].actual.contains(reason), "{outcome:?}");
            }
        }
    }
    for (staple, reason) in [(&b"\x30\x03\x0a\x01\x06"[..], "refused to answer"), (b"rubbish", "can't be read")] {
        let mut identity = issue();
        identity.ocsp = staple.to_vec();
        let server = identity.serve().await;
        let outcome = run(with(at(&server, &authority), json!({ "expect": { "ocsp_staple": true } }))).await;
        assert!(outcome.failed[0].actual.contains(reason), "{outcome:?}");
    }
}

/// One element of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = match body.len() {
        short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
        long => [&[0x82][..], &u16::try_from(long).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &body].concat()
}

/// An OCSP response about one certificate, signed with ECDSA and SHA-256.
fn response(signer: &Authority, serial: u8, status: u8, from: &str, until: &str) -> Vec<u8> {
    let sha1 = der(0x30, &[b"\x06\x05\x2b\x0e\x03\x02\x1a"]);
    let id = der(0x30, &[&sha1, &der(4, &[&[0; 20]]), &der(4, &[&[0; 20]]), &der(2, &[&[serial]])]);
    let revoked = der(0x18, &[b"20260501000000Z"]);
    let status = der(status, &[if status == 0xa1 { &revoked } else { &[] }]);
    let until = der(0xa0, &[&der(0x18, &[until.as_bytes()])]);
    let single = der(0x30, &[&id, &status, &der(0x18, &[from.as_bytes()]), &until]);
    let responder = der(0xa2, &[&der(4, &[&[0; 20]])]);
    let data = der(0x30, &[&responder, &der(0x18, &[from.as_bytes()]), &der(0x30, &[&single])]);
    let key = signer.issuer.key();
    let algorithm = der(0x30, &[b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"]);
    let signature = der(3, &[&[0], &key.sign(&data).unwrap()]);
    let basic = der(4, &[&der(0x30, &[&data, &algorithm, &signature])]);
    let bytes = der(0x30, &[b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01", &basic]);
    der(0x30, &[b"\x0a\x01\x00", &der(0xa0, &[&bytes])])
}

#[test]
fn what_can_not_be_meant_is_refused_when_the_check_is_built() {
    for (config, words) in [
        (json!({ "address": "169.254.169.254:443" }), "invalid address: the dial policy forbids 169.254.169.254"),
        (json!({ "address": "a.example", "ca": "none" }), "invalid ca: it holds no certificate in PEM"),
        (json!({ "address": "a.example", "server_name": "a b" }), "invalid server_name"),
        (json!({ "address": "a.example", "client": { "certificate": "x", "key": "y" } }), "invalid client.certificate"),
        (json!({ "address": "a.example", "starttls": "gopher" }), "unknown variant `gopher`"),
        (json!({ "address": "a.example", "expect": { "protocol": "1.1" } }), "invalid expect.protocol"),
        (json!({ "address": "a.example", "expect": { "fingerprints": ["12"] } }), "invalid expect.fingerprints"),
        (json!({ "address": "a.example", "expect": { "issuer": "" } }), "invalid expect.issuer"),
        (json!({ "address": "a.example", "alpn": ["h2"], "expect": { "alpn": "h3" } }), "invalid expect.alpn"),
        (json!({ "address": "a.example", "expect": { "days_left": { "degraded": 7, "down": 30 } } }), "days_left.down"),
        (json!({ "address": "a.example", "colour": 1 }), "unknown field `colour`"),
    ] {
        let error = Tls::new(DialPolicy::open()).build(&config).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}
