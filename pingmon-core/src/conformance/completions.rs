//! Laws of completions: what is stored of a run, by whom, how often, and never in part.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use serde_json::json;

use super::fixture::{ALL, CHANNEL, EVERY, Fixture, LEASE, Reading, judge, next, probe};
use crate::{
    error::Error,
    id::{MonitorId, SessionId},
    monitor::State,
    notification::DeliveryState,
    outcome::{Metric, Outcome, Status},
    store::{
        claims::{Claim, Completion, Verdict},
        history::Record,
        outbox::{Settled, Settlement},
    },
};

pub async fn a_completion_stores_the_run_its_gap_its_health_its_incident_its_deliveries_and_the_next_slot(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let completion = late_failure(&f, session, &claim).await;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let Reading { overview, records, gaps, incidents, deliveries } = f.read(claim.monitor.id).await;
    assert_eq!(records, [Record::new(claim.slot, completion.started_at, completion.outcome.clone())]);
    assert_eq!(gaps, [completion.gap.unwrap()]);
    assert_eq!((overview.monitor, overview.slot), (claim.monitor.clone(), completion.next_slot));
    assert_eq!(Some(overview.health), completion.health);
    assert_eq!(incidents, [completion.transitions[0].to_incident(claim.monitor.id, "500")]);
    assert_eq!(deliveries, completion.deliveries);
}

pub async fn a_run_without_consequences_leaves_the_health_as_it_was(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    f.advance(EVERY).await;
    let steady = judge(&claim, Outcome::up("200"), f.now().await);
    assert_eq!(steady.health, None, "a steady state is equal to itself");
    assert_eq!(f.complete(session, &steady).await, Verdict::Accepted);
    let reading = f.read(claim.monitor.id).await;
    assert_eq!((reading.overview.health, reading.records.len()), (claim.health, 2));
    assert_eq!((reading.incidents.len(), reading.deliveries.len()), (0, 0));
}

pub async fn an_outcome_reads_back_as_it_was(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let mut outcome = Outcome::up("grüß dich \u{1f980} 'quoted' \"twice\" \\ %s $1")
        .latency(Duration::from_micros(123_456))
        .phase("dns", Duration::from_micros(1))
        .phase("connect", Duration::from_millis(2))
        .metric(Metric::new("size", 0.1 + 0.2, "bytes").label("part", "body"))
        .evidence("nested", json!({ "list": [1, null, "\u{7f}"], "big": 9_007_199_254_740_993_i64 }));
    outcome.fail(Status::Degraded, "status", "2xx", "301");
    f.run(session, &claim, outcome.clone()).await;
    assert_eq!(f.records(claim.monitor.id).await[0].outcome, outcome);
}

pub async fn a_repeat_of_a_stored_completion_is_accepted_and_written_once(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let completion = late_failure(&f, session, &claim).await;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    let before = f.read(claim.monitor.id).await;
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    assert_eq!(f.read(claim.monitor.id).await, before);
    f.run(session, &next(&claim, &completion), Outcome::up("200")).await;
}

pub async fn a_repeat_brings_no_settled_delivery_back(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let completion = judge(&claim, Outcome::down("500"), f.now().await);
    f.complete(session, &completion).await;
    let taken = f.take(session).await;
    let sent = Settlement::new(&taken[0], Settled::Sent(None));
    f.store.settle(session, &[sent]).await.unwrap();
    assert_eq!(f.complete(session, &completion).await, Verdict::Accepted);
    assert_eq!(f.deliveries(claim.monitor.id).await[0].state, DeliveryState::Sent);
    assert_eq!(f.take(session).await, []);
}

pub async fn a_slot_has_at_most_one_row_and_the_first_one_stays(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let first = judge(&claim, Outcome::up("first"), f.now().await);
    assert_eq!(f.complete(session, &first).await, Verdict::Accepted);
    let second = judge(&claim, Outcome::down("second"), f.now().await);
    f.complete(session, &second).await;
    let reading = f.read(claim.monitor.id).await;
    assert_eq!(reading.records.len(), 1);
    assert_eq!(reading.records[0].outcome.message, "first");
    assert_eq!((reading.incidents.len(), reading.deliveries.len()), (0, 0));
}

