//! Identifiers: UUIDs with a type each, so that a session is never passed where a monitor is meant.
//!
//! Ids that name a thing somebody made are version 7 (sortable by time, RFC 9562 section 5.7). Ids of incidents and
//! deliveries are version 5, derived from what they are about: the same event judged twice, by whatever worker, bears
//! the same id, which is what makes a repeat recognisable.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that a store or an API hands over.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside, as stores keep it.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, uuid::Error> {
                s.parse().map(Self)
            }
        }
    };
}

macro_rules! random {
    ($name:ident) => {
        impl $name {
            /// A new id: UUID version 7.
            #[allow(clippy::new_without_default, reason = "an id by default would hide that each call differs")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }
    };
}

id!(
    /// Names a monitor for its whole life, across edits and renames.
    MonitorId
);
id!(
    /// Names one running engine as the store knows it. A session that ended never comes back.
    SessionId
);
id!(
    /// Names an incident; derived from the monitor, what the incident is about, and the slot that opened it.
    IncidentId
);
id!(
    /// Names a delivery and is its idempotency key; derived from the incident, the event and the channel.
    DeliveryId
);
id!(
    /// Names a silence.
    SilenceId
);
random!(MonitorId);
random!(SessionId);
random!(SilenceId);

impl IncidentId {
    /// The id of the incident about `about` that the run of `slot` opened on `monitor`.
    pub fn derive(monitor: MonitorId, about: &str, slot: Timestamp) -> Self {
        Self(Uuid::new_v5(&monitor.0, format!("{about}\0{}", slot.as_micros()).as_bytes()))
    }
}

impl DeliveryId {
    /// The id of the notice of `event`, number `sequence` within `incident`, to `channel`.
    pub fn derive(incident: IncidentId, event: &str, sequence: u32, channel: &str) -> Self {
        Self(Uuid::new_v5(&incident.0, format!("{event}\0{sequence}\0{channel}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_judged_twice_bears_the_same_id() {
        let monitor = MonitorId::new();
        let slot = Timestamp::from_micros(1_000_000);
        let incident = IncidentId::derive(monitor, "target", slot);
        assert_eq!(incident, IncidentId::derive(monitor, "target", slot));
        assert_ne!(incident, IncidentId::derive(monitor, "monitoring", slot));
        assert_eq!(DeliveryId::derive(incident, "opened", 0, "ops"), DeliveryId::derive(incident, "opened", 0, "ops"));
        assert_ne!(DeliveryId::derive(incident, "opened", 0, "ops"), DeliveryId::derive(incident, "opened", 0, "dev"));
    }
}
