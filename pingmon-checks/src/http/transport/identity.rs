//! The certificate by which a client shows who it is.

use std::sync::Arc;

use pingmon_core::error::{Error, Result};
use rustls::{
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::config::Tls;

/// The client's certificate, if the config has one.
///
/// # Errors
/// [`Error::Config`] naming what can't be used.
pub(super) fn of(config: &Tls, provider: &CryptoProvider) -> Result<Option<Arc<dyn ResolvesClientCert>>> {
    let (field, (chain, key)) = match (&config.certificate, &config.key, &config.pkcs12) {
        (None, None, None) if config.passphrase.is_some() => {
            return Err(Error::config("tls.passphrase", "it belongs to `pkcs12`, which isn't given"));
        }
        (None, None, None) => return Ok(None),
        (Some(certificate), Some(key), None) => ("tls.key", from_pem(certificate, key)?),
        (None, None, Some(archive)) => ("tls.pkcs12", from_pkcs12(archive, config.passphrase.as_ref())?),
        (Some(_), None, None) => return Err(Error::config("tls.key", "it is missing; `certificate` needs it")),
        (None, Some(_), None) => return Err(Error::config("tls.certificate", "it is missing; `key` needs it")),
        _ => return Err(Error::config("tls.pkcs12", "it takes the place of `certificate` and `key`; leave them out")),
    };
    let signing = provider.key_provider.load_private_key(key);
    let signing = signing.map_err(|error| Error::config(field, format!("the key can't be used: {error}")))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => {
            return Err(Error::config(field, "the key isn't the certificate's; give the two that belong together"));
        }
    }
    Ok(Some(Arc::new(SingleCertAndKey::from(certified))))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_pem(certificate: &str, key: &SecretString) -> Result<Pair> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
        Error::config("tls.certificate", "no certificate in it; give it in PEM (-----BEGIN CERTIFICATE-----)")
    })?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(|_| {
        Error::config("tls.key", "no unencrypted key in it; give it in PEM (-----BEGIN PRIVATE KEY-----)")
    })?;
    Ok((chain, key))
}

#[cfg(not(feature = "pkcs12"))]
fn from_pkcs12(_: &SecretString, _: Option<&SecretString>) -> Result<Pair> {
    let reason = "this program was built without PKCS#12 (the feature `pkcs12`); give `certificate` and `key` in PEM";
    Err(Error::config("tls.pkcs12", reason))
}

#[cfg(feature = "pkcs12")]
fn from_pkcs12(archive: &SecretString, passphrase: Option<&SecretString>) -> Result<Pair> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
    use rustls::pki_types::PrivatePkcs8KeyDer;

    let refused = |reason: String| Error::config("tls.pkcs12", reason);
    let bytes = BASE64_STANDARD.decode(archive.expose_secret().replace(['\r', '\n'], ""));
    let bytes = bytes.map_err(|_| refused("it isn't base64; write what `base64 client.p12` makes of it".to_owned()))?;
    let passphrase = passphrase.map_or("", |passphrase| passphrase.expose_secret());
    let store = KeyStore::from_pkcs12(&bytes, passphrase, Pkcs12ImportPolicy::Relaxed);
    let store = store.map_err(|error| refused(format!("it can't be opened: {error}; check `passphrase`")))?;
    let (_, pair) = store.private_key_chain().ok_or_else(|| refused("no key with a certificate in it".to_owned()))?;
    let chain = pair.certs().iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec()));
    Ok((chain.collect(), PrivatePkcs8KeyDer::from(pair.key().as_der().to_vec()).into()))
}