pub async fn a_slot_that_comes_again_keeps_its_row_and_holds_up_no_other(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.run(session, &claim, Outcome::up("first")).await;
    // Resumed within the same instant, it is due then once more.
    f.store.set_state(claim.monitor.id, State::Paused).await.unwrap();
    f.store.set_state(claim.monitor.id, State::Active).await.unwrap();
    let other = f.add("other").await;
    let claims = f.claim(session, ALL).await;
    assert!(claims.iter().any(|again| (again.monitor.id, again.slot) == (claim.monitor.id, claim.slot)));
    let now = f.now().await;
    let batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::up("second"), now)).collect();
    assert_eq!(f.store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; 2]);
    for (monitor, message) in [(claim.monitor.id, "first"), (other, "second")] {
        let records = f.records(monitor).await;
        assert_eq!(records.iter().map(|record| record.outcome.message.as_str()).collect::<Vec<_>>(), [message]);
    }
}

pub async fn a_late_worker_whose_session_ended_changes_nothing(f: Fixture) {
    let (late, claim) = f.held("shop").await;
    let completion = late_failure(&f, late, &claim).await;
    f.advance(LEASE).await;
    let before = f.read(claim.monitor.id).await;
    assert!(matches!(f.store.complete(late, std::slice::from_ref(&completion)).await, Err(Error::SessionEnded)));
    assert_eq!(f.read(claim.monitor.id).await, before, "before a takeover");
    let heir = f.join().await;
    let taken_over = f.claim_one(heir).await;
    f.run(heir, &taken_over, Outcome::up("200")).await;
    let before = f.read(claim.monitor.id).await;
    assert!(matches!(f.store.complete(late, &[completion]).await, Err(Error::SessionEnded)));
    assert_eq!(f.read(claim.monitor.id).await, before, "after it");
}

pub async fn a_living_worker_that_lost_its_monitor_changes_nothing(f: Fixture) {
    let (late, claim) = f.held("shop").await;
    let completion = late_failure(&f, late, &claim).await;
    f.store.release(late, &[claim.monitor.id]).await.unwrap();
    assert_lost(&f, late, &completion).await;
    let heir = f.join().await;
    let taken_over = f.claim_one(heir).await;
    assert_lost(&f, late, &completion).await;
    f.run(heir, &taken_over, Outcome::up("200")).await;
    assert_lost(&f, late, &completion).await;
}

pub async fn the_run_of_an_old_revision_changes_nothing_even_if_its_session_owns_the_new_one(f: Fixture) {
    let (session, old) = f.held("shop").await;
    let completion = late_failure(&f, session, &old).await;
    f.put(probe("shop").label("team", "shop")).await;
    assert_lost(&f, session, &completion).await;
    let new = f.claim_one(session).await;
    assert_eq!((new.monitor.id, new.slot), (old.monitor.id, old.slot));
    assert_lost(&f, session, &completion).await;
    f.run(session, &new, Outcome::up("200")).await;
    assert_lost(&f, session, &completion).await;
}

pub async fn the_run_of_a_monitor_paused_resumed_or_retired_meanwhile_changes_nothing(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let completion = late_failure(&f, session, &claim).await;
    for state in [State::Paused, State::Active, State::Retired] {
        f.store.set_state(claim.monitor.id, state).await.unwrap();
        assert_lost(&f, session, &completion).await;
    }
}

pub async fn the_run_of_a_deleted_monitor_leaves_no_trace(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let completion = late_failure(&f, session, &claim).await;
    f.store.delete(claim.monitor.id).await.unwrap();
    assert_eq!(f.complete(session, &completion).await, Verdict::Lost);
    assert_eq!(f.records(claim.monitor.id).await, []);
    assert_eq!(f.incidents(claim.monitor.id).await, []);
    assert_eq!(f.take(session).await, []);
}

