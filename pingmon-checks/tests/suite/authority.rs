//! A certificate authority of a test's own, and TLS servers with whatever certificates it issued.

use std::sync::Arc;

use pingmon_core::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::server::Server;

/// The time at which the tests' certificates are judged: 30 days before the ordinary ones expire.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_780_272_000_000_000);

/// A root that nobody trusts unless told to.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key and those that stand above it.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<PrivateKeyDer<'static>>,
    pub(crate) ocsp: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = dated((2026, 1, 1), (2027, 1, 1), Vec::new());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Self { pem: root.pem(), der: root.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for `localhost`, good from January to July 2026, changed as `change` says.
    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = ordinary();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(vec![leaf.der().clone(), self.der.clone()], &key)
    }
}

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self { chain, key: Arc::new(key), ocsp: Vec::new() }
    }

    /// A certificate that nobody vouches for.
    pub(crate) fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let leaf = ordinary().self_signed(&key).unwrap();
        Self::new(vec![leaf.der().clone()], &key)
    }

    /// The server's side, with the newest protocols or older ones.
    pub(crate) fn server(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert_with_ocsp(self.chain.clone(), self.key.clone_key(), self.ocsp.clone())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A server that shakes hands and waits for the client to leave.
    pub(crate) async fn serve(&self) -> Server {
        serving(self.server(&[&TLS13, &TLS12], &[]), |stream| async move { drain(stream).await }).await
    }
}

/// A server that does `answer` to each connection under TLS.
pub(crate) async fn serving<F, Fut>(acceptor: TlsAcceptor, answer: F) -> Server
where
    F: Fn(TlsStream<TcpStream>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Server::start(move |stream| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream).await;
            }
        }
    })
    .await
}

/// Reads until the client leaves.
pub(crate) async fn drain(mut stream: TlsStream<TcpStream>) {
    let mut bytes = [0; 1_024];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

fn ordinary() -> CertificateParams {
    let mut params = dated((2026, 1, 1), (2026, 7, 1), vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn dated(from: (i32, u8, u8), to: (i32, u8, u8), names: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    params
}
