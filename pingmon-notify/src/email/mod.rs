//! The `email` channel: mail over SMTP, by STARTTLS or TLS from the start. A notice counts as sent when the server took
//! it (its 250 after the final dot) and never before.
//!
//! Every mail of an incident bears the same thread in its headers: the first one's Message-ID follows from the incident
//! and the channel, the later ones refer to it. A repeat is the same mail, byte for byte, so that a mailbox can tell.
//! Mail programs that sort by subject too need a `template.title` that stays, such as `{{ monitor.name }}`.
//!
//! 4xx answers, connections that break and time-outs are worth another attempt, also after the final dot; 5xx answers
//! are final. When some of several receivers are refused, the others get the mail: a refusal for now has it sent again to
//! all, a final one is logged.

mod exchange;
mod message;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use lettre::{
    address::Envelope,
    message::{Mailbox, Mailboxes},
};
use pingmon_core::{
    error::{Error, Result},
    notification::Notification,
    notifier::Notifier,
    time::Span,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{exchange::Server, message::FORM};
use crate::{
    Name,
    dial::Dialer,
    kind::{Channel, TIMEOUTS},
    secret::Secret,
    template,
    wording::Wording,
};

/// Most receivers of a channel.
const MAX_RECEIVERS: usize = 50;

/// Sends each notice as mail over SMTP, one thread an incident.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The mail server: its name, or its address.
    host: String,
    /// Its port: 587 when not given, 465 with `tls = "implicit"`.
    port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    tls: Tls,
    /// An authority to trust besides those of the system, as PEM.
    ca: Option<String>,
    /// Who logs in; nobody when not given.
    username: Option<String>,
    /// The password.
    password: Option<Secret>,
    /// The sender: "pingmon@example.com", or "Monitoring <pingmon@example.com>".
    from: String,
    /// The receivers, at most 50. For receivers who are to be told whatever becomes of others, write another notifier.
    to: Vec<String>,
    /// How long sending may take: from "1ms" to "30s", "20s" when not given.
    timeout: Option<Span>,
    /// Words of one's own: the title is the subject, the body HTML.
    template: Option<template::Config>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tls {
    /// It begins in the clear and must be encrypted by STARTTLS before anything is said.
    #[default]
    Starttls,
    /// From the start (SMTPS).
    Implicit,
    /// Not at all: for a relay on this host or network, without a password.
    None,
}

pub(crate) struct Email {
    server: Server,
    from: Mailbox,
    to: Mailboxes,
    envelope: Envelope,
    wording: Wording,
    timeout: Duration,
}

impl Channel for Email {
    const NAME: Name = Name::Email;
    type Config = Config;

    fn open(config: Config, dialer: &Dialer) -> Result<Self> {
        let timeout = config.timeout.map_or(Duration::from_secs(20), |Span(timeout)| timeout);
        Span(timeout).within("timeout", TIMEOUTS)?;
        let from = mailbox("from", &config.from)?;
        if config.to.is_empty() || config.to.len() > MAX_RECEIVERS {
            return Err(Error::config("to", format!("is to have 1 to {MAX_RECEIVERS} receivers")));
        }
        let mut to = Mailboxes::new();
        for (position, receiver) in config.to.iter().enumerate() {
            to.push(mailbox(&format!("to[{position}]"), receiver)?);
        }
        let receivers = to.iter().map(|mailbox| mailbox.email.clone()).collect();
        let envelope = Envelope::new(Some(from.email.clone()), receivers)
            .map_err(|error| Error::config("to", error.to_string()))?;
        let wording = Wording::new(FORM, config.template.clone())?;
        let server = Server::new(&config, from.email.domain(), dialer)?;
        Ok(Self { server, from, to, envelope, wording, timeout })
    }
}

/// An address with or without a name before it.
fn mailbox(field: &str, text: &str) -> Result<Mailbox> {
    let good = |mailbox: &Mailbox| mailbox.email.to_string().is_ascii() && !text.contains(char::is_control);
    text.parse()
        .ok()
        .filter(good)
        .ok_or_else(|| Error::config(field, "is no address such as ops@example.com, or Operators <ops@example.com>"))
}

#[async_trait]
impl Notifier for Email {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let mail = message::write(notification, &self.wording, &self.from, &self.to)
            .map_err(|error| self.server.failed(&format!("can't be told: {error}"), false))?;
        match tokio::time::timeout(self.timeout, self.server.take(&self.envelope, &mail)).await {
            Ok(taken) => taken,
            Err(_) => Err(self.server.failed(&format!("took longer than {}", Span(self.timeout)), true)),
        }
    }

    fn preview(&self, notification: &Notification) -> String {
        match message::write(notification, &self.wording, &self.from, &self.to) {
            Ok(mail) => format!("to {}\n\n{}", self.server, String::from_utf8_lossy(&mail).replace("\r\n", "\n")),
            Err(error) => error.to_string(),
        }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("server", &self.server.to_string()).finish_non_exhaustive()
    }
}
