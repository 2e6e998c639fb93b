//! Laws of what monitors keep from run to run: it is stored with the run that has it to keep, or not at all.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::sync::Arc;

use super::fixture::{EVERY, Fixture, LEASE, judge, next, probe};
use crate::{
    error::Error,
    id::{MonitorId, SessionId},
    monitor::State,
    outcome::Outcome,
    store::claims::{Claim, Completion, Verdict},
};

impl Fixture {
    async fn kept(&self, monitor: MonitorId) -> Option<Vec<u8>> {
        self.store.kept(monitor).await.unwrap()
    }

    /// Runs a claimed monitor now, which then keeps these bytes; answers the claim for its next slot.
    async fn keep(&self, session: SessionId, claim: &Claim, bytes: &[u8]) -> Claim {
        let run = keeping(claim, bytes, self).await;
        assert_eq!(self.complete(session, &run).await, Verdict::Accepted);
        next(claim, &run)
    }
}

/// A run that has something to keep.
async fn keeping(claim: &Claim, bytes: &[u8], f: &Fixture) -> Completion {
    let run = judge(claim, Outcome::up("200"), f.now().await);
    Completion { keep: Some(Arc::from(bytes)), ..run }
}

pub async fn a_monitor_keeps_nothing_until_a_run_does(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    assert_eq!(f.kept(claim.monitor.id).await, None);
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    assert_eq!(f.kept(claim.monitor.id).await, None);
    let bytes: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    let claim = f.keep(session, &claim, &bytes).await;
    assert_eq!(f.kept(claim.monitor.id).await, Some(bytes));
    f.keep(session, &claim, b"").await;
    assert_eq!(f.kept(claim.monitor.id).await, Some(vec![]), "nothing, kept in place of something");
    assert_eq!(f.kept(MonitorId::new()).await, None);
}

pub async fn what_a_run_keeps_is_read_by_whoever_takes_the_monitor_over(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.keep(session, &claim, b"1").await;
    f.advance(LEASE).await;
    let heir = f.join().await;
    let claim = f.claim_one(heir).await;
    assert_eq!(f.second().kept(claim.monitor.id).await.unwrap().as_deref(), Some(&b"1"[..]));
    f.keep(heir, &claim, b"2").await;
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"2"[..]));
}

pub async fn a_run_that_keeps_nothing_new_leaves_what_was_kept(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.keep(session, &claim, b"1").await;
    f.run_at_slot(session, &claim, Outcome::down("500")).await;
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"1"[..]));
}

pub async fn of_several_runs_in_a_batch_the_last_one_s_is_kept(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.add("other").await;
    let other = f.claim_one(session).await;
    let first = keeping(&claim, b"1", &f).await;
    let second = keeping(&next(&claim, &first), b"2", &f).await;
    let third = judge(&next(&claim, &second), Outcome::up("200"), f.now().await);
    let batch = [first, keeping(&other, b"other", &f).await, second, third];
    assert_eq!(f.store.complete(session, &batch).await.unwrap(), [Verdict::Accepted; 4]);
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(f.kept(other.monitor.id).await.as_deref(), Some(&b"other"[..]));
}

pub async fn a_late_run_keeps_nothing(f: Fixture) {
    let (late, claim) = f.held("shop").await;
    let claim = f.keep(late, &claim, b"before").await;
    let run = keeping(&claim, b"late", &f).await;
    f.advance(LEASE).await;
    assert!(matches!(f.store.complete(late, std::slice::from_ref(&run)).await, Err(Error::SessionEnded)));
    let heir = f.join().await;
    let taken_over = f.claim_one(heir).await;
    assert!(matches!(f.store.complete(late, std::slice::from_ref(&run)).await, Err(Error::SessionEnded)));
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"before"[..]));
    let taken_over = f.keep(heir, &taken_over, b"heir").await;

    let other = f.join().await;
    f.store.release(heir, &[claim.monitor.id]).await.unwrap();
    f.claim_one(other).await;
    let run = keeping(&taken_over, b"late again", &f).await;
    assert_eq!(f.complete(heir, &run).await, Verdict::Lost);
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"heir"[..]));
}

pub async fn the_run_of_an_old_revision_keeps_nothing(f: Fixture) {
    let (session, old) = f.held("shop").await;
    f.put(probe("shop").label("team", "shop")).await;
    let new = f.claim_one(session).await;
    assert_eq!(f.complete(session, &keeping(&old, b"old", &f).await).await, Verdict::Lost);
    assert_eq!(f.kept(new.monitor.id).await, None);
}

pub async fn a_repeat_of_a_stored_run_does_not_bring_back_what_it_kept(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let run = keeping(&claim, b"1", &f).await;
    assert_eq!(f.complete(session, &run).await, Verdict::Accepted);
    assert_eq!(f.complete(session, &run).await, Verdict::Accepted);
    assert_eq!(f.kept(claim.monitor.id).await.as_deref(), Some(&b"1"[..]));
}

pub async fn what_a_monitor_keeps_stays_through_edits_and_pauses_and_goes_with_it(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.keep(session, &claim, b"1").await;
    let id = claim.monitor.id;
    f.put(probe("shop").every(EVERY * 2)).await;
    f.store.set_state(id, State::Paused).await.unwrap();
    f.store.set_state(id, State::Active).await.unwrap();
    assert_eq!(f.kept(id).await.as_deref(), Some(&b"1"[..]));
    f.store.set_state(id, State::Retired).await.unwrap();
    assert_eq!(f.kept(id).await, None, "retired");
    assert_eq!(f.kept(f.add("shop").await).await, None, "another one of its name");

    let claim = f.claim_one(session).await;
    f.keep(session, &claim, b"2").await;
    f.store.delete(claim.monitor.id).await.unwrap();
    assert_eq!(f.kept(claim.monitor.id).await, None, "deleted");
}
