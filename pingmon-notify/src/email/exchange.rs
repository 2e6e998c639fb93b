//! One mail handed over to a mail server (RFC 5321), on a connection of its own.

use std::{fmt, sync::Arc, time::Duration};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
};

use super::{Config, Tls};
use crate::{
    dial::{self, Dialer},
    secret::Secret,
    text::one_line,
};

/// How much of what a server said an error repeats, in characters.
const MAX_REASON: usize = 300;
/// How long a server may take to say goodbye; the mail is its own by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// A mail server, and how to speak with it.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: Tls,
    trust: Option<TlsParameters>,
    login: Option<(Credentials, Secret)>,
    hello: ClientId,
    policy: Arc<DialPolicy>,
}

impl Server {
    /// # Errors
    /// [`Error::Config`] naming the bad field.
    pub(super) fn new(config: &Config, domain: &str, dialer: &Dialer) -> Result<Self> {
        if config.host.is_empty() || config.host.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Error::config("host", "is to be the name or the address of a mail server"));
        }
        let login = match (&config.username, &config.password) {
            (None, None) => None,
            (Some(_), Some(_)) if config.tls == Tls::None => {
                return Err(Error::config("tls", "is \"none\", and a password isn't sent in the clear"));
            }
            (Some(name), Some(password)) => {
                Some((Credentials::new(name.clone(), password.expose().to_owned()), password.clone()))
            }
            (Some(_), None) => return Err(Error::config("password", "is missing, or username is too much")),
            (None, Some(_)) => return Err(Error::config("username", "is missing, or password is too much")),
        };
        let port = config.port.unwrap_or(if config.tls == Tls::Implicit { 465 } else { 587 });
        let trust = if config.tls == Tls::None { None } else { Some(trust(&config.host, config.ca.as_deref())?) };
        let hello = ClientId::Domain(domain.to_owned());
        let policy = Arc::clone(dialer.policy());
        Ok(Self { host: config.host.clone(), port, tls: config.tls, trust, login, hello, policy })
    }

    /// Hands a mail over. `Ok` means that the server answered 250 to the final dot.
    ///
    /// # Errors
    /// [`Error::Delivery`]. All but 5xx answers, and what the server can't do, is worth another attempt.
    pub(super) async fn take(&self, envelope: &Envelope, mail: &[u8]) -> Result<()> {
        let mut connection = self.connect().await?;
        self.greet(&mut connection).await?;
        let sender = Mail::new(envelope.from().cloned(), Vec::new());
        connection.command(sender).await.map_err(|error| self.refused("the sender", &error))?;
        let mut refusals = Vec::new();
        for receiver in envelope.to() {
            if let Err(error) = connection.command(Rcpt::new(receiver.clone(), Vec::new())).await {
                refusals.push((receiver, error));
            }
        }
        if let Some((receiver, error)) = worst(&refusals).filter(|_| refusals.len() == envelope.to().len()) {
            return Err(self.refused(receiver.as_ref(), error));
        }
        connection.command(Data).await.map_err(|error| self.refused("to take a mail", &error))?;
        connection.message(mail).await.map_err(|error| self.refused("the mail", &error))?;
        // Whether it says goodbye is of no account.
        let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
        match worst(&refusals) {
            Some((receiver, error)) if !error.is_permanent() => Err(self.refused(receiver.as_ref(), error)),
            Some((receiver, error)) => {
                let reason = self.refused(receiver.as_ref(), error).to_string();
                tracing::warn!(refused = refusals.len(), reason, "a mail was taken for some of its receivers only");
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection> {
        let addresses = dial::addresses(&self.policy, &self.host, self.port).await;
        let addresses = addresses.map_err(|error| self.failed(&format!("can't be reached: {error}"), true))?;
        let tls = if self.tls == Tls::Implicit { self.trust.clone() } else { None };
        let connected = AsyncSmtpConnection::connect_tokio1(&addresses[..], None, &self.hello, tls, None).await;
        connected.map_err(|error| self.refused("a connection", &error))
    }

    /// Encrypts the connection and logs in, as far as that is wanted.
    async fn greet(&self, connection: &mut AsyncSmtpConnection) -> Result<()> {
        if let (Tls::Starttls, Some(trust)) = (self.tls, &self.trust) {
            let started = connection.starttls(trust.clone(), &self.hello).await;
            started.map_err(|error| self.refused("STARTTLS", &error))?;
        }
        if let Some((credentials, _)) = &self.login {
            let logged_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            logged_in.map_err(|error| self.refused("the login", &error))?;
        }
        Ok(())
    }

    fn refused(&self, what: &str, error: &SmtpError) -> Error {
        self.failed(&format!("refused {what}: {error}"), !error.is_permanent() && !error.is_client())
    }

    /// What an attempt failed with, without secrets.
    pub(super) fn failed(&self, reason: &str, retryable: bool) -> Error {
        let reason = match &self.login {
            Some((_, password)) => reason.replace(password.expose(), "[secret]"),
            None => reason.to_owned(),
        };
        Error::Delivery { reason: format!("{self} {}", one_line(&reason, MAX_REASON)), retryable, retry_after: None }
    }
}

/// The refusal that says most on what is to be done: one for now, if there is any.
fn worst<'a>(refusals: &'a [(&'a Address, SmtpError)]) -> Option<(&'a Address, &'a SmtpError)> {
    let for_now = refusals.iter().find(|(_, error)| !error.is_permanent());
    for_now.or(refusals.first()).map(|(receiver, error)| (*receiver, error))
}

/// Trust in the system's roots, and in the authorities of `ca`.
fn trust(host: &str, ca: Option<&str>) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca {
        let certificate = Certificate::from_pem(pem.as_bytes()).ok().filter(|_| pem.contains("BEGIN CERTIFICATE"));
        builder = builder.add_root_certificate(certificate.ok_or(Error::config("ca", "is no certificate in PEM"))?);
    }
    builder.build_rustls().map_err(|error| Error::config("tls", format!("the TLS roots can't be used: {error}")))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
