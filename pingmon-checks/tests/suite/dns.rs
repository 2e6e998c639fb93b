//! The `dns` kind against local nameservers: correct ones, and such as lie, lose and break off.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::proto::{
    dnssec::{
        DnssecSigner, SigningKey as _,
        crypto::Ed25519SigningKey,
        rdata::{DNSKEY, DNSSECRData, RRSIG},
    },
    op::{Message, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordSet, RecordType},
};
use pingmon_checks::{dial::resolver::Resolver, dns::Dns};
use pingmon_core::{
    check::{CheckContext, CheckKind as _},
    dial::DialPolicy,
    id::MonitorId,
    outcome::{Outcome, Status},
};
use rustls::version::TLS13;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

use crate::{
    authority::{Authority, NOW, serving},
    found::{failed, phases, verdict},
    server::{Server, closed},
};

type Answer = Arc<dyn Fn(&Message) -> Message + Send + Sync>;

/// A nameserver over UDP and TCP. Over UDP it says that the answer doesn't fit, if it is to.
struct Nameserver {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Nameserver {
    async fn start(truncates: bool, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        let mut tasks = JoinSet::new();
        let by_stream = Arc::clone(&answer);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                by_length(stream, &by_stream).await;
            }
        });
        tasks.spawn(async move {
            let mut question = [0; 4_096];
            while let Ok((length, client)) = socket.recv_from(&mut question).await {
                let mut reply = answer(&Message::from_vec(&question[..length]).unwrap());
                if truncates {
                    reply.metadata.truncation = true;
                    reply.answers.clear();
                }
                let _ = socket.send_to(&reply.to_vec().unwrap(), client).await;
            }
        });
        Self { address, _tasks: tasks }
    }

    /// One that answers from a zone.
    async fn of(zone: &[(&str, &str, u32)]) -> Self {
        Self::start(false, from_zone(zone)).await
    }
}

