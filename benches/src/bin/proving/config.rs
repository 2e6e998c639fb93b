//! The config file that a scenario gives pingmon.

use std::{fmt::Write as _, path::Path, time::Duration};

use pingmon_core::time::Span;

use crate::{receiver::Receiver, target::Target};

/// The monitors of a scenario, numbered from 0; all alike but for how long their target takes.
pub(crate) struct Fleet {
    pub(crate) monitors: u32,
    pub(crate) every: Duration,
    pub(crate) timeout: Duration,
    /// How long the target takes to answer a monitor.
    pub(crate) delay: fn(u32) -> Duration,
    pub(crate) lease: Duration,
}

impl Fleet {
    /// Monitors whose target answers at once, in a process with the usual lease.
    pub(crate) fn new(monitors: u32, every: Duration) -> Self {
        Self {
            monitors,
            every,
            timeout: every.min(Duration::from_secs(5)),
            delay: |_| Duration::ZERO,
            lease: Duration::from_secs(15),
        }
    }

    /// The text of the config file.
    pub(crate) fn to_toml(&self, directory: &Path, web: u16, target: &Target, receiver: &Receiver) -> String {
        let [every, timeout, lease] = [self.every, self.timeout, self.lease].map(Span);
        let mut toml = format!(
            "[store]\nurl = \"sqlite:{}\"\n\
             [web]\nlisten = \"127.0.0.1:{web}\"\n\
             [worker]\nlease = \"{lease}\"\n\
             [defaults]\nevery = \"{every}\"\ntimeout = \"{timeout}\"\nopen_after = 2\nclose_after = 1\n\
             [[notifier]]\nname = \"receiver\"\nwebhook = {{ url = \"{}\" }}\n",
            directory.join("pingmon.db").display(),
            receiver.url()
        );
        for monitor in 0..self.monitors {
            let (name, url) = (name(monitor), target.url(monitor, (self.delay)(monitor)));
            // Writing to a String can't fail.
            let _ = write!(toml, "[[monitor]]\nname = \"{name}\"\nhttp = {{ url = \"{url}\" }}\n");
        }
        toml
    }
}

/// The name of a monitor.
pub(crate) fn name(monitor: u32) -> String {
    format!("m{monitor:06}")
}

/// The number in a monitor's name.
pub(crate) fn number(name: &str) -> Option<u32> {
    name.strip_prefix('m')?.parse().ok()
}
