//! Keeps the store tidy: what is old goes, notices that nobody could carry become dead letters, and slots that nobody
//! can run are written down as missed. Any engine may do it at any time; doing it twice changes nothing.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, lease::Lease, plan};
use crate::{
    error::Result,
    schedule::Phase,
    store::{
        claims::{Claim, Skip},
        history::Retention,
    },
};

/// Most rows of a table in one call.
const MAX_ROWS: usize = 5_000;
/// How long to rest between two calls that had much to do: others want to write too.
const REST: Duration = Duration::from_millis(50);
/// How many rounds pass between two looks at what is old.
const ROUNDS_PER_PRUNE: u32 = 20;

/// Goes round once a lease until told to stop.
pub(super) async fn tidy(shared: Arc<Shared>, leases: watch::Receiver<Option<Lease>>, stop: CancellationToken) {
    for round in 1_u32.. {
        // Engines that start together don't tidy together.
        let pause = shared.settings.lease.mul_f64(0.75 + fastrand::f64() / 2.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if !leases.borrow().is_some_and(|lease| lease.is_alive()) {
            continue;
        }
        if let Err(error) = go_round(&shared, round % ROUNDS_PER_PRUNE == 1, &stop).await {
            shared.store_failed("tidy the store", &error);
        }
    }
}

async fn go_round(shared: &Shared, prune: bool, stop: &CancellationToken) -> Result<()> {
    record_missed(shared).await?;
    while shared.store.expire(MAX_ROWS).await? == MAX_ROWS as u64 && !stop.is_cancelled() {
        tokio::time::sleep(REST).await;
    }
    if prune {
        let now = shared.clock.now();
        let retention = Retention::new(now - shared.settings.keep_results, now - shared.settings.keep_incidents);
        while shared.store.prune(retention, MAX_ROWS).await? >= MAX_ROWS as u64 && !stop.is_cancelled() {
            tokio::time::sleep(REST).await;
        }
    }
    Ok(())
}

/// Records the slots as missed that have been due for two leases and have no owner, because their kind isn't known here:
/// others are claimed.
async fn record_missed(shared: &Shared) -> Result<()> {
    let now = shared.clock.now();
    let overdue = shared.store.overdue(now - 2 * shared.settings.lease, MAX_ROWS).await?;
    let is_foreign = |claim: &&Claim| !shared.registry.knows(&claim.monitor.definition.kind);
    let foreign: Vec<_> = overdue.iter().filter(is_foreign).collect();
    let skips: Vec<_> = foreign.iter().filter_map(|claim| missed(shared, claim)).collect();
    if !skips.is_empty() {
        let recorded = shared.store.skip(&skips).await?;
        let slots = skips.iter().map(|skip| skip.gap.slots).sum();
        shared.gauges.recorded(0, slots);
        let kind = foreign.first().map(|claim| claim.monitor.definition.kind.as_str());
        tracing::warn!(monitors = recorded, kind, "recorded missed slots: no engine knows the check kind");
    }
    Ok(())
}

fn missed(shared: &Shared, claim: &Claim) -> Option<Skip> {
    let schedule = &claim.monitor.definition.schedule;
    let plan = plan::skip(schedule, Phase::of(claim.monitor.id), claim.slot, shared.clock.now());
    plan.gap.map(|gap| Skip::new(claim, gap, plan.next_slot))
}
