//! `log`: lines for the operator, without secrets and line ends of their own, and within a limit.

use super::Session;
use crate::wasm::bindings::pingmon::check::log::{self, Severity};

impl log::Host for Session {
    fn write(&mut self, severity: Severity, message: String) -> wasmtime::Result<()> {
        if message.len() > self.log_left {
            if self.log_left > 0 {
                let (plugin, user) = (&*self.reach.standing.plugin, &*self.user);
                tracing::warn!(
                    plugin,
                    user,
                    "the plug-in logs more than wasm.max_log; the rest of this run is dropped"
                );
                self.log_left = 0;
            }
            return Ok(());
        }
        self.log_left -= message.len();
        let message = self.redacted(&message).replace(char::is_control, " ");
        let (plugin, user) = (&*self.reach.standing.plugin, &*self.user);
        match severity {
            Severity::Debug => tracing::debug!(plugin, user, "{message}"),
            Severity::Info => tracing::info!(plugin, user, "{message}"),
            Severity::Warn => tracing::warn!(plugin, user, "{message}"),
            Severity::Error => tracing::error!(plugin, user, "{message}"),
        }
        Ok(())
    }
}
