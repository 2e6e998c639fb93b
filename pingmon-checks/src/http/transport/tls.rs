//! TLS to a target: what it is set up with, and what came out of a handshake.

use std::{net::IpAddr, sync::Arc};

use pingmon_core::error::{Error, Result};
use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::{Host, Url};

use super::{
    config::{self, HttpVersion},
    identity,
    wire::Wire,
};
use crate::{
    fault::Fault,
    http::{answer::Session, fault},
};

const H2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// What TLS is set up with.
pub(super) struct Tls {
    /// Towards the URL's own origin: with the client's certificate, if there is one.
    home: Arc<ClientConfig>,
    elsewhere: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

/// What checks have in common: a choice of protocol, and no session that is resumed: that hides a swapped certificate.
pub(in crate::http) fn usual(mut tls: ClientConfig) -> Arc<ClientConfig> {
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![H2.to_vec(), HTTP_11.to_vec()];
    Arc::new(tls)
}

fn varied(base: &ClientConfig, config: &config::Tls, version: Option<HttpVersion>) -> Result<ClientConfig> {
    let (mut tls, provider) = (base.clone(), Arc::clone(base.crypto_provider()));
    match version {
        None => {}
        Some(HttpVersion::Http11) => tls.alpn_protocols = vec![HTTP_11.to_vec()],
        Some(HttpVersion::Http2) => tls.alpn_protocols = vec![H2.to_vec()],
    }
    match (&config.ca, config.verify) {
        (Some(_), Some(false)) => {
            return Err(Error::config("tls.ca", "it is of no use with verify = false; keep one of them"));
        }
        (Some(ca), _) => tls.dangerous().set_certificate_verifier(trusting(ca, &provider)?),
        (None, Some(false)) => tls.dangerous().set_certificate_verifier(Arc::new(Unverified(provider))),
        (None, _) => {}
    }
    Ok(tls)
}

impl Tls {
    /// Varies `base` by what the config says; what says nothing shares it.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be used.
    pub(super) fn compile(
        base: &Arc<ClientConfig>,
        config: &config::Tls,
        version: Option<HttpVersion>,
    ) -> Result<Self> {
        let elsewhere = match (&config.ca, config.verify, version) {
            (None, None | Some(true), None) => Arc::clone(base),
            _ => Arc::new(varied(base, config, version)?),
        };
        let home = match identity::of(config, base.crypto_provider())? {
            Some(resolver) => {
                let mut home = ClientConfig::clone(&elsewhere);
                home.client_auth_cert_resolver = resolver;
                Arc::new(home)
            }
            None => Arc::clone(&elsewhere),
        };
        let refused = |_| Error::config("tls.server_name", "it isn't a host's name");
        let server_name = config.server_name.clone().map(ServerName::try_from).transpose().map_err(refused)?;
        Ok(Self { home, elsewhere, server_name })
    }

    /// Agrees on TLS with the host of `url`.
    ///
    /// # Errors
    /// When the two don't agree.
    pub(super) async fn handshake(&self, wire: Wire, url: &Url, home: bool) -> Result<TlsStream<Wire>, Fault> {
        let (config, name) = match home {
            true => (&self.home, self.server_name.clone()),
            false => (&self.elsewhere, None),
        };
        let name = match name {
            Some(name) => name,
            None => server_name(url)?,
        };
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, wire);
        handshake.await.map_err(|error| fault::of_handshake(&error))
    }
}

fn server_name(url: &Url) -> Result<ServerName<'static>, Fault> {
    let name = match url.host() {
        Some(Host::Ipv4(v4)) => Some(ServerName::IpAddress(IpAddr::V4(v4).into())),
        Some(Host::Ipv6(v6)) => Some(ServerName::IpAddress(IpAddr::V6(v6).into())),
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        None => None,
    };
    name.ok_or_else(|| Fault::down("tls_failed", "the host's name is none that a certificate can hold"))
}

/// Whether HTTP/2 was agreed upon.
pub(super) fn chose_http2(stream: &TlsStream<Wire>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

/// What was agreed upon.
pub(super) fn session(stream: &TlsStream<Wire>) -> Option<Session> {
    let agreed = stream.get_ref().1;
    let version = match agreed.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "1.2",
        _ => "1.3",
    };
    let cipher = format!("{:?}", agreed.negotiated_cipher_suite()?.suite());
    let certificates = agreed.peer_certificates().unwrap_or_default();
    Some(Session {
        version,
        // rustls has names of its own for the suites of TLS 1.3.
        cipher: cipher.replacen("TLS13_", "TLS_", 1),
        certificates: certificates.iter().map(|certificate| certificate.to_vec()).collect(),
    })
}

fn trusting(ca: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let refused = |reason: &dyn std::fmt::Display| {
        Error::config("tls.ca", format!("{reason}; give certificates in PEM (-----BEGIN CERTIFICATE-----)"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|_| refused(&"no certificate in it"))?)
}

/// Takes whatever certificate is shown, but wants it to be the one that the handshake is signed with.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