/// Answers one question after the other, each preceded by its length.
async fn by_length<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &Answer) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        let reply = answer(&Message::from_vec(&question).unwrap()).to_vec().unwrap();
        stream.write_all(&[&u16::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn record(kind: &str, text: &str, ttl: u32) -> Record {
    let data = RData::try_from_str(kind.parse().unwrap(), text).unwrap();
    Record::from_rdata(name("a.example."), ttl, data)
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// Answers about `a.example` with the records of the type that is asked for; knows of no other name.
fn from_zone(zone: &[(&str, &str, u32)]) -> Answer {
    let records: Vec<_> = zone.iter().map(|(kind, text, ttl)| record(kind, text, *ttl)).collect();
    Arc::new(move |question| {
        let mut reply = reply(question);
        let asked = &question.queries[0];
        if !asked.name.eq_ignore_root(&name("a.example.")) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        let fits = |record: &&Record| record.name == asked.name && record.record_type() == asked.query_type;
        reply.add_answers(records.iter().filter(fits).cloned());
        reply
    })
}

fn reply(question: &Message) -> Message {
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.add_queries(question.queries.clone());
    reply.metadata.authoritative = !question.metadata.recursion_desired;
    reply
}

async fn run_for(config: Value, timeout: Duration) -> Outcome {
    let check = Dns::new(DialPolicy::open()).build(&config).unwrap();
    check.run(&CheckContext::new(MonitorId::new(), "test", NOW, timeout)).await.unwrap()
}

async fn run(config: Value) -> Outcome {
    run_for(config, Duration::from_secs(5)).await
}

fn at(address: SocketAddr, more: Value) -> Value {
    let mut config = json!({ "name": "a.example", "server": address.to_string() });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

#[tokio::test]
async fn records_of_every_type_are_found_and_compared_as_they_are_written() {
    for (kind, text, written, other) in [
        ("A", "192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("AAAA", "2001:db8::1", "2001:DB8:0:0::1", "2001:db8::2"),
        ("CNAME", "b.example.", "B.example", "c.example"),
        ("MX", "10 mail.example.", "10 mail.example.", "20 mail.example"),
        ("NS", "ns.example.", "ns.example", "ns2.example"),
        ("PTR", "host.example.", "host.example", "b.example"),
        (
            "SOA",
            "ns.example. root.example. 7 1 2 3 4",
            "ns.example root.example 7 1 2 3 4",
            "ns.example root.example 8 1 2 3 4",
        ),
        ("SRV", "1 2 443 b.example.", "1 2 443 b.example", "1 2 80 b.example"),
        ("TXT", "\"v=spf1 -all\"", "v=spf1 -all", "v=spf1 ~all"),
        ("CAA", "0 issue \"letsencrypt.org\"", "0 issue \"letsencrypt.org\"", "0 issue \";\""),
        ("TLSA", "3 1 1 abcd", "3 1 1 ABCD", "3 1 1 abce"),
        ("SSHFP", "4 2 abcd", "4 2 ABCD", "4 2 abce"),
        ("HTTPS", "1 . alpn=h2,h3 port=8443", "1 . alpn=h2,h3 port=8443", "1 . alpn=h2"),
        ("SVCB", "1 b.example. port=53", "1 b.example port=53", "1 b.example port=54"),
        (
            "NAPTR",
            "1 2 \"S\" \"SIP+D2U\" \"\" b.example.",
            "1 2 S SIP+D2U \"\" b.example",
            "1 2 U SIP+D2U \"\" b.example",
        ),
        ("DS", "1 8 2 ABCD", "1 8 2 abcd", "1 8 2 abce"),
    ] {
        let server = Nameserver::of(&[(kind, text, 300)]).await;
        let config = |expected: &str| at(server.address, json!({ "type": kind, "expect": { "equals": [expected] } }));
        let outcome = run(config(written)).await;
        assert_eq!(verdict(&outcome), (Status::Up, "none"), "{kind}: {outcome:?}");
        let outcome = run(config(other)).await;
        assert_eq!((outcome.status, failed(&outcome)), (Status::Down, vec!["equals"]), "{kind}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_as_expected_is_up_and_another_one_says_what_is_missing() {
    let server =
        Nameserver::of(&[("A", "192.0.2.1", 60), ("A", "192.0.2.2", 300), ("TXT", "\"v=spf1 -all\"", 1)]).await;
    for (more, missed) in [
        (json!({}), None),
        (json!({ "expect": { "equals": ["192.0.2.2", "192.0.2.1"] } }), None),
        (json!({ "expect": { "equals": ["192.0.2.1"] } }), Some("equals")),
        (json!({ "expect": { "equals": [] } }), Some("equals")),
        (json!({ "expect": { "contains": ["192.0.2.1"] } }), None),
        (json!({ "expect": { "contains": ["192.0.2.9"] } }), Some("contains")),
        (json!({ "expect": { "matches": "2$" } }), None),
        (json!({ "type": "TXT", "expect": { "matches": "^v=spf1 " } }), None),
        (json!({ "expect": { "matches": "^10" } }), Some("matches")),
        (json!({ "expect": { "count": 2 } }), None),
        (json!({ "expect": { "count": 3 } }), Some("count")),
        (json!({ "expect": { "count": { "min": 1, "max": 2 } } }), None),
        (json!({ "expect": { "count": { "max": 1 } } }), Some("count")),
        (json!({ "expect": { "ttl": { "min": "60s", "max": "5m" } } }), None),
        (json!({ "expect": { "ttl": { "min": "61s" } } }), Some("ttl")),
        (json!({ "expect": { "ttl": { "max": "299s" } } }), Some("ttl")),
        (json!({ "expect": { "none": true } }), Some("none")),
        (json!({ "type": "MX", "expect": { "none": true } }), None),
        (json!({ "type": "MX" }), Some("records")),
        (json!({ "type": "MX", "expect": { "ttl": { "min": "1s" } } }), Some("records")),
        (json!({ "expect": { "rcode": "NXDOMAIN" } }), Some("rcode")),
        (json!({ "name": "gone.example" }), Some("rcode")),
        (json!({ "name": "gone.example", "expect": { "rcode": "NXDOMAIN" } }), None),
        (json!({ "expect": { "authoritative": false } }), None),
        (json!({ "expect": { "authoritative": true } }), Some("authoritative")),
        (json!({ "recursion": false, "expect": { "authoritative": true } }), None),
        (json!({ "expect": { "latency": "1h" } }), None),
        (json!({ "expect": { "latency": { "down": "1ns" } } }), Some("latency")),
    ] {
        let outcome = run(at(server.address, more.clone())).await;
        let status = if missed.is_some() { Status::Down } else { Status::Up };
        assert_eq!((outcome.status, failed(&outcome)), (status, missed.into_iter().collect()), "{more}: {outcome:?}");
        assert_eq!(phases(&outcome), ["query"]);
    }
    let lenient = at(server.address, json!({ "expect": { "count": 3, "level": "degraded" } }));
    assert_eq!(run(lenient).await.status, Status::Degraded);
    let outcome = run(at(server.address, json!({}))).await;
    assert_eq!(outcome.message, "192.0.2.1, 192.0.2.2");
    let metrics: Vec<_> = outcome.metrics.iter().map(|metric| (metric.name.as_ref(), metric.value)).collect();
    assert_eq!(metrics, [("records", 2.0), ("ttl", 60.0)]);
}

#[tokio::test]
async fn an_alias_is_followed_within_the_answer_and_foreign_records_are_not_believed() {
    let server = Nameserver::start(
        false,
        Arc::new(|question| {
            let mut reply = reply(question);
            let at = |at: &str, kind: &str, text: &str| {
                let mut record = record(kind, text, 60);
                record.name = name(at);
                record
            };
            reply.add_answer(at("c.example.", "A", "192.0.2.3"));
            reply.add_answer(at("b.example.", "CNAME", "c.example."));
            reply.add_answer(at("a.example.", "CNAME", "b.example."));
            reply.add_answer(at("evil.example.", "A", "192.0.2.66"));
            reply
        }),
    )
    .await;
    let outcome = run(at(server.address, json!({ "expect": { "equals": ["192.0.2.3"] } }))).await;
    assert_eq!(outcome.status, Status::Up, "{outcome:?}");
}

#[tokio::test]
async fn every_transport_brings_the_answer() {
    let answer = from_zone(&[("A", "192.0.2.1", 60)]);
    let server = Nameserver::start(true, Arc::clone(&answer)).await;
    for (transport, expected) in [("udp", vec!["connect", "query"]), ("tcp", vec!["connect", "query"])] {
        let outcome = run(at(server.address, json!({ "transport": transport }))).await;
        assert_eq!((outcome.status, phases(&outcome)), (Status::Up, expected), "{transport}: {outcome:?}");
    }
    let authority = Authority::new("Test Root");
    let identity = authority.issue(|_| ());
    let (by_stream, by_post) = (Arc::clone(&answer), answer);
    let tls = serving(identity.server(&[&TLS13], &["dot"]), move |stream| {
        let answer = Arc::clone(&by_stream);
        async move { by_length(stream, &answer).await }
    })
    .await;
    let https = serving(identity.server(&[&TLS13], &["h2"]), move |stream| {
        let answer = Arc::clone(&by_post);
        async move { by_http(stream, &answer).await }
    })
    .await;
    for (transport, server) in [("tls", &tls), ("https", &https)] {
        let with = |ca: Value| at(server.address, json!({ "transport": transport, "tls": ca }));
        let outcome = run(with(json!({ "ca": authority.pem }))).await;
        assert_eq!((outcome.status, phases(&outcome)), (Status::Up, vec!["connect", "tls", "query"]), "{outcome:?}");
        let wrong = run(with(json!({ "ca": authority.pem, "server_name": "b.example" }))).await;
        assert_eq!(verdict(&wrong), (Status::Down, "tls_certificate_wrong_name"), "{wrong:?}");
    }
    let missing = json!({ "transport": "https", "path": "/gone", "tls": { "ca": authority.pem } });
    let outcome = run(at(https.address, missing)).await;
    assert_eq!(verdict(&outcome), (Status::Down, "invalid_response"), "{outcome:?}");
    assert!(outcome.message.contains("404"), "{}", outcome.message);
}

/// Answers questions that are posted to `/dns-query` over HTTP/2.
async fn by_http<S: AsyncRead + AsyncWrite + Unpin>(stream: S, answer: &Answer) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if request.uri().path() != "/dns-query" {
            let gone = http::Response::builder().status(404).body(()).unwrap();
            respond.send_response(gone, true).unwrap();
            continue;
        }
        assert_eq!(request.headers()["content-type"], "application/dns-message");
        let mut body = request.into_body();
        let read = async { body.data().await.unwrap().unwrap() };
        let question = tokio::select! {
            question = read => question,
            _ = connection.accept() => return,
        };
        let head = http::Response::builder().header("content-type", "application/dns-message").body(()).unwrap();
        let mut send = respond.send_response(head, false).unwrap();
        let reply = answer(&Message::from_vec(&question).unwrap()).to_vec().unwrap();
        send.send_data(reply.into(), true).unwrap();
    }
}

#[tokio::test]
async fn a_server_that_lies_breaks_off_or_stays_silent_is_down() {
    let outcome = run(at(closed(), json!({}))).await;
    assert_eq!(verdict(&outcome), (Status::Down, "connect_refused"), "{outcome:?}");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let outcome = run_for(at(silent.local_addr().unwrap(), json!({})), Duration::from_millis(200)).await;
    assert_eq!(verdict(&outcome), (Status::Down, "timeout"), "{outcome:?}");
    assert_eq!(outcome.evidence["phase"], "query");

    // Somebody else's answers are passed over, until the right one comes.
    let liar: Answer = Arc::new(|question| {
        let mut reply = reply(question);
        reply.queries[0] = Query::query(name("b.example."), RecordType::A);
        reply.add_answer(record("A", "192.0.2.66", 60));
        reply
    });
    let server = Nameserver::start(false, Arc::clone(&liar)).await;
    let outcome = run_for(at(server.address, json!({})), Duration::from_millis(200)).await;
    assert_eq!(verdict(&outcome), (Status::Down, "timeout"), "{outcome:?}");
    let outcome = run(at(server.address, json!({ "transport": "tcp" }))).await;
    assert_eq!(verdict(&outcome), (Status::Down, "invalid_response"), "{outcome:?}");

    for (said, kind) in [
        (&b"\x00\x04\x00"[..], "connection_closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "connection_closed"),
        (b"\x00\x02\x00\x00", "invalid_response"),
    ] {
        let server = Server::start(move |mut stream| async move {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(said).await;
        })
        .await;
        let outcome = run(at(server.address, json!({ "transport": "tcp" }))).await;
        assert_eq!(verdict(&outcome), (Status::Down, kind), "{said:?}: {outcome:?}");
    }
    let refusing: Answer = Arc::new(|question| {
        let mut reply = reply(question);
        reply.metadata.response_code = ResponseCode::Refused;
        reply
    });
    let server = Nameserver::start(false, refusing).await;
    let outcome = run(at(server.address, json!({}))).await;
    assert_eq!(outcome.message, "rcode: expected NOERROR, got REFUSED");
}

#[tokio::test]
async fn that_none_of_our_own_nameservers_can_tell_is_unknown_and_one_that_can_is_enough() {
    let failing = |code| -> Answer {
        Arc::new(move |question| {
            let mut reply = reply(question);
            reply.metadata.response_code = code;
            reply
        })
    };
    let refuses = Nameserver::start(false, failing(ResponseCode::Refused)).await;
    let fails = Nameserver::start(false, failing(ResponseCode::ServFail)).await;
    let missing = Nameserver::start(false, failing(ResponseCode::NXDomain)).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (silent, closed) = (silent.local_addr().unwrap(), closed());
    for (servers, expected) in [
        (vec![], (Status::Unknown, "dns_failed")),
        (vec![closed], (Status::Unknown, "dns_failed")),
        (vec![refuses.address, fails.address], (Status::Unknown, "dns_failed")),
        (vec![silent], (Status::Unknown, "dns_timeout")),
        (vec![fails.address, missing.address], (Status::Down, "none")),
        (vec![closed, silent, missing.address], (Status::Down, "none")),
    ] {
        let kind = Dns::with_resolver(DialPolicy::open(), Resolver::with_servers(servers.clone()));
        let check = kind.build(&json!({ "name": "a.example" })).unwrap();
        let cx = CheckContext::new(MonitorId::new(), "test", NOW, Duration::from_millis(600));
        let outcome = check.run(&cx).await.unwrap();
        assert_eq!(verdict(&outcome), expected, "{servers:?}: {outcome:?}");
    }
}

/// Keys of the zone `example`, and a server that signs with them.
struct Signed {
    key: DnssecSigner,
    records: RecordSet,
}

impl Signed {
    fn new(days: u64) -> Self {
        let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let mut records = RecordSet::new(name("a.example."), RecordType::A, 0);
        records.insert(record("A", "192.0.2.1", 60), 0);
        let valid = Duration::from_secs(days * 86_400);
        Self { key: DnssecSigner::new(dnskey, Box::new(key), name("example."), valid), records }
    }

    fn signature(&self, set: &RecordSet) -> Record {
        let since = rcgen::date_time_ymd(2020, 1, 1);
        let signature = RRSIG::from_rrset(set, DNSClass::IN, since, &self.key).unwrap();
        Record::from_rdata(set.name().clone(), 60, RData::DNSSEC(DNSSECRData::RRSIG(signature)))
    }

    fn anchor(&self) -> String {
        format!("example. IN DNSKEY {}\n", self.key.to_dnskey())
    }

    /// Answers with the records of `a.example`, or the key of `example`, and their signatures.
    fn answer(self, tampered: bool) -> Answer {
        let mut keys = RecordSet::new(name("example."), RecordType::DNSKEY, 0);
        keys.insert(
            Record::from_rdata(name("example."), 60, RData::DNSSEC(DNSSECRData::DNSKEY(self.key.to_dnskey()))),
            0,
        );
        Arc::new(move |question| {
            let mut reply = reply(question);
            let set = if question.queries[0].query_type == RecordType::DNSKEY { &keys } else { &self.records };
            reply.add_answers(set.records_without_rrsigs().cloned());
            reply.add_answer(self.signature(set));
            if tampered && set.record_type() == RecordType::A {
                reply.answers[0] = record("A", "192.0.2.66", 60);
            }
            reply
        })
    }
}

#[tokio::test]
async fn an_answer_is_secure_when_its_signatures_lead_to_a_trusted_key_and_not_otherwise() {
    const YEARS: u64 = 30 * 365;
    let (good, tampered, old, foreign) = (Signed::new(YEARS), Signed::new(YEARS), Signed::new(1), Signed::new(YEARS));
    let (good_anchor, tampered_anchor, old_anchor) = (good.anchor(), tampered.anchor(), old.anchor());
    let (elsewhere, unsigned) = (Signed::new(YEARS).anchor(), from_zone(&[("A", "192.0.2.1", 60)]));
    for (case, answer, anchor, secure) in [
        ("good", good.answer(false), good_anchor, true),
        ("tampered with", tampered.answer(true), tampered_anchor, false),
        ("out of date", old.answer(false), old_anchor, false),
        ("signed by somebody else", foreign.answer(false), elsewhere.clone(), false),
        ("not signed", unsigned, elsewhere, false),
    ] {
        let server = Nameserver::start(false, answer).await;
        let config = at(server.address, json!({ "trust_anchors": anchor, "expect": { "dnssec": true } }));
        let outcome = run(config).await;
        let (status, missed) = if secure { (Status::Up, vec![]) } else { (Status::Down, vec!["dnssec"]) };
        assert_eq!((outcome.status, failed(&outcome)), (status, missed), "{case}: {outcome:?}");
    }
}

#[test]
fn what_can_not_be_meant_is_refused_when_the_check_is_built() {
    let name = "a.example";
    for (config, words) in [
        (json!({ "name": "" }), "invalid name"),
        (json!({ "name": "a..example" }), "invalid name"),
        (json!({ "name": name, "type": "AXFR" }), "invalid type: unknown type \"AXFR\""),
        (json!({ "name": name, "server": "169.254.169.254" }), "invalid server: the dial policy forbids"),
        (json!({ "name": name, "transport": "tls" }), "invalid transport: it needs a server"),
        (json!({ "name": name, "server": "192.0.2.1", "tls": {} }), "invalid tls"),
        (json!({ "name": name, "path": "dns" }), "invalid path"),
        (json!({ "name": name, "trust_anchors": "rubbish" }), "invalid trust_anchors"),
        (json!({ "name": name, "expect": { "equals": ["::1"] } }), "invalid expect.equals: \"::1\" is no IPv4"),
        (json!({ "name": name, "expect": { "none": true, "count": 1 } }), "invalid expect.none"),
        (json!({ "name": name, "expect": { "count": {} } }), "invalid expect.count: says nothing"),
        (json!({ "name": name, "expect": { "ttl": { "min": "2s", "max": "1s" } } }), "invalid expect.ttl.max"),
        (json!({ "name": name, "expect": { "matches": "(" } }), "invalid expect.matches"),
        (json!({ "name": name, "expect": { "rcode": "FINE" } }), "invalid expect.rcode"),
        (json!({ "name": name, "colour": 1 }), "unknown field `colour`"),
    ] {
        let error = Dns::new(DialPolicy::open())
            .build(&config)
            .err()
            .unwrap_or_else(|| panic!("{config} is refused"))
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_address_of_a_host_is_asked_for_by_its_reverse_name() {
    let config = json!({ "name": "2001:db8::1", "type": "PTR" });
    assert!(Dns::new(DialPolicy::open()).build(&config).is_ok());
}
