//! What of a run's consequences is announced: looks up, when there is something to announce, how the monitors are that
//! this one depends on. The decisions are `incident`'s.

use std::{sync::Arc, time::Duration};

use super::{Shared, registry::Watched};
use crate::{
    error::Result,
    id::MonitorId,
    incident::{self, About, Cause, Health, Parent, Transition},
    monitor::State,
    notification::{Affected, Delivery},
    outcome::Outcome,
    route::Route,
    time::Timestamp,
};

/// How soon a monitor is run again whose incident waits for a look at what it depends on.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Most monitors that are listed as affected.
const MAX_LISTED: usize = 100;

/// The routes that an engine knows.
pub(super) type Routes = Arc<Vec<Route>>;

/// What a run comes to.
pub(super) struct Announcement {
    pub(super) health: Health,
    /// The changes of incidents.
    pub(super) transitions: Vec<Transition>,
    /// Those that are announced.
    pub(super) announced: Vec<Transition>,
    /// What depends on the monitor, when its incident opens.
    pub(super) affected: Affected,
    /// How soon the monitor is to be run again at the latest.
    pub(super) again: Option<Duration>,
}

/// Works out what is announced of what a run changed. `held_back` says why people want to hear nothing, if so.
pub(super) async fn announce(
    shared: &Shared,
    watched: &Watched,
    before: &Health,
    (mut health, mut transitions): (Health, Vec<Transition>),
    held_back: Option<&str>,
    now: Timestamp,
) -> Announcement {
    health.deferred_since = None;
    let waits = health.open().any(|(_, open)| open.held);
    if transitions.is_empty() && !waits {
        let announced = Vec::new();
        return Announcement { health, transitions, announced, affected: Affected::default(), again: None };
    }
    let mut again = None;
    let mut held_by = held_back.map(str::to_owned);
    if held_by.is_none() && (waits || opens(&transitions)) {
        match cause(shared, watched, &health).await {
            Cause::Parent(name) => held_by = Some(format!("{name} is down")),
            Cause::Unknown(unsure) if incident::defer(before, &mut health, &mut transitions, now) => {
                hasten(shared, &unsure).await;
                held_by.clone_from(&before.held_because);
                again = Some(LOOK_AGAIN);
            }
            Cause::Unknown(_) | Cause::Own => {}
        }
    }
    let held = |about: About| held_by.clone().filter(|_| held_back.is_some() || about == About::Target);
    let announced = incident::announced(before, &mut health, &transitions, held, now);
    let affected = if opens(&announced) { affected(shared, watched).await } else { Affected::default() };
    Announcement { health, transitions, announced, affected, again }
}

/// What tells of the changes that are announced, each at the time that its channel asks for.
pub(super) fn deliveries(
    shared: &Shared,
    watched: &Watched,
    announced: &[Transition],
    health: &Health,
    outcome: &Outcome,
    affected: &Affected,
) -> Vec<Delivery> {
    if announced.is_empty() {
        return Vec::new();
    }
    let (channels, routes) = (shared.channels.borrow(), shared.routes.borrow());
    let (subject, expiry) = (&watched.subject, shared.settings.expiry);
    let mut deliveries = watched.audience.notices(subject, &routes, announced, Some(outcome), expiry);
    let confirmed_by: Vec<_> = health.witnesses.iter().map(|witness| witness.host.clone()).collect();
    for delivery in &mut deliveries {
        let notification = &mut delivery.notification;
        notification.confirmed_by.clone_from(&confirmed_by);
        notification.affected.clone_from(affected);
        if let Some(channel) = channels.get(&delivery.notification.channel) {
            channel.put_off(delivery);
        }
    }
    deliveries
}

fn opens(transitions: &[Transition]) -> bool {
    transitions.iter().any(Transition::opens_target)
}

/// Whether the failure comes from what the monitor depends on. When the store can't tell, it is the monitor's own: better
/// one notice too many than none.
async fn cause(shared: &Shared, watched: &Watched, health: &Health) -> Cause {
    let began = health.target.map(|open| open.failing_since).or(health.failing.map(|streak| streak.since));
    let Some(began) = began.filter(|_| !watched.depends_on.is_empty()) else { return Cause::Own };
    match parents(shared, &watched.depends_on).await {
        Ok(parents) => incident::cause(&parents, began),
        Err(error) => {
            shared.store_failed("look at what a monitor depends on", &error);
            Cause::Own
        }
    }
}

/// The monitors of these names that are run; a name that no monitor has holds nothing back.
async fn parents(shared: &Shared, names: &[String]) -> Result<Vec<Parent>> {
    let mut parents = Vec::new();
    for overview in shared.store.named(names).await? {
        let monitor = overview.monitor;
        if monitor.state == State::Active {
            let last = shared.store.records(monitor.id, None, 1).await?;
            let looked_at = last.first().map(|record| record.started_at);
            parents.push(Parent::new(monitor.id, monitor.definition.name, &overview.health, looked_at));
        }
    }
    Ok(parents)
}

/// Has monitors run at once, whoever owns them.
async fn hasten(shared: &Shared, monitors: &[MonitorId]) {
    match shared.store.hasten(monitors).await {
        Ok(()) => shared.nudge.notify_one(),
        Err(error) => shared.store_failed("look at once at what a monitor depends on", &error),
    }
}

async fn affected(shared: &Shared, watched: &Watched) -> Affected {
    let affected = shared.store.dependents(&watched.subject.name, MAX_LISTED).await;
    affected.inspect_err(|error| shared.store_failed("look for what depends on a monitor", error)).unwrap_or_default()
}
