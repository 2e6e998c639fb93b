//! Hands finished runs to the store in batches: what ends within a few milliseconds shares one transaction. It decides
//! nothing about a run.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Shared, backoff::Backoff, lease::Lease, scheduler::Message};
use crate::{
    error::Error,
    id::SessionId,
    store::claims::{Completion, Verdict},
};

/// Most runs in one transaction.
const MAX_BATCH: usize = 500;
/// Most batches that are being stored at the same time. A monitor is in one of them at most: it is run again when that
/// is stored.
const MAX_SETTLING: usize = 4;
/// How long the first run of a batch waits for company.
const LINGER: Duration = Duration::from_millis(4);

/// A finished run, and the session it was run in.
pub(super) struct Finished {
    pub(super) session: SessionId,
    pub(super) completion: Completion,
}

/// Commits until the scheduler has gone and everything it sent is settled.
pub(super) async fn commit(
    shared: Arc<Shared>,
    mut finished: mpsc::UnboundedReceiver<Finished>,
    verdicts: mpsc::UnboundedSender<Message>,
    leases: watch::Receiver<Option<Lease>>,
) {
    let (mut incoming, mut full_at, mut open) = (Vec::with_capacity(MAX_BATCH), Instant::now(), true);
    let mut settling = FuturesUnordered::new();
    while open || !incoming.is_empty() || !settling.is_empty() {
        let room = MAX_BATCH - incoming.len();
        tokio::select! {
            received = finished.recv_many(&mut incoming, room), if open && room > 0 => {
                open = received > 0;
                if received == incoming.len() {
                    full_at = Instant::now() + LINGER;
                }
            }
            Some(()) = settling.next() => {}
            () = sleep_until(full_at), if !incoming.is_empty() && settling.is_empty() => {}
        }
        // While one batch is being stored, the next one grows: only when it is full does it go along.
        let is_full = incoming.len() == MAX_BATCH && settling.len() < MAX_SETTLING;
        if is_full || (settling.is_empty() && (!open || full_at <= Instant::now())) {
            while let Some(session) = incoming.first().map(|first| first.session) {
                let of_session = |run: &mut Finished| run.session == session;
                let batch: Vec<_> = incoming.extract_if(.., of_session).map(|run| run.completion).collect();
                settling.push(settle(&shared, session, batch, &verdicts, &leases));
            }
        }
    }
}

/// Stores one batch, come what may, or learns that its session is over.
async fn settle(
    shared: &Shared,
    session: SessionId,
    batch: Vec<Completion>,
    verdicts: &mpsc::UnboundedSender<Message>,
    leases: &watch::Receiver<Option<Lease>>,
) {
    // Halves of a batch that the store refuses for good wait here: one bad row must not take the others with it.
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        match store(shared, session, &part, leases).await {
            Ok(answers) => {
                note(shared, &part, &answers);
                let settled = part.into_iter().zip(answers).map(|(run, verdict)| (run.into(), verdict)).collect();
                // The scheduler may be gone already, at the end of a shutdown.
                let _ = verdicts.send(Message::Committed(session, settled));
            }
            Err(error) if part.len() > 1 && !matches!(error, Error::SessionEnded) => {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
            Err(error) => {
                tracing::error!(%session, runs = part.len(), error = error.chain(), "failed to record runs");
                shared.gauges.lost(part.len());
                let settled = part.into_iter().map(|run| (run.into(), Verdict::Lost)).collect();
                let _ = verdicts.send(Message::Committed(session, settled));
            }
        }
    }
}

/// Tries until the store answers, refuses for good, or the session's lease has run out.
async fn store(
    shared: &Shared,
    session: SessionId,
    batch: &[Completion],
    leases: &watch::Receiver<Option<Lease>>,
) -> Result<Vec<Verdict>, Error> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        match shared.store.complete(session, batch).await {
            Err(error) if error.is_retryable() => {
                shared.store_failed("record runs", &error);
                let alive = leases.borrow().is_some_and(|lease| lease.session == session && lease.is_alive());
                if !alive {
                    return Err(Error::SessionEnded);
                }
                sleep(backoff.next()).await;
            }
            Ok(answers) => {
                shared.gauges.store_fault(None);
                return Ok(answers);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Counts what was stored, says so, and wakes the dispatcher if there is something to send.
fn note(shared: &Shared, batch: &[Completion], answers: &[Verdict]) {
    let accepted =
        || batch.iter().zip(answers).filter(|(_, verdict)| **verdict == Verdict::Accepted).map(|(run, _)| run);
    let missed = accepted().filter_map(|run| run.gap).map(|gap| gap.slots).sum();
    shared.gauges.recorded(accepted().count(), missed);
    let lost = batch.len() - accepted().count();
    shared.gauges.lost(lost);
    let lateness = accepted().map(|run| run.started_at.since(run.slot)).max().unwrap_or_default();
    match lost {
        0 => tracing::debug!(runs = batch.len(), ?lateness, "recorded"),
        _ => tracing::warn!(
            runs = batch.len(),
            lost,
            ?lateness,
            "the store refused late runs: others own their monitors"
        ),
    }
    if accepted().any(|run| !run.deliveries.is_empty()) {
        shared.mail.send_replace(());
    }
}
