//! What a plug-in is for: a check or a channel. Each is an interface of its own (`wit`), over the same host.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use wasmtime::{Store, component::Component};

use super::{
    bindings::{CheckPre, notify::NotifierPre, pingmon::check::types},
    engine::Engine,
    host::Session,
};

/// What a plug-in is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// It probes: a monitor names it.
    Check,
    /// It delivers notices: a notifier names it.
    Notifier,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Notifier => "notifier",
        })
    }
}

/// Compiled code, linked: what instances are made of.
pub(super) enum Instances {
    Check(CheckPre<Session>),
    Notifier(NotifierPre<Session>),
}

impl Instances {
    /// Links a component by the interface it exports.
    ///
    /// # Errors
    /// When it doesn't fit that interface.
    pub(super) fn link(component: &Component, engine: &Engine) -> wasmtime::Result<Self> {
        let linked = engine.linker.instantiate_pre(component)?;
        let of = component.component_type();
        let notifies = of.exports(&engine.wasmtime).any(|(name, _)| name.starts_with("pingmon:notify/guest@"));
        match notifies {
            true => NotifierPre::new(linked).map(Self::Notifier),
            false => CheckPre::new(linked).map(Self::Check),
        }
    }

    pub(super) const fn purpose(&self) -> Purpose {
        match self {
            Self::Check(_) => Purpose::Check,
            Self::Notifier(_) => Purpose::Notifier,
        }
    }

    pub(super) fn component(&self) -> &Component {
        match self {
            Self::Check(instances) => instances.instance_pre().component(),
            Self::Notifier(instances) => instances.instance_pre().component(),
        }
    }

    /// Asks a fresh instance what the plug-in is.
    ///
    /// # Errors
    /// When it breaks, or doesn't fit after all.
    pub(super) async fn describe(&self, store: &mut Store<Session>) -> wasmtime::Result<types::Info> {
        match self {
            Self::Check(instances) => {
                let instance = instances.instantiate_async(&mut *store).await?;
                instance.pingmon_check_guest().call_describe(store).await
            }
            Self::Notifier(instances) => {
                let instance = instances.instantiate_async(&mut *store).await?;
                instance.pingmon_notify_guest().call_describe(store).await
            }
        }
    }
}
