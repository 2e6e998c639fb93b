//! What a plug-in says of itself.

use crate::{
    Capability,
    bindings::pingmon::check::types::{self, Want},
};

/// What a plug-in is.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    name: &'static str,
    version: &'static str,
    description: &'static str,
    config_schema: &'static str,
    wants: [Option<(Capability, &'static str)>; 4],
}

impl Info {
    /// A plug-in that needs no config and nothing granted.
    pub const fn new(name: &'static str, version: &'static str, description: &'static str) -> Self {
        Self { name, version, description, config_schema: "{}", wants: [None; 4] }
    }

    /// The JSON Schema (draft 2020-12) of its config.
    #[must_use]
    pub const fn config_schema(mut self, schema: &'static str) -> Self {
        self.config_schema = schema;
        self
    }

    /// It can't do without requests.
    #[must_use]
    pub const fn wants_http(mut self, reason: &'static str) -> Self {
        self.wants[0] = Some((Capability::Http, reason));
        self
    }

    /// It can't do without connections.
    #[must_use]
    pub const fn wants_tcp(mut self, reason: &'static str) -> Self {
        self.wants[1] = Some((Capability::Tcp, reason));
        self
    }

    /// It can't do without lookups.
    #[must_use]
    pub const fn wants_dns(mut self, reason: &'static str) -> Self {
        self.wants[2] = Some((Capability::Dns, reason));
        self
    }

    /// It can't do without secrets.
    #[must_use]
    pub const fn wants_secrets(mut self, reason: &'static str) -> Self {
        self.wants[3] = Some((Capability::Secret, reason));
        self
    }
}

impl From<Info> for types::Info {
    fn from(info: Info) -> Self {
        let wants = info.wants.into_iter().flatten();
        Self {
            name: info.name.to_owned(),
            version: info.version.to_owned(),
            description: info.description.to_owned(),
            config_schema: info.config_schema.to_owned(),
            wants: wants.map(|(capability, reason)| Want { capability, reason: reason.to_owned() }).collect(),
        }
    }
}
