//! A well-behaved HTTP server, plain or over TLS, in HTTP/1.1 and HTTP/2, that answers each request with what it
//! understood of it, in JSON. Ends when it is dropped.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
    serve::Listener,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::{Map, Value, json};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Echo {
    pub(crate) async fn plain() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, _tasks: serve(listener) }
    }

    pub(crate) async fn tls(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { address, _tasks: serve(TlsListener { listener, acceptor }) }
    }

    pub(crate) fn url(&self, scheme: &str, host: &str, path: &str) -> String {
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }
}

/// The same at a Unix socket, for as long as what it returns lives.
pub(crate) fn at_socket(path: &std::path::Path) -> JoinSet<()> {
    serve(UnixListener::bind(path).unwrap())
}

fn serve<L: Listener<Addr: std::fmt::Debug>>(listener: L) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let app = Router::new().fallback(echo);
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    tasks
}

async fn echo(request: Request) -> (StatusCode, HeaderMap, Json<Value>) {
    let (head, body) = request.into_parts();
    let mut headers = Map::new();
    for name in head.headers.keys() {
        let values = head.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        headers.insert(name.to_string(), Value::Array(values.collect()));
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let said = json!({
        "method": head.method.as_str(),
        "target": head.uri.path_and_query().map(ToString::to_string),
        "authority": head.uri.authority().map(ToString::to_string),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    (StatusCode::OK, HeaderMap::new(), Json(said))
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// An authority and a certificate it signed for `localhost`, `shop.example` and 127.0.0.1.
pub(crate) struct Pki {
    pub(crate) ca: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    key: Vec<u8>,
    ca_der: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", AUTHORITIES.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let ca = params.self_signed(&authority).unwrap();
        let issuer = rcgen::Issuer::new(params, authority);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost", "shop.example", "127.0.0.1"].map(str::to_owned);
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self {
            ca: ca.pem(),
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
            ca_der: ca.der().clone(),
        }
    }

    /// A server's configuration; `clients` says whether it wants to see a client's certificate.
    pub(crate) fn server(&self, alpn: &[&str], clients: bool) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca_der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let mut config = builder.with_single_cert(vec![self.certificate.clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// The certificate and its key as PKCS#12 in base64.
    pub(crate) fn pkcs12(&self, passphrase: &str) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
        let mut store = KeyStore::new();
        let certificate = Certificate::from_der(&self.certificate).unwrap();
        let key = PrivateKey::from_der(&self.key).unwrap();
        let chain = PrivateKeyChain::new(b"1".to_vec(), key, [certificate]);
        store.add_entry("client", KeyStoreEntry::PrivateKeyChain(chain));
        BASE64_STANDARD.encode(store.writer(passphrase).encryption_iterations(1).mac_iterations(1).write().unwrap())
    }
}
