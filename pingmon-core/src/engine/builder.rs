//! Assembles an engine.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::{
    Engine, Shared,
    clock::StoreClock,
    complaints::Complaints,
    dispatcher::Linker,
    holds::Holds,
    registry::{Registry, Resolver},
    settings::{self, Settings},
    vitals::Gauges,
};
use crate::{
    channel::Channel,
    check::CheckKind,
    error::{Error, Result},
    maintenance::Maintenance,
    monitor::{Definition, Monitor},
    notification::{Link, Notification},
    notifier::Notifier,
    route::{self, Route},
    store::Store,
};

/// Assembles an [`Engine`].
pub struct Builder {
    store: Arc<dyn Store>,
    kinds: Vec<Arc<dyn CheckKind>>,
    channels: Vec<(String, Channel)>,
    definitions: Vec<Definition>,
    maintenances: Vec<Maintenance>,
    routes: Vec<Route>,
    resolver: Box<Resolver>,
    linker: Box<Linker>,
    settings: Settings,
}

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            kinds: Vec::new(),
            channels: Vec::new(),
            definitions: Vec::new(),
            maintenances: Vec::new(),
            routes: Vec::new(),
            resolver: Box::new(|monitor| Ok(monitor.definition.config.clone())),
            linker: Box::new(|_| Vec::new()),
            settings: Settings::default(),
        }
    }

    /// Adds a check kind. The engine claims monitors of the kinds it knows, and no others.
    #[must_use]
    pub fn kind(self, kind: impl CheckKind) -> Self {
        self.kinds([Arc::new(kind) as Arc<dyn CheckKind>])
    }

    /// Adds several check kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Arc<dyn CheckKind>>) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// Adds a channel under the name that monitors use for it.
    #[must_use]
    pub fn notifier(self, name: impl Into<String>, notifier: Arc<dyn Notifier>) -> Self {
        self.channel(name, Channel::new(notifier))
    }

    /// Adds a channel with rules about how it is used, under the name that monitors use for it.
    #[must_use]
    pub fn channel(mut self, name: impl Into<String>, channel: Channel) -> Self {
        self.channels.push((name.into(), channel));
        self
    }

    /// Adds a monitor, stored when the engine starts: added if it is new, changed if it was there and reads otherwise.
    /// One that is no longer given stays; retire it through the store.
    #[must_use]
    pub fn monitor(mut self, definition: Definition) -> Self {
        self.definitions.push(definition);
        self
    }

    /// Sets where notices lead to on the web, asked for each attempt; it must not block. Default nowhere.
    #[must_use]
    pub fn links(mut self, linker: impl Fn(&Notification) -> Vec<Link> + Send + Sync + 'static) -> Self {
        self.linker = Box::new(linker);
        self
    }

    /// Adds a maintenance: see [`Handle::replace_maintenances`](super::Handle::replace_maintenances).
    #[must_use]
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenances.push(maintenance);
        self
    }

    /// Adds a route: who is told of which incidents, beside those that the monitors name.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Sets how many runs may be under way at once. Default 256, at most [`MAX_CONCURRENCY`](super::MAX_CONCURRENCY).
    #[must_use]
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.settings.concurrency = runs;
        self
    }

    /// Sets how many runs of one kind may be under way at once. Default: as many as of all.
    #[must_use]
    pub fn concurrency_of(mut self, kind: impl Into<String>, runs: usize) -> Self {
        self.settings.concurrency_of.insert(kind.into(), runs);
        self
    }

    /// Sets how long the engine counts as alive without a sign of life: how long its monitors wait when it dies.
    /// Default 15 s, from 1 s to 10 min.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// Sets how often the engine looks for monitors to claim and notices to send. Default 1 s, from 10 ms to 1 min.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.settings.poll = poll;
        self
    }

    /// Sets the engine's weight when monitors are shared out among several. Default 1.
    #[must_use]
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.settings.capacity = capacity.max(1);
        self
    }

    /// Sets what the engine calls the place it runs at, for people. Default empty: libraries don't ask the system.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.settings.host = host.into();
        self
    }

    /// Sets the version of the program the engine runs in, for people.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = version.into();
        self
    }

    /// Sets how long runs, and closed incidents with their deliveries, are kept. Default 30 days and a year; from an
    /// hour on.
    #[must_use]
    pub fn retention(mut self, results: Duration, incidents: Duration) -> Self {
        self.settings.keep_results = results;
        self.settings.keep_incidents = incidents;
        self
    }

    /// Sets how long a notice is tried before it becomes a dead letter. Default a day, from 1 min to 31 days.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.settings.expiry = expiry;
        self
    }

    /// Sets how long runs under way may take to end when the engine stops. Default 5 s, at most 10 min.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Sets what replaces references to secrets in a monitor's config when its check is built. Mind
    /// [`Definition::origin`]: a definition that a stranger could write must not reach the host's secrets. Default: the
    /// config as it is stored.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Fn(&Monitor) -> Result<Value> + Send + Sync + 'static) -> Self {
        self.resolver = Box::new(resolver);
        self
    }

    /// Assembles the engine. Nothing runs yet.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting out of range, two kinds or channels of one name, a monitor out of its limits, of
    /// an unknown kind, or for an unknown channel; a route that can't be meant or leads to one. A config that its kind
    /// refuses shows in the runs: it may hold references that only the resolver can follow, and that later.
    pub fn build(self) -> Result<Engine> {
        self.settings.validate()?;
        let mut channels = HashMap::new();
        for (name, channel) in self.channels {
            channel.validate()?;
            if channels.insert(name.clone(), channel).is_some() {
                return Err(Error::config("notifier", format!("two channels are named \"{name}\"")));
            }
        }
        settings::maintenances(&self.maintenances)?;
        route::validate(&self.routes)?;
        for route in &self.routes {
            known("route: notify", &route.notify, &channels)?;
        }
        for definition in &self.definitions {
            examine(definition, &self.kinds, &channels)?;
        }
        let shared = Shared {
            store: self.store,
            registry: Registry::new(self.kinds, self.resolver)?,
            linker: self.linker,
            settings: self.settings,
            clock: StoreClock::default(),
            gauges: Gauges::default(),
            nudge: Notify::new(),
            mail: watch::Sender::new(()),
            dropped: Mutex::default(),
            handed_over: Mutex::default(),
            holds: Holds::new(self.maintenances),
            channels: watch::Sender::new(Arc::new(channels)),
            routes: watch::Sender::new(Arc::new(self.routes)),
            complaints: Complaints::default(),
        };
        Ok(Engine { shared: Arc::new(shared), definitions: self.definitions })
    }
}

/// Refuses a monitor that could only ever be `unknown`, or whose notices nobody would carry.
fn examine(definition: &Definition, kinds: &[Arc<dyn CheckKind>], channels: &HashMap<String, Channel>) -> Result<()> {
    let of_monitor = |field: &str| format!("monitor \"{}\": {field}", definition.name);
    definition.validate()?;
    if !kinds.iter().any(|kind| kind.name() == definition.kind.as_str()) {
        let known: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        let reason = format!("no check kind \"{}\" was added; known are: {}", definition.kind, known.join(", "));
        return Err(Error::config(of_monitor("kind"), reason));
    }
    let escalated = definition.escalation.iter().flat_map(|step| &step.notify);
    known(&of_monitor("notify"), definition.notify.iter().chain(escalated), channels)
}

/// Refuses channels that weren't added.
fn known<'n>(
    field: &str,
    named: impl IntoIterator<Item = &'n String>,
    channels: &HashMap<String, Channel>,
) -> Result<()> {
    match named.into_iter().find(|channel| !channels.contains_key(*channel)) {
        Some(channel) => {
            let reason = format!("no channel \"{channel}\" was added; add it with Builder::notifier");
            Err(Error::config(field, reason))
        }
        None => Ok(()),
    }
}
