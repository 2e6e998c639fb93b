//! Finished runs: what is stored together or not at all. The busiest path of the store.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use pingmon_core::{
    error::Error,
    id::{MonitorId, SessionId},
    incident::{Incident, Transition},
    store::claims::{Completion, Gap, Verdict},
};
use uuid::Uuid;

use super::{
    PgStore,
    batch::{column, waves},
    codes::is_unique_violation,
    deliveries::DeliveryRow,
    history::{self, Recording, ResultRow, Way},
    incidents, kept, outbox,
    rows::health_to,
    sessions,
    transactions::Transaction,
};
use crate::error::Result;

/// A completion in its stored form.
pub(super) struct Run {
    monitor: MonitorId,
    revision: i64,
    next_slot: DateTime<Utc>,
    result: ResultRow,
    gap: Option<Gap>,
    health: Option<String>,
    incidents: Vec<Incident>,
    deliveries: Vec<DeliveryRow>,
    keep: Option<Arc<[u8]>>,
}

impl Run {
    pub(super) fn from_completion(completion: &Completion) -> Result<Self> {
        let incident =
            |transition: &Transition| transition.to_incident(completion.monitor, &completion.outcome.message);
        Ok(Self {
            monitor: completion.monitor,
            revision: completion.revision,
            next_slot: completion.next_slot.to_datetime(),
            result: ResultRow::from_completion(completion)?,
            gap: completion.gap,
            health: completion.health.as_ref().map(health_to).transpose()?,
            incidents: completion.transitions.iter().map(incident).collect(),
            deliveries: completion.deliveries.iter().map(DeliveryRow::from_delivery).collect::<Result<_>>()?,
            keep: completion.keep.clone(),
        })
    }

    fn uuid(&self) -> Uuid {
        *self.monitor.as_uuid()
    }
}

pub(super) async fn complete(store: &PgStore, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>, Error> {
    const ACTION: &str = "complete a batch of runs";
    // Written out before the transaction begins, so that it's open for no longer than the server needs.
    let runs: Result<Arc<[Run]>> = batch.iter().map(Run::from_completion).collect();
    let runs = runs.map_err(|failure| failure.into_error(ACTION, |_| false))?;
    let transact = async |recording| {
        let runs = Arc::clone(&runs);
        let transacted = store.write(ACTION, move |mut tx| {
            Box::pin(async move {
                sessions::hold(&mut tx, session).await?;
                store_runs(&mut tx, session, &runs, recording).await
            })
        });
        transacted.await
    };
    let way = if store.target.is_local() { Way::Copy } else { Way::Insert };
    match transact(Recording::New(way)).await {
        // All of it again: a savepoint would cost every batch what hardly ever one needs.
        Err(error) if is_unique_violation(&error) => transact(Recording::Missing).await,
        stored => stored,
    }
}

/// Stores what the fences let through, in as few statements as it can; answers in the order of `runs`. The session is
/// held.
async fn store_runs(
    tx: &mut Transaction<'_>,
    session: SessionId,
    runs: &[Run],
    recording: Recording,
) -> Result<Vec<Verdict>> {
    let mut verdicts = vec![Verdict::Lost; runs.len()];
    // In the order of the key: rows are locked in the order in which everybody locks them.
    let mut in_order: Vec<_> = runs.iter().enumerate().collect();
    in_order.sort_by_key(|(_, run)| run.monitor);
    let mut accepted = Vec::with_capacity(runs.len());
    for wave in waves(in_order, |(_, run)| run.monitor) {
        let (new, rest) = pass(tx, session, wave).await?;
        let stored = stored(tx, session, rest).await?;
        for (position, run) in new {
            verdicts[position] = Verdict::Accepted;
            accepted.push(run);
        }
        for (position, _) in stored {
            verdicts[position] = Verdict::Accepted;
        }
    }
    write(tx, &accepted, recording).await?;
    Ok(verdicts)
}

type Numbered<'r> = Vec<(usize, &'r Run)>;

// The fence and the step in one: who finds the monitor as its run left it moves it on. The owner is compared in a way of
// which no index and no statistics know: with those from before the claims, the planner expects one row of this owner,
// goes through all there are once for every run of the batch, and 50 runs of 100,000 monitors take 8 s.
const PASS: &str = "UPDATE {schema}.schedule s SET slot = run.next_slot, health = coalesce(run.health::json, s.health)
    FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[])
        AS run (monitor, revision, slot, next_slot, health)
    WHERE s.monitor = run.monitor AND coalesce(s.owner = $1, false) AND s.revision = run.revision
        AND s.slot = run.slot
    RETURNING s.monitor";

/// Moves on the monitors of the runs that pass their fence; answers those runs and the others.
async fn pass<'r>(
    tx: &mut Transaction<'_>,
    session: SessionId,
    runs: Numbered<'r>,
) -> Result<(Numbered<'r>, Numbered<'r>)> {
    let query = tx.values::<Uuid>(PASS).bind(*session.as_uuid()).bind(column(&runs, |(_, run)| run.uuid()));
    let query = query.bind(column(&runs, |(_, run)| run.revision)).bind(column(&runs, |(_, run)| run.result.slot));
    let query = query.bind(column(&runs, |(_, run)| run.next_slot));
    let query = query.bind(column(&runs, |(_, run)| run.health.as_deref()));
    let passed: HashSet<_> = query.fetch_all(tx.conn()).await?.into_iter().collect();
    Ok(runs.into_iter().partition(|(_, run)| passed.contains(&run.uuid())))
}

const STORED: &str = "SELECT s.monitor FROM {schema}.schedule s
    JOIN unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) AS run (monitor, revision, next_slot)
        ON s.monitor = run.monitor
    WHERE coalesce(s.owner = $1, false) AND s.revision = run.revision AND s.slot = run.next_slot";

/// Those of `runs` that were stored before, and whose answer was lost.
async fn stored<'r>(tx: &mut Transaction<'_>, session: SessionId, runs: Numbered<'r>) -> Result<Numbered<'r>> {
    if runs.is_empty() {
        return Ok(runs);
    }
    let query = tx.values::<Uuid>(STORED).bind(*session.as_uuid()).bind(column(&runs, |(_, run)| run.uuid()));
    let query = query.bind(column(&runs, |(_, run)| run.revision)).bind(column(&runs, |(_, run)| run.next_slot));
    let stored: HashSet<_> = query.fetch_all(tx.conn()).await?.into_iter().collect();
    Ok(runs.into_iter().filter(|(_, run)| stored.contains(&run.uuid())).collect())
}

/// Writes all that follows from runs whose monitors have moved on.
async fn write(tx: &mut Transaction<'_>, runs: &[&Run], recording: Recording) -> Result<()> {
    history::record(tx, &column(runs, |run| (run.monitor, &run.result)), recording).await?;
    let gaps: Vec<_> = runs.iter().filter_map(|run| run.gap.map(|gap| (run.monitor, gap))).collect();
    history::record_gaps(tx, &gaps).await?;
    incidents::write(tx, runs.iter().flat_map(|run| &run.incidents)).await?;
    let deliveries: Vec<_> = runs.iter().flat_map(|run| &run.deliveries).collect();
    outbox::enqueue(tx, &deliveries).await?;
    kept::keep(tx, runs.iter().filter_map(|run| Some((run.monitor, run.keep.as_deref()?)))).await
}
