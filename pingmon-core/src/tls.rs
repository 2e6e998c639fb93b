//! The one place where a TLS provider and trusted roots are chosen. It installs nothing process-wide.

use std::sync::Arc;

use rustls::{
    ClientConfig,
    client::{Resumption, danger::ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};

use crate::error::{Error, Result};

/// The process's default provider if the host installed one, ring otherwise.
pub fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// What the host's system trusts, for those who judge a certificate by themselves. Reads the roots anew.
///
/// # Errors
/// [`Error::Config`] when the system's roots can't be read.
pub fn verifier() -> Result<Arc<dyn ServerCertVerifier>> {
    Ok(Arc::new(Verifier::new(provider()).map_err(refused)?))
}

/// A client configuration that trusts what the host's system trusts. Sessions are never resumed, since a resumed one
/// hides a swapped certificate.
///
/// # Errors
/// [`Error::Config`] when the system's roots can't be read or the provider lacks safe protocol versions.
pub fn client_config() -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(refused)?
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn refused(error: rustls::Error) -> Error {
    Error::config("tls", format!("the system's TLS roots can't be used: {error}"))
}
