//! One run, from its start to the completion that records it. Judging is `incident`'s, planning `plan`'s; this file
//! only strings them together.

use std::{sync::Arc, time::Duration};

use super::{
    Shared,
    announcing::{self, Announcement},
    lease::Lease,
    plan,
    registry::{Held, Watched},
};
use crate::{
    check::{CheckContext, Keeper},
    id::{MonitorId, SessionId},
    incident::{self, Health, Judged, Witness},
    maintenance,
    outcome::{Outcome, Status},
    store::claims::{Completion, GapReason},
    time::Timestamp,
};

/// A run that is due: a copy of what it needs, so that the scheduler can go on.
pub(super) struct Job {
    pub(super) lease: Lease,
    pub(super) watched: Arc<Watched>,
    pub(super) health: Health,
    pub(super) slot: Timestamp,
    /// Why slots after this one went by, should some have.
    pub(super) hole: GapReason,
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) session: SessionId,
    pub(super) monitor: MonitorId,
    pub(super) kind: usize,
    /// None when the lease ran out before the run started.
    pub(super) completion: Option<Completion>,
}

impl Job {
    pub(super) fn new(lease: Lease, held: &Held) -> Self {
        Self {
            lease,
            watched: Arc::clone(&held.watched),
            health: held.health.clone(),
            slot: held.slot,
            hole: held.hole.unwrap_or(GapReason::Overload),
        }
    }
}

/// Runs the check and works out all that follows from it.
pub(super) async fn run(shared: Arc<Shared>, job: Job) -> Ended {
    let (session, monitor, kind) = (job.lease.session, job.watched.id, job.watched.kind);
    if !job.lease.is_alive() {
        return Ended { session, monitor, kind, completion: None };
    }
    let started_at = shared.clock.now();
    let outcome = probe(&job, started_at).await;
    let completion = conclude(job, started_at, outcome, shared.clock.now(), &shared).await;
    Ended { session, monitor, kind, completion: Some(completion) }
}

async fn probe(job: &Job, started_at: Timestamp) -> Outcome {
    match &job.watched.check {
        Ok(check) => {
            let name = job.watched.subject.name.as_str();
            let mut cx = CheckContext::new(job.watched.id, name, job.slot, job.watched.timeout);
            cx.started_at = started_at;
            let cx = cx.keeper(Arc::clone(&job.watched) as Arc<dyn Keeper>);
            check.run(&cx).await
        }
        Err(reason) => Outcome::unknown(format!("failed to build the check: {reason}"))
            .evidence("error", "check_refused")
            .bounded(),
    }
}

async fn conclude(
    job: Job,
    started_at: Timestamp,
    mut outcome: Outcome,
    now: Timestamp,
    shared: &Shared,
) -> Completion {
    let Job { lease, watched, health, slot, hole } = job;
    let keep = outcome.keep.take();
    let judged = Judged { monitor: watched.id, slot, status: outcome.status, at: now };
    let witness = Witness::new(lease.session, &*shared.settings.host);
    let advanced = incident::advance_confirmed(&health, judged, &watched.policy, &witness, lease.workers);
    // What goes well and did before is nobody's concern, and nearly all of the runs.
    let is_fine = outcome.status == Status::Up && health.open().next().is_none();
    let hold = if is_fine { None } else { shared.holds.find(&watched.subject, now) };
    let held_back = hold.as_ref().map(|hold| hold.because.as_str());
    let Announcement { health: after, transitions, announced, affected, again } =
        announcing::announce(shared, &watched, &health, advanced, held_back, now).await;
    let outcome = match hold.and_then(|hold| hold.work) {
        Some(work) if outcome.status != Status::Up => outcome.evidence(maintenance::EVIDENCE, work),
        _ => outcome,
    };
    let retry = watched.policy.retry_every.filter(|_| after.is_unconfirmed(&watched.policy)).map(|every| every.0);
    let plan = plan::next(plan::Done {
        schedule: &watched.schedule,
        phase: watched.phase,
        slot,
        started_at,
        first: health.status.is_none(),
        // Another worker is to see it at once.
        retry: if after.second_opinion { Some(Duration::ZERO) } else { again.or(retry) },
        now,
        reason: hole,
    });
    let deliveries = announcing::deliveries(shared, &watched, &announced, &after, &outcome, &affected);
    Completion {
        monitor: watched.id,
        revision: watched.revision,
        slot,
        started_at,
        outcome,
        gap: plan.gap,
        health: (after != health).then_some(after),
        transitions,
        deliveries,
        keep,
        next_slot: plan.next_slot,
    }
}
