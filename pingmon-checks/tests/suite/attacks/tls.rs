//! TLS that is broken in every way a server can break it: the verdict names the way.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use pingmon_core::dial::DialPolicy;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use serde_json::json;

use super::{attempt, http, judge};

/// Where the roots that are trusted stand; the platform's verifier reads them from here.
const ROOTS: &str = "SSL_CERT_FILE";

/// What serves one connection.
type Serve = Box<dyn Fn(TcpStream) + Send>;

/// An authority, in a file that another process trusts.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for `name` with what `change` makes of it, and its key.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().der().clone(), key)
    }
}

/// Serves whatever chain and key it is given, also those that don't belong together.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(Arc::new(CertifiedKey::new(vec![certificate], key)))))
}

/// Speaks TLS, and HTTP if it comes to that.
fn tls(config: ServerConfig) -> Serve {
    let config = Arc::new(config);
    Box::new(move |mut stream| {
        let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = rustls::Stream::new(&mut session, &mut stream);
        // The other side breaks it off, which is the point of most.
        if tls.read(&mut [0; 1024]).is_ok() {
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    })
}

/// Reads what the client says first, and answers with these bytes.
fn raw(bytes: &'static [u8]) -> Serve {
    Box::new(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0; 4096]);
    })
}

/// Every way, with the start of the verdict it gets.
fn ways(authority: &Authority) -> Vec<(&'static str, Serve, &'static str)> {
    let issue = |change: fn(&mut CertificateParams)| authority.issue("localhost", change);
    let shown = |(certificate, key): (CertificateDer<'static>, KeyPair)| tls(config(certificate, &key));
    let fine = || issue(|_| {});
    let alone = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (other_key, client_roots) = (KeyPair::generate().unwrap(), {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        Arc::new(roots)
    });
    let mut foreign_protocol = {
        let (certificate, key) = fine();
        config(certificate, &key)
    };
    foreign_protocol.alpn_protocols = vec![b"imap".to_vec()];
    let (certificate, key) = fine();
    let provider = Arc::new(ring::default_provider());
    let wants_client = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(client_roots, provider).build().unwrap())
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    vec![
        ("nothing broken", shown(fine()), "up"),
        ("self-signed", tls(config(alone.cert.der().clone(), &alone.signing_key)), "down tls_certificate_"),
        (
            "unknown issuer",
            shown(Authority::new("somebody else").issue("localhost", |_| {})),
            "down tls_certificate_unknown_issuer",
        ),
        ("expired", shown(issue(|it| it.not_after = date_time_ymd(2020, 1, 1))), "down tls_certificate_expired"),
        (
            "not yet valid",
            shown(issue(|it| it.not_before = date_time_ymd(2090, 1, 1))),
            "down tls_certificate_not_yet_valid",
        ),
        ("of another name", shown(authority.issue("other.example", |_| {})), "down tls_certificate_wrong_name"),
        ("key of another certificate", tls(config(fine().0, &other_key)), "down tls_"),
        ("no certificate at all", tls(config(CertificateDer::from(Vec::new()), &other_key)), "down tls_"),
        ("junk for a certificate", tls(config(CertificateDer::from(vec![7; 64]), &other_key)), "down tls_"),
        ("another protocol on top", tls(foreign_protocol), "down tls_refused"),
        ("wants a client certificate", tls(wants_client), "down tls_client_certificate_required"),
        ("an alert", raw(b"\x15\x03\x03\x00\x02\x02\x28"), "down tls_refused"),
        ("TLS 1.0 only", raw(b"\x15\x03\x01\x00\x02\x02\x46"), "down tls_protocol_too_old"),
        ("plain HTTP", raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "down not_tls"),
        ("another protocol's greeting", raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "down not_tls"),
        ("a record too long", raw(b"\x16\x03\x03\xff\xff"), "down tls_"),
        ("a broken hello", raw(b"\x16\x03\x03\x00\x04\x02\x00\x00\xff"), "down "),
        ("the end", raw(b""), "down connection_"),
        ("silence", Box::new(|_stream| thread::sleep(Duration::from_secs(3))), "down timeout"),
    ]
}

#[test]
fn broken_tls_is_down_with_the_way_it_is_broken() {
    // Which roots are trusted is in the environment, which is everybody's: another process runs the table.
    let authority = Authority::new("authority of tests");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(authority.0.pem().as_bytes()).unwrap();
    let (mut targets, mut listed) = (Vec::new(), Vec::new());
    for (name, serve, expected) in ways(&authority) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listed.push(json!([name, listener.local_addr().unwrap().port(), expected]));
        targets.push(thread::spawn(move || serve(listener.accept().unwrap().0)));
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["attacks::tls::the_table_in_another_process", "--exact", "--ignored", "--nocapture"]);
    let ended = child.env(ROOTS, file.path()).env(TABLE, json!(listed).to_string()).output().unwrap();
    println!("{}", String::from_utf8_lossy(&ended.stdout));
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// What the other process probes: name, port and expected verdict of each.
const TABLE: &str = "PINGMON_TEST_TABLE";

#[test]
#[ignore = "run by `broken_tls_is_down_with_the_way_it_is_broken` with roots of its own"]
#[allow(clippy::disallowed_methods, reason = "the test that starts this process says what to probe")]
fn the_table_in_another_process() {
    let table: Vec<(String, u16, String)> = serde_json::from_str(&std::env::var(TABLE).unwrap()).unwrap();
    let probe = |(name, port, _): &(String, u16, String)| {
        attempt(name, http(DialPolicy::open()), &json!({ "url": format!("https://localhost:{port}/") }))
    };
    let rows: Vec<_> = table.iter().map(probe).collect();
    judge("broken TLS", &rows);
    for (row, (name, _, expected)) in rows.iter().zip(&table) {
        assert!(row.verdict.starts_with(expected), "{name}: {}", row.verdict);
    }
}
