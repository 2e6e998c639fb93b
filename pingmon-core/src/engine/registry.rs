//! The check kinds an engine knows, and how a claimed monitor becomes something that can be run.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{guard::Guarded, keeping::Kept, lease::Lease, plan};
use crate::{
    check::CheckKind,
    error::{Error, Result},
    id::MonitorId,
    incident::Health,
    monitor::Monitor,
    notification::{Audience, Subject},
    policy::Policy,
    schedule::{Phase, Schedule},
    store::{
        Store,
        claims::{Claim, GapReason},
    },
    time::Timestamp,
};

/// Replaces references to secrets in a monitor's config by the secrets, when its check is built.
pub(super) type Resolver = dyn Fn(&Monitor) -> Result<Value> + Send + Sync;

/// The kinds an engine knows.
pub(super) struct Registry {
    kinds: Vec<Arc<dyn CheckKind>>,
    names: Vec<Cow<'static, str>>,
    by_name: HashMap<Cow<'static, str>, usize>,
    resolver: Box<Resolver>,
}

/// What doesn't change about a held monitor until it is edited; and what its check keeps, which is read if it's asked for.
pub(super) struct Watched {
    pub(super) id: MonitorId,
    pub(super) revision: i64,
    pub(super) subject: Subject,
    pub(super) schedule: Schedule,
    pub(super) phase: Phase,
    pub(super) timeout: Duration,
    pub(super) policy: Policy,
    pub(super) audience: Audience,
    pub(super) depends_on: Vec<String>,
    /// Which kind it is of, as an index that limits per kind are counted by.
    pub(super) kind: usize,
    /// The check, or why it couldn't be built: then each run says so.
    pub(super) check: Result<Guarded, String>,
    /// What it keeps from run to run, for those that do.
    pub(super) kept: Kept,
}

/// A monitor that the engine owns.
pub(super) struct Held {
    pub(super) watched: Arc<Watched>,
    pub(super) health: Health,
    /// The pending slot, or the one under way.
    pub(super) slot: Timestamp,
    /// When its run is to start: at its slot, unless the monitor was claimed after it.
    pub(super) start_at: Timestamp,
    /// Why slots went by, should some have: set until the first run after the claim ended.
    pub(super) hole: Option<GapReason>,
    pub(super) running: bool,
}

impl Registry {
    /// # Errors
    /// When two kinds bear one name.
    pub(super) fn new(kinds: Vec<Arc<dyn CheckKind>>, resolver: Box<Resolver>) -> Result<Self> {
        let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        let mut by_name = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if by_name.insert(name.clone(), index).is_some() {
                return Err(Error::config("kind", format!("two check kinds are named \"{name}\"")));
            }
        }
        Ok(Self { kinds, names, by_name, resolver })
    }

    /// The names of all kinds; their order is that of [`Watched::kind`].
    pub(super) fn names(&self) -> &[Cow<'static, str>] {
        &self.names
    }

    pub(super) fn knows(&self, kind: &str) -> bool {
        self.by_name.contains_key(kind)
    }

    /// Makes a claimed monitor ready to run. One whose kind isn't known or whose config is refused is held all the same:
    /// its runs are `unknown` and say why.
    pub(super) fn hold(&self, claim: Claim, lease: Lease, store: &Arc<dyn Store>, now: Timestamp) -> Held {
        let Claim { monitor, health, slot } = claim;
        let kind = self.by_name.get(monitor.definition.kind.as_str()).copied();
        let check = match kind {
            Some(kind) => self.build(kind, &monitor).map_err(|error| error.chain()),
            None => Err(format!("no check kind \"{}\" here", monitor.definition.kind)),
        };
        let subject = Subject::of(&monitor);
        let definition = monitor.definition;
        let audience = Audience::of(&definition);
        let watched = Watched {
            id: monitor.id,
            revision: monitor.revision,
            subject,
            phase: Phase::of(monitor.id),
            schedule: definition.schedule,
            timeout: definition.timeout.0,
            policy: definition.policy,
            audience,
            depends_on: definition.depends_on,
            kind: kind.unwrap_or_default(),
            check,
            kept: Kept::new(Arc::clone(store)),
        };
        let start_at = match health.second_opinion {
            true => slot.max(now),
            false => plan::start(&watched.schedule, watched.phase, slot, lease.since, now),
        };
        Held { watched: Arc::new(watched), health, slot, start_at, hole: Some(lease.hole), running: false }
    }

    fn build(&self, kind: usize, monitor: &Monitor) -> Result<Guarded> {
        let config = (self.resolver)(monitor)?;
        let kind = &self.kinds[kind];
        Ok(Guarded::new(kind.build(&config)?, kind.isolation()))
    }
}
