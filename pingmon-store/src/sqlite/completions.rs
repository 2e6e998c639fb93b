//! Finished runs: what is stored together or not at all. The busiest path of the store.

use std::{collections::BTreeMap, sync::Arc};

use pingmon_core::{
    id::{MonitorId, SessionId},
    incident::Incident,
    store::claims::{Completion, Gap, Verdict},
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    claims::{self, Fence, Step},
    deliveries::DeliveryRow,
    history::{self, ResultRow},
    incidents, kept, outbox,
    rows::health_to,
};
use crate::error::Result;

/// A completion in its stored form.
pub(super) struct Run {
    monitor: MonitorId,
    revision: i64,
    slot: Timestamp,
    next_slot: Timestamp,
    result: ResultRow,
    gap: Option<Gap>,
    health: Option<String>,
    incidents: Vec<Incident>,
    deliveries: Vec<DeliveryRow>,
    keep: Option<Arc<[u8]>>,
}

impl Run {
    pub(super) fn from_completion(completion: &Completion) -> Result<Self> {
        let incident = |transition: &pingmon_core::incident::Transition| {
            transition.to_incident(completion.monitor, &completion.outcome.message)
        };
        Ok(Self {
            monitor: completion.monitor,
            revision: completion.revision,
            slot: completion.slot,
            next_slot: completion.next_slot,
            result: ResultRow::from_completion(completion)?,
            gap: completion.gap,
            health: completion.health.as_ref().map(health_to).transpose()?,
            incidents: completion.transitions.iter().map(incident).collect(),
            deliveries: completion.deliveries.iter().map(DeliveryRow::from_delivery).collect::<Result<_>>()?,
            keep: completion.keep.clone(),
        })
    }
}

/// Stores what the fences let through, in as few statements as it can; answers in the order of `runs`.
pub(super) async fn store(conn: &mut SqliteConnection, session: SessionId, runs: &[Run]) -> Result<Vec<Verdict>> {
    let monitors: Vec<_> = runs.iter().map(|run| run.monitor).collect();
    let mut fences = claims::fences(conn, &monitors).await?;
    let mut verdicts = Vec::with_capacity(runs.len());
    let mut accepted = Vec::with_capacity(runs.len());
    for run in runs {
        let ruling = fences.get_mut(&run.monitor).map_or(Ruling::Lost, |fence| judge(fence, session, run));
        verdicts.push(if ruling == Ruling::Lost { Verdict::Lost } else { Verdict::Accepted });
        if ruling == Ruling::New {
            accepted.push(run);
        }
    }
    write(conn, &accepted).await?;
    Ok(verdicts)
}

/// What the fence says to a run.
#[derive(PartialEq)]
enum Ruling {
    /// It is to be stored.
    New,
    /// It was stored before.
    Stored,
    /// It comes too late.
    Lost,
}

fn judge(fence: &mut Fence, session: SessionId, run: &Run) -> Ruling {
    if fence.owner != Some(session) || fence.revision != run.revision {
        return Ruling::Lost;
    }
    if fence.slot == run.next_slot {
        return Ruling::Stored;
    }
    if fence.slot != run.slot {
        return Ruling::Lost;
    }
    fence.slot = run.next_slot;
    Ruling::New
}

async fn write(conn: &mut SqliteConnection, runs: &[&Run]) -> Result<()> {
    let mut steps: BTreeMap<MonitorId, Step<'_>> = BTreeMap::new();
    for run in runs {
        let new = Step { monitor: run.monitor, slot: run.next_slot, health: None };
        let step = steps.entry(run.monitor).or_insert(new);
        step.slot = run.next_slot;
        step.health = run.health.as_deref().or(step.health);
    }
    let mut results: Vec<_> = runs.iter().map(|run| (run.monitor, &run.result)).collect();
    // In the order of the key, neighbours are written to the same page.
    results.sort_by_key(|(monitor, _)| *monitor);
    history::record(conn, &results).await?;
    let gaps: Vec<_> = runs.iter().filter_map(|run| run.gap.map(|gap| (run.monitor, gap))).collect();
    history::record_gaps(conn, &gaps).await?;
    claims::move_on(conn, &steps.into_values().collect::<Vec<_>>()).await?;
    for run in runs {
        incidents::write(conn, &run.incidents).await?;
        outbox::enqueue(conn, &run.deliveries).await?;
        if let Some(keep) = &run.keep {
            kept::keep(conn, run.monitor, keep).await?;
        }
    }
    Ok(())
}