pub async fn the_run_of_another_slot_than_the_pending_one_changes_nothing(f: Fixture) {
    let (session, first) = f.held("shop").await;
    let second = f.run(session, &first, Outcome::up("200")).await;
    let third = f.run_at_slot(session, &second, Outcome::up("200")).await;
    let stale = judge(&first, Outcome::down("500"), first.slot);
    assert_lost(&f, session, &stale).await;
    let ahead = Claim { slot: third.slot + EVERY, ..third.clone() };
    assert_lost(&f, session, &judge(&ahead, Outcome::down("500"), ahead.slot)).await;
}

pub async fn a_batch_is_answered_row_by_row_in_its_order(f: Fixture) {
    for name in ["a", "b", "c"] {
        f.add(name).await;
    }
    let session = f.join().await;
    let claims = f.claim(session, 3).await;
    f.store.release(session, &[claims[1].monitor.id]).await.unwrap();
    let now = f.now().await;
    let batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("500"), now)).collect();
    let verdicts = f.store.complete(session, &batch).await.unwrap();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Lost, Verdict::Accepted]);
    for (claim, rows) in claims.iter().zip([1, 0, 1]) {
        let reading = f.read(claim.monitor.id).await;
        assert_eq!([reading.records.len(), reading.incidents.len(), reading.deliveries.len()], [rows; 3]);
    }
    assert_eq!(f.store.complete(session, &[]).await.unwrap(), []);
}

pub async fn a_batch_of_an_ended_session_stores_nothing_of_any_row(f: Fixture) {
    let added = [f.add("a").await, f.add("b").await];
    let session = f.join().await;
    let claims = f.claim(session, 2).await;
    let now = f.now().await;
    let batch: Vec<_> = claims.iter().map(|claim| judge(claim, Outcome::down("500"), now)).collect();
    f.store.leave(session).await.unwrap();
    assert!(matches!(f.store.complete(session, &batch).await, Err(Error::SessionEnded)));
    for id in added {
        let reading = f.read(id).await;
        assert_eq!([reading.records.len(), reading.incidents.len(), reading.deliveries.len()], [0; 3]);
    }
}

pub async fn deliveries_go_to_every_channel_with_ids_that_a_second_judgement_repeats(f: Fixture) {
    f.put(probe("shop").notify([CHANNEL, "dev", "boss"])).await;
    let session = f.join().await;
    let claim = f.claim_one(session).await;
    let completion = judge(&claim, Outcome::down("500"), f.now().await);
    f.complete(session, &completion).await;
    let stored = f.deliveries(claim.monitor.id).await;
    assert_eq!(stored.len(), 3);
    let again = judge(&claim, Outcome::down("500"), f.now().await);
    for delivery in again.deliveries {
        assert!(stored.contains(&delivery), "{delivery:?}");
    }
}

/// A run that ended when the two next slots had passed, so that everything a completion can hold is in it.
async fn late_failure(f: &Fixture, session: SessionId, claim: &Claim) -> Completion {
    f.advance(EVERY).await;
    f.renew(session).await.unwrap();
    f.advance(EVERY + Duration::from_secs(1)).await;
    f.renew(session).await.unwrap();
    let completion = judge(claim, Outcome::down("500"), f.now().await);
    let whole = completion.gap.is_some() && completion.health.is_some();
    assert!(whole && completion.transitions.len() == 1 && completion.deliveries.len() == 1, "{completion:?}");
    completion
}

async fn assert_lost(f: &Fixture, session: SessionId, completion: &Completion) {
    let id: MonitorId = completion.monitor;
    let before = f.read(id).await;
    assert_eq!(f.complete(session, completion).await, Verdict::Lost);
    assert_eq!(f.read(id).await, before);
}
