//! How to speak TLS, as it is written in a config.

use pingmon_core::error::{Error, Result};
use rustls::{
    ClientConfig, ConfigBuilder,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Most protocols that are offered by ALPN.
const MAX_ALPN: usize = 16;

/// How to speak TLS. Certificates and keys are PEM; `{ file = "ca.pem" }` reads them from a file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSettings {
    /// The name that is asked for (SNI) and that the certificate has to be valid for; the host of the address unless
    /// set.
    pub(crate) server_name: Option<String>,
    /// Root certificates to trust instead of the system's.
    pub(crate) ca: Option<String>,
    /// The certificate that is shown to a target that asks for one.
    pub(crate) client: Option<ClientCertificate>,
    /// Protocols to offer by ALPN, the best first, at most 16: `["h2", "http/1.1"]`.
    #[serde(default)]
    pub(crate) alpn: Vec<String>,
}

/// The certificate that is shown to a target that asks for one, once its own turned out to be trusted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientCertificate {
    /// The certificate and those between it and its root, in PEM.
    certificate: String,
    /// Its private key in PEM, not encrypted; a secret.
    #[schemars(with = "String")]
    key: SecretString,
}

impl TlsSettings {
    /// The name that the certificate has to be valid for.
    ///
    /// # Errors
    /// [`Error::Config`] when it isn't one.
    pub(super) fn name(&self, field: &str, host: &str) -> Result<ServerName<'static>> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| {
            let reason = format!("{name:?} is no host name or IP address that a certificate can be valid for");
            Error::config(format!("{field}server_name"), reason)
        })
    }

    /// The protocols to offer.
    ///
    /// # Errors
    /// [`Error::Config`] when there are too many or one of them is of no possible length.
    pub(super) fn alpn(&self, field: &str) -> Result<Vec<Vec<u8>>> {
        if self.alpn.len() > MAX_ALPN {
            return Err(Error::config(field, format!("more than {MAX_ALPN} protocols; offer fewer")));
        }
        match self.alpn.iter().find(|protocol| !(1..=255).contains(&protocol.len())) {
            Some(_) => Err(Error::config(field, "a protocol has 1 to 255 bytes, such as \"h2\"")),
            None => Ok(self.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect()),
        }
    }
}

impl ClientCertificate {
    /// Adds the certificate to a configuration.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be read or doesn't fit together.
    pub(super) fn present(
        &self,
        field: &str,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig> {
        let chain = certificates(&format!("{field}.certificate"), &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes()).map_err(|_| {
            Error::config(format!("{field}.key"), "it holds no private key in PEM that isn't encrypted")
        })?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| Error::config(field, format!("the certificate and its key can't be used: {e}")))
    }
}

/// Reads one or more certificates in PEM.
///
/// # Errors
/// [`Error::Config`] naming `field` when there is none or one of them can't be read.
pub(super) fn certificates(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::config(field, "it holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")")),
    }
}
