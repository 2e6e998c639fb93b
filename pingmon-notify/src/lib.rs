//! The channels that carry pingmon's notices to people and machines, one module each.
//!
//! | channel and feature | what it does |
//! |---|---|
//! | `command` | runs a program of this host, with the facts on its standard input |
//! | `discord` | posts an embed to a webhook |
//! | `email` | sends mail over SMTP, one thread an incident |
//! | `gotify` | pushes through a Gotify server |
//! | [`log`] | writes one `tracing` event |
//! | `matrix` | writes to a room, one thread an incident |
//! | `mattermost` | posts an attachment to an incoming webhook |
//! | `ntfy` | publishes to a topic |
//! | `opsgenie` | opens and closes alerts |
//! | `pagerduty` | triggers and resolves events (Events API v2) |
//! | `pushover` | pushes to a user or group |
//! | `slack` | posts blocks, by webhook or as a bot that updates its message |
//! | `teams` | posts an Adaptive Card to a workflow |
//! | `telegram` | writes to a chat as a bot |
//! | `twilio` | sends SMS |
//! | [`webhook`] | posts signed JSON, or what a template makes of it, to a URL |
//!
//! Beside them stands `heartbeat` (a feature, too), a sign of life for whoever watches the watcher.
//!
//! [`kinds`] has them all for a config file, [`open`] makes one from its config. A channel hands one notice over and says
//! what became of it. Queueing, retry, order and expiry are the engine's dispatcher's business.
//!
//! What a notice says follows from its facts: each medium has one default rendering, and most channels take templates in
//! its place. Either way what others wrote (names, labels, answers of targets) is text and nothing else: no mention, no
//! link, no markup.

#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "some channels need only some of what they share"))]

mod dial;
mod kind;
mod text;

#[cfg(feature = "_http")]
mod answer;
#[cfg(feature = "_http")]
mod client;
#[cfg(feature = "_http")]
mod endpoint;
#[cfg(feature = "_text")]
mod medium;
#[cfg(feature = "_http")]
mod request;
#[cfg(feature = "_text")]
mod secret;
#[cfg(feature = "_text")]
mod template;
#[cfg(feature = "_http")]
mod vendor;
#[cfg(feature = "_text")]
mod wording;

#[cfg(feature = "heartbeat")]
pub mod heartbeat;
pub mod sample;

#[cfg(feature = "command")]
mod command;
#[cfg(feature = "discord")]
mod discord;
#[cfg(feature = "email")]
mod email;
#[cfg(feature = "gotify")]
mod gotify;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "matrix")]
mod matrix;
#[cfg(feature = "mattermost")]
mod mattermost;
#[cfg(feature = "ntfy")]
mod ntfy;
#[cfg(feature = "opsgenie")]
mod opsgenie;
#[cfg(feature = "pagerduty")]
mod pagerduty;
#[cfg(feature = "pushover")]
mod pushover;
#[cfg(feature = "slack")]
mod slack;
#[cfg(feature = "teams")]
mod teams;
#[cfg(feature = "telegram")]
mod telegram;
#[cfg(feature = "twilio")]
mod twilio;
#[cfg(feature = "webhook")]
pub mod webhook;

use std::sync::Arc;

use pingmon_core::{
    dial::DialPolicy,
    error::{Error, Result},
    notifier::{Notifier, NotifierKind},
};
use serde_json::Value;

use crate::{
    dial::Dialer,
    kind::{Channel, Kind},
};

/// The list of channels. Each names its entry ([`Channel::NAME`]), so that none can be written and left out of it.
macro_rules! channels {
    ($($feature:literal $Name:ident $Channel:ty;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Name {
            $(#[cfg(feature = $feature)] $Name,)*
        }

        impl Name {
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(#[cfg(feature = $feature)] Self::$Name => $feature,)*
                }
            }
        }

        $(#[cfg(feature = $feature)] const _: () = assert!(matches!(<$Channel as Channel>::NAME, Name::$Name));)*

        /// Every kind of channel whose feature is on, by name. Those that open connections dial only what `policy`
        /// permits.
        ///
        /// # Errors
        /// [`Error::Config`] when the system's TLS roots can't be used.
        pub fn kinds(policy: &DialPolicy) -> Result<Vec<Arc<dyn NotifierKind>>> {
            let dialer = Arc::new(Dialer::new(policy)?);
            Ok(vec![$(#[cfg(feature = $feature)] Arc::new(Kind::<$Channel>::new(&dialer)),)*])
        }
    };
}

channels! {
    "command" Command command::Command;
    "discord" Discord vendor::Post<discord::Discord>;
    "email" Email email::Email;
    "gotify" Gotify vendor::Post<gotify::Gotify>;
    "log" Log log::Log;
    "matrix" Matrix vendor::Post<matrix::Matrix>;
    "mattermost" Mattermost vendor::Post<mattermost::Mattermost>;
    "ntfy" Ntfy vendor::Post<ntfy::Ntfy>;
    "opsgenie" Opsgenie vendor::Post<opsgenie::Opsgenie>;
    "pagerduty" PagerDuty vendor::Post<pagerduty::PagerDuty>;
    "pushover" Pushover vendor::Post<pushover::Pushover>;
    "slack" Slack vendor::Post<slack::Slack>;
    "teams" Teams vendor::Post<teams::Teams>;
    "telegram" Telegram vendor::Post<telegram::Telegram>;
    "twilio" Twilio vendor::Post<twilio::Twilio>;
    "webhook" Webhook webhook::Webhook;
}

/// Opens one channel: `open("ntfy", &json!({ "topic": "outages" }), &DialPolicy::open())`. It dials only what `policy`
/// permits.
///
/// # Errors
/// [`Error::Config`] naming the bad field, when no such kind is known or its feature is off, or when the system's TLS
/// roots can't be used.
pub fn open(kind: &str, config: &Value, policy: &DialPolicy) -> Result<Arc<dyn Notifier>> {
    let kinds = kinds(policy)?;
    let Some(known) = kinds.iter().find(|known| known.name() == kind) else {
        let known: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        return Err(Error::config("kind", format!("{kind:?} is not one of {}", known.join(", "))));
    };
    known.build(config)
}
