//! A verifier that keeps what the target presented and what the real verifier said of it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use crate::{
    certificate::Certificate,
    fault::{self, Fault},
};

/// What a target showed of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented {
    /// Its certificates as they were sent, its own first; none when the handshake broke before.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The answer of its issuer's OCSP responder that came along; empty when none did.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only `tls` looks at it"))]
    pub(crate) ocsp: Vec<u8>,
    /// Why the certificate can't be trusted.
    errors: Vec<Error>,
}

impl Presented {
    /// Why the certificate can't be trusted for `name`, each reason once; none when it can.
    pub(crate) fn faults(&self, name: &str) -> Vec<Fault> {
        let leaf = self.chain.first().and_then(|leaf| Certificate::parse(leaf).ok());
        self.errors.iter().map(|error| fault::certificate(error, leaf.as_ref(), name)).collect()
    }
}

/// Lets every certificate pass, unless it is strict, and keeps the real judgement.
#[derive(Debug)]
pub(super) struct Recorder {
    real: Arc<dyn ServerCertVerifier>,
    now: UnixTime,
    strict: bool,
    presented: Mutex<Presented>,
}

impl Recorder {
    /// Judges by `real` as of `now`; a strict one ends the handshake when the certificate can't be trusted.
    pub(super) fn new(real: Arc<dyn ServerCertVerifier>, now: UnixTime, strict: bool) -> Self {
        Self { real, now, strict, presented: Mutex::default() }
    }

    /// What was presented.
    pub(super) fn presented(&self) -> Presented {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The real verifier stops at the first fault it finds; the wrong name is looked for besides.
    fn errors(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &ServerName<'_>) -> Vec<Error> {
        let judged = self.real.verify_server_cert(leaf, others, name, &[], self.now);
        let mut errors: Vec<_> = judged.err().into_iter().collect();
        if !errors.iter().any(is_wrong_name)
            && let Err(error) = ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, name))
            && is_wrong_name(&error)
        {
            errors.push(error);
        }
        errors
    }
}

fn is_wrong_name(error: &Error) -> bool {
    use CertificateError as Bad;
    matches!(error, Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }))
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(others).map(|certificate| certificate.clone().into_owned()).collect();
        let errors = self.errors(leaf, others, name);
        let refusal = errors.first().cloned().filter(|_| self.strict);
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) =
            Presented { chain, ocsp: ocsp.to_vec(), errors };
        refusal.map_or_else(|| Ok(ServerCertVerified::assertion()), Err)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.real.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.real.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.real.supported_verify_schemes()
    }
}
