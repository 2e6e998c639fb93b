//! Laws of ownership: claim, release, takeover, and the slots of monitors that nobody owns.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use super::fixture::{ALL, EVERY, Fixture, KIND, LEASE, judge, probe};
use crate::{
    id::{MonitorId, SessionId},
    monitor::{Definition, State},
    outcome::Outcome,
    store::claims::{Claim, Gap, GapReason, Skip, Verdict},
};

fn ids<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Vec<MonitorId> {
    claims.into_iter().map(|claim| claim.monitor.id).collect()
}

/// Monitors whose slots lie one second apart, in that order, which is neither that of their names nor of their ids.
async fn added_in_order(f: &Fixture, count: usize) -> Vec<MonitorId> {
    let names: Vec<_> = (0..count).map(|n| format!("monitor {n}")).collect();
    let puts = f.store.put(names.iter().map(|name| probe(name)).collect()).await.unwrap();
    let added: Vec<_> = puts.iter().rev().map(|put| put.id).collect();
    for id in &added {
        f.store.set_state(*id, State::Paused).await.unwrap();
        f.store.set_state(*id, State::Active).await.unwrap();
        f.advance(Duration::from_secs(1)).await;
    }
    added
}

pub async fn a_claim_hands_over_the_monitor_its_health_and_its_slot(f: Fixture) {
    let id = f.add("shop").await;
    let overview = f.store.monitor(id).await.unwrap();
    let session = f.join().await;
    let claim = f.claim_one(session).await;
    assert_eq!(claim, Claim::new(overview.monitor, overview.health, overview.slot));
}

pub async fn a_claim_never_exceeds_its_limit(f: Fixture) {
    added_in_order(&f, 7).await;
    let session = f.join().await;
    let mut claimed = Vec::new();
    for (limit, expected) in [(0, 0), (1, 1), (5, 5), (5, 1), (5, 0)] {
        let claims = f.claim(session, limit).await;
        assert_eq!(claims.len(), expected, "limit {limit}");
        claimed.extend(ids(&claims));
    }
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 7, "no monitor twice");
}

pub async fn a_claim_takes_the_earliest_slots_first(f: Fixture) {
    let added = added_in_order(&f, 5).await;
    let session = f.join().await;
    assert_eq!(ids(&f.claim(session, 2).await), added[..2]);
    assert_eq!(ids(&f.claim(session, ALL).await), added[2..]);
}

pub async fn a_claim_leaves_to_others_what_it_is_told_to(f: Fixture) {
    let added = added_in_order(&f, 5).await;
    let session = f.join().await;
    let claimed = f.store.claim_except(session, &[Cow::Borrowed(KIND)], &added[1..3], 2).await.unwrap();
    assert_eq!(ids(&claimed), [added[0], added[3]]);
    assert_eq!(ids(&f.claim(session, ALL).await), [added[1], added[2], added[4]]);
}

pub async fn a_monitor_can_be_claimed_before_its_slot_is_due(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::up("200")).await;
    f.store.release(session, &[claim.monitor.id]).await.unwrap();
    assert!(claim.slot > f.now().await);
    assert_eq!(f.claim_one(session).await, claim);
}

