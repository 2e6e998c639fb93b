//! The `log` channel: one `tracing` event per notice, for hosts whose logs are watched anyway, and to try things out.
//!
//! The event's target is [`TARGET`], its message the headline on one line. Its level says how urgent it is: `error` when
//! an incident opened or worsened, `warn` for a reminder, `info` when it was resolved. Its fields are `delivery`,
//! `channel`, `event`, `monitor`, `monitor_id`, `kind`, `incident`, `about`, `incident_level` and `failing_since`.

use std::sync::Arc;

use async_trait::async_trait;
use pingmon_core::{
    check::parse_config,
    error::Result,
    incident::Event,
    notification::Notification,
    notifier::{Notifier, NotifierKind},
};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::text::one_line;

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
                    "{}",
                    one_line(&notification.headline(), MAX_HEADLINE)
                )
            };
        }
        match notification.event {
            Event::Opened | Event::Worsened | Event::Escalated => write!(error),
            Event::Reminder => write!(warn),
            Event::Eased | Event::Resolved => write!(info),
        }
        Ok(())
    }
}

/// The kind `log`. It needs no config.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogKind;

/// The channel has nothing to set.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

impl NotifierKind for LogKind {
    fn name(&self) -> &'static str {
        "log"
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Notifier>> {
        if !config.is_null() {
            parse_config::<Config>(config)?;
        }
        Ok(Arc::new(Log))
    }
}
