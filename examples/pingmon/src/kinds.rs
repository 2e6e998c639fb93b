//! The check kinds and channels that this program knows, by name.

use std::{collections::BTreeMap, sync::Arc};

use pingmon_checks::wasm::{Plugins, Wasm, WasmNotifier};
use pingmon_core::{check::CheckKind, dial::DialPolicy, error::Result, notifier::NotifierKind};

/// Everything a config file may name.
#[derive(Default)]
pub(crate) struct Kinds {
    pub(crate) checks: BTreeMap<String, Arc<dyn CheckKind>>,
    pub(crate) notifiers: BTreeMap<String, Arc<dyn NotifierKind>>,
}

impl Kinds {
    /// All kinds of the workspace; their connections keep to `dial`, and plug-ins are of `plugins`.
    ///
    /// # Errors
    /// When this host's TLS roots can't be used.
    pub(crate) fn new(dial: &DialPolicy, plugins: &Plugins) -> Result<Self> {
        let mut checks = pingmon_checks::kinds(dial.clone())?;
        checks.push(Arc::new(Wasm::new(dial.clone(), plugins.clone())?));
        let mut notifiers = pingmon_notify::kinds(dial)?;
        notifiers.push(Arc::new(WasmNotifier::new(dial.clone(), plugins.clone())?));
        Ok(Self {
            checks: checks.into_iter().map(|kind| (kind.name().into_owned(), kind)).collect(),
            notifiers: notifiers.into_iter().map(|kind| (kind.name().to_owned(), kind)).collect(),
        })
    }
}
