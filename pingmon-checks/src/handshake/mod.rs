//! TLS on a connection that is already there. What the target presents is captured whether it can be trusted or not;
//! what follows from that is the caller's business.

mod recorder;
mod settings;
mod trust;

use std::{io, sync::Arc, time::Duration};

use pingmon_core::{
    error::{Error, Result},
    time::Timestamp,
    tls,
};
use rustls::{
    ClientConfig,
    client::{Resumption, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::recorder::Recorder;
#[cfg(feature = "tls")]
pub(crate) use self::settings::ClientCertificate;
pub(crate) use self::{recorder::Presented, settings::TlsSettings, trust::SystemTrust};
use crate::fault::{self, Fault};

/// The client's side of a handshake, built once and used at each run.
#[derive(Debug)]
pub(crate) struct Handshake {
    config: ClientConfig,
    verifier: Arc<dyn ServerCertVerifier>,
    name: ServerName<'static>,
    shows_certificate: bool,
}

impl Handshake {
    /// Builds the handshake with `host`, or with the name that the settings give. `field` is where they stand in the
    /// config, with a dot at its end unless it is empty.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be used.
    pub(crate) fn build(field: &str, settings: &TlsSettings, host: &str, system: &SystemTrust) -> Result<Self> {
        let name = settings.name(field, host)?;
        let verifier = match &settings.ca {
            Some(pem) => trust::of_roots(&format!("{field}ca"), pem)?,
            None => system.verifier()?,
        };
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::config("tls", format!("the TLS provider can't be used: {e}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier));
        let mut config = match &settings.client {
            Some(client) => client.present(&format!("{field}client"), builder)?,
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = settings.alpn(&format!("{field}alpn"))?;
        Ok(Self { config, verifier, name, shows_certificate: settings.client.is_some() })
    }

    /// The name that the certificate has to be valid for.
    pub(crate) fn name(&self) -> String {
        self.name.to_str().into_owned()
    }

    /// Shakes hands, judging dates by `now`. A certificate that can't be trusted doesn't end the handshake, so that the
    /// rest can be seen; but our own certificate is shown only to a target that can be trusted.
    pub(crate) async fn over<S>(&self, stream: S, now: Timestamp) -> (Presented, Result<TlsStream<S>, Fault>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let recorder = Arc::new(Recorder::new(Arc::clone(&self.verifier), now, self.shows_certificate));
        let mut config = self.config.clone();
        config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
        let connecting = TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream);
        let ended = connecting.await.map_err(|error| broken(&error));
        (recorder.presented(), ended)
    }

    /// Shakes hands with a target that has to be trusted before anything is said to it.
    #[cfg(any(feature = "tcp", feature = "dns", feature = "wasm"))]
    pub(crate) async fn trusted<S>(&self, stream: S, now: Timestamp) -> Result<TlsStream<S>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (presented, ended) = self.over(stream, now).await;
        match presented.faults(&self.name()).into_iter().next() {
            Some(fault) => Err(fault),
            None => ended,
        }
    }
}

/// Why a handshake didn't come to its end.
fn broken(error: &io::Error) -> Fault {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| fault::talking(error), fault::tls)
}
