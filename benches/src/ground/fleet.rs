//! The monitors of a scenario, and the config file that makes a pingmon process watch them.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use pingmon_core::time::Span;

use super::{receiver::Receiver, target::Target};

/// Monitors numbered from 0; all alike but for how long their target takes.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) monitors: u32,
    pub(crate) every: Duration,
    pub(crate) timeout: Duration,
    /// How long the target takes to answer a monitor.
    pub(crate) delay: fn(u32) -> Duration,
    pub(crate) lease: Duration,
    /// Failures in a row that open an incident.
    pub(crate) open_after: u32,
    /// Those that aren't run for now.
    pub(crate) disabled: BTreeSet<u32>,
    /// Those that aren't there any more.
    pub(crate) deleted: BTreeSet<u32>,
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
            open_after: 2,
            disabled: BTreeSet::new(),
            deleted: BTreeSet::new(),
        }
    }

    /// The text of the config file of one process.
    pub(crate) fn to_toml(&self, store: &str, web: u16, target: &Target, receiver: &Receiver) -> String {
        let [every, timeout, lease] = [self.every, self.timeout, self.lease].map(Span);
        let mut toml = format!(
            "[store]\nurl = \"{store}\"\n\
             [web]\nlisten = \"127.0.0.1:{web}\"\n\
             [worker]\nlease = \"{lease}\"\n\
             [defaults]\nevery = \"{every}\"\ntimeout = \"{timeout}\"\nopen_after = {}\nclose_after = 1\n\
             flap = {{ changes = 0 }}\n\
             [[notifier]]\nname = \"receiver\"\nwebhook = {{ url = \"{}\" }}\n",
            self.open_after,
            receiver.url()
        );
        for monitor in (0..self.monitors).filter(|monitor| !self.deleted.contains(monitor)) {
            let (name, url) = (name(monitor), target.url(monitor, (self.delay)(monitor)));
            let enabled = !self.disabled.contains(&monitor);
            // Writing to a String can't fail.
            let _ = write!(toml, "[[monitor]]\nname = \"{name}\"\nenabled = {enabled}\nhttp = {{ url = \"{url}\" }}\n");
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
