//! The `log` channel: one `tracing` event per notice, for hosts whose logs are watched anyway, and to try things out.
//!
//! The event's target is [`TARGET`], its message the headline on one line. Its level says how urgent it is: `error` when
//! an incident opened or worsened, `warn` for a reminder, `info` when it was resolved. Its fields are `delivery`,
//! `channel`, `event`, `monitor`, `monitor_id`, `kind`, `incident`, `about`, `incident_level`, `failing_since`,
//! `confirmed_by` (who saw it, when several had to), `affected` (how many monitors depend on it) and `also` (how many other incidents the notice tells of).

use async_trait::async_trait;
use pingmon_core::{error::Result, incident::Event, notification::Notification, notifier::Notifier};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Name, dial::Dialer, kind::Channel, text::one_line};

/// The target of the events, to route and filter by.
pub const TARGET: &str = "pingmon::notice";

/// Longest headline written, in characters.
const MAX_HEADLINE: usize = 2_000;

/// Writes notices to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

#[async_trait]
impl Notifier for Log {
    async fn send(&self, notification: &Notification) -> Result<()> {
        // The level of a tracing event is fixed where it is written.
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    delivery = %notification.id,
                    channel = %one_line(&notification.channel, MAX_HEADLINE),
                    event = %notification.event,
                    monitor = %one_line(&notification.monitor.name, MAX_HEADLINE),
                    monitor_id = %notification.monitor.id,
                    kind = %one_line(&notification.monitor.kind, MAX_HEADLINE),
                    incident = %notification.incident.id,
                    about = %notification.incident.about,
                    incident_level = %notification.incident.level,
                    failing_since = %notification.incident.failing_since,
                    confirmed_by = %one_line(&notification.confirmed_by.join(", "), MAX_HEADLINE),
                    affected = notification.affected.count,
                    also = notification.also.len(),
                    "{}",
                    one_line(&notification.headline(), MAX_HEADLINE)
                )
            };
        }
        match notification.gravest().event {
            Event::Opened | Event::Worsened | Event::Escalated => write!(error),
            Event::Reminder => write!(warn),
            Event::Eased | Event::Resolved => write!(info),
        }
        Ok(())
    }
}

/// Writes each notice to the log of this program. There is nothing to set.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl Channel for Log {
    const NAME: Name = Name::Log;
    type Config = Config;

    fn open(Config {}: Config, _: &Dialer) -> Result<Self> {
        Ok(Self)
    }
}