pub async fn a_claim_takes_only_the_kinds_it_names(f: Fixture) {
    for (name, kind) in [("a", "http"), ("b", "tcp"), ("c", "wasm"), ("d", "http")] {
        f.put(Definition::new(name, kind)).await;
    }
    let session = f.join().await;
    let kinds = async |kinds: &[Cow<'static, str>]| {
        let claims = f.store.claim(session, kinds, ALL).await.unwrap();
        claims.into_iter().map(|claim| claim.monitor.definition.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(kinds(&[]).await, BTreeSet::new());
    assert_eq!(kinds(&["icmp".into()]).await, BTreeSet::new());
    assert_eq!(kinds(&["wasm".into(), "http".into()]).await, ["a", "c", "d"].map(str::to_owned).into());
    assert_eq!(kinds(&["tcp".into()]).await, ["b".to_owned()].into());
}

pub async fn an_owned_monitor_is_claimed_by_nobody_else_and_not_again(f: Fixture) {
    let (owner, _) = f.held("shop").await;
    let other = f.join().await;
    for _ in 0..5 {
        f.advance(LEASE / 3).await;
        f.renew(owner).await.unwrap();
        f.renew(other).await.unwrap();
        assert_eq!(f.claim(other, ALL).await, []);
        assert_eq!(f.claim(owner, ALL).await, []);
    }
}

pub async fn monitors_that_are_not_active_are_not_claimed(f: Fixture) {
    let (paused, retired) = (f.add("paused").await, f.add("retired").await);
    f.store.set_state(paused, State::Paused).await.unwrap();
    f.store.set_state(retired, State::Retired).await.unwrap();
    let session = f.join().await;
    assert_eq!(f.claim(session, ALL).await, []);
    f.store.set_state(paused, State::Active).await.unwrap();
    assert_eq!(ids(&f.claim(session, ALL).await), [paused]);
}

pub async fn a_takeover_gets_the_same_slot_and_the_same_health(f: Fixture) {
    let (dead, claim) = f.held("shop").await;
    let claim = f.run(dead, &claim, Outcome::down("500")).await;
    f.advance(LEASE).await;
    let heir = f.join().await;
    assert_eq!(f.claim_one(heir).await, claim);
}

pub async fn released_monitors_can_be_claimed_at_once(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.store.release(session, &[claim.monitor.id]).await.unwrap();
    let other = f.join().await;
    assert_eq!(f.claim_one(other).await, claim);
    let late = judge(&claim, Outcome::up("200"), f.now().await);
    assert_eq!(f.complete(session, &late).await, Verdict::Lost);
}

pub async fn releasing_what_another_owns_does_nothing(f: Fixture) {
    let (owner, claim) = f.held("shop").await;
    let other = f.join().await;
    f.store.release(other, &[MonitorId::new(), claim.monitor.id]).await.unwrap();
    assert_eq!(f.claim(other, ALL).await, []);
    f.run(owner, &claim, Outcome::up("200")).await;
}

pub async fn an_owner_learns_which_of_its_monitors_it_lost(f: Fixture) {
    let names = ["deleted", "edited", "kept", "paused", "released", "unchanged"];
    for name in names {
        f.add(name).await;
    }
    let session = f.join().await;
    let claims = f.claim(session, ALL).await;
    let held: Vec<_> = claims.iter().map(|claim| (claim.monitor.id, claim.monitor.revision)).collect();
    let id = |name| claims.iter().find(|claim| claim.monitor.definition.name == name).unwrap().monitor.id;
    assert_eq!(f.store.lost(session, &held).await.unwrap(), []);
    f.store.delete(id("deleted")).await.unwrap();
    f.put(probe("edited").label("team", "shop")).await;
    f.store.set_state(id("paused"), State::Paused).await.unwrap();
    f.store.release(session, &[id("released")]).await.unwrap();
    f.put(probe("unchanged")).await;
    let lost: BTreeSet<_> = f.store.lost(session, &held).await.unwrap().into_iter().collect();
    assert_eq!(lost, ["deleted", "edited", "paused", "released"].map(id).into());
    let kept = claims.iter().find(|claim| claim.monitor.id == id("kept")).unwrap();
    let stale = [(kept.monitor.id, kept.monitor.revision - 1)];
    assert_eq!(f.store.lost(session, &stale).await.unwrap(), [kept.monitor.id], "another revision");
    f.advance(LEASE).await;
    assert_eq!(f.store.lost(session, &held).await.unwrap().len(), names.len(), "an ended session owns nothing");
}

pub async fn a_session_can_ask_what_it_owns(f: Fixture) {
    let added = added_in_order(&f, 5).await;
    let (session, other) = (f.join().await, f.join().await);
    let owned = async |session| f.store.owned(session).await.unwrap().into_iter().collect::<BTreeSet<_>>();
    f.claim(session, 4).await;
    f.claim(other, 1).await;
    f.store.release(session, &added[..1]).await.unwrap();
    f.store.set_state(added[1], State::Paused).await.unwrap();
    assert_eq!(owned(session).await, added[2..4].iter().copied().collect());
    assert_eq!(owned(other).await, [added[4]].into());
    assert_eq!(owned(SessionId::new()).await, BTreeSet::new());
    f.advance(LEASE).await;
    assert_eq!(owned(session).await, BTreeSet::new(), "it has ended");
}

pub async fn overdue_lists_unowned_monitors_earliest_first_and_claims_none(f: Fixture) {
    let added = added_in_order(&f, 6).await;
    let session = f.join().await;
    assert_eq!(ids(&f.claim(session, 1).await), added[..1]);
    f.store.set_state(added[1], State::Paused).await.unwrap();
    f.store.set_state(added[2], State::Retired).await.unwrap();
    let last = f.store.monitor(added[5]).await.unwrap();
    assert_eq!(ids(&f.store.overdue(last.slot, ALL).await.unwrap()), added[3..5], "the slot itself isn't before");
    assert_eq!(ids(&f.store.overdue(f.now().await, 2).await.unwrap()), added[3..5]);
    let all = f.store.overdue(f.now().await, ALL).await.unwrap();
    assert_eq!(all[2], Claim::new(last.monitor, last.health, last.slot));
    assert_eq!(ids(&f.claim(session, ALL).await), added[3..]);
    assert_eq!(f.store.overdue(f.now().await, ALL).await.unwrap(), []);
    f.advance(LEASE).await;
    let before: BTreeSet<_> = ids(&f.store.overdue(f.now().await, ALL).await.unwrap()).into_iter().collect();
    assert_eq!(before, [added[0], added[3], added[4], added[5]].into(), "a dead owner is none");
}

pub async fn a_skip_records_the_gap_and_moves_the_slot(f: Fixture) {
    let id = f.add("shop").await;
    let (claim, skip) = skip_three(&f, id).await;
    assert_eq!(f.store.skip(std::slice::from_ref(&skip)).await.unwrap(), 1);
    let reading = f.read(id).await;
    assert_eq!((reading.gaps, reading.overview.slot), (vec![skip.gap], skip.next_slot));
    assert_eq!(reading.overview.monitor, claim.monitor);
    let session = f.join().await;
    assert_eq!(f.claim_one(session).await.slot, skip.next_slot);
}

pub async fn a_skip_repeated_is_recorded_once(f: Fixture) {
    let id = f.add("shop").await;
    let (_, skip) = skip_three(&f, id).await;
    let twice = [skip.clone(), skip.clone()];
    assert_eq!(f.store.skip(&twice).await.unwrap(), 1);
    assert_eq!(f.store.skip(&twice).await.unwrap(), 0);
    assert_eq!(f.read(id).await.gaps, [skip.gap]);
}

pub async fn a_skip_passes_over_what_is_owned_edited_paused_or_gone(f: Fixture) {
    let names = ["edited", "gone", "owned", "paused"];
    let mut skips = Vec::new();
    for name in names {
        let id = f.add(name).await;
        skips.push(skip_three(&f, id).await.1);
        match name {
            "edited" => drop(f.put(probe(name).label("team", "shop")).await),
            "gone" => f.store.delete(id).await.unwrap(),
            "owned" => {}
            _ => f.store.set_state(id, State::Paused).await.unwrap(),
        }
    }
    let session = f.join().await;
    assert!(!f.claim(session, ALL).await.is_empty());
    assert_eq!(f.store.skip(&skips).await.unwrap(), 0);
    f.store.release(session, &[skips[0].monitor]).await.unwrap();
    assert_eq!(f.store.skip(&skips).await.unwrap(), 0, "an old revision");
    for name in [0, 2, 3] {
        assert_eq!(f.read(skips[name].monitor).await.gaps, []);
    }
}

/// Lets three slots of an unowned monitor pass, and answers the skip that records them.
async fn skip_three(f: &Fixture, id: MonitorId) -> (Claim, Skip) {
    f.advance(EVERY * 3 - Duration::from_secs(1)).await;
    let overdue = f.store.overdue(f.now().await, ALL).await.unwrap();
    let claim = overdue.into_iter().find(|claim| claim.monitor.id == id).unwrap();
    let until = claim.slot + EVERY * 3;
    let skip = Skip::new(&claim, Gap::new(claim.slot, until, 3, GapReason::NoEngine), until);
    (claim, skip)
}
