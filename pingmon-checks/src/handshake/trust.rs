//! Whom a handshake trusts: the system's roots, read once when they are first needed, or given ones.

use std::sync::{Arc, OnceLock};

use pingmon_core::{
    error::{Error, Result},
    tls,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
};

use super::settings::certificates;

/// What the system trusts.
#[derive(Debug, Default)]
pub(crate) struct SystemTrust(OnceLock<Arc<dyn ServerCertVerifier>>);

impl SystemTrust {
    /// The system's judgement on certificates.
    ///
    /// # Errors
    /// [`Error::Config`] when the system's roots can't be read.
    pub(super) fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>> {
        if let Some(known) = self.0.get() {
            return Ok(Arc::clone(known));
        }
        let read = tls::verifier()?;
        Ok(Arc::clone(self.0.get_or_init(|| read)))
    }
}

/// Trust in the given roots alone.
///
/// # Errors
/// [`Error::Config`] naming `field` when they can't be used.
pub(super) fn of_roots(field: &str, pem: &str) -> Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(field, pem)? {
        roots.add(certificate).map_err(|e| Error::config(field, format!("a certificate can't be a root: {e}")))?;
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build();
    Ok(built.map_err(|e| Error::config(field, format!("the certificates can't be used: {e}")))?)
}
