//! Laws of sessions: joining, renewing, ending. What they own is in `claims`.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::{borrow::Cow, time::Duration};

use super::fixture::{ALL, CHANNEL, Fixture, KIND, LEASE, judge, probe};
use crate::{
    error::Error,
    id::SessionId,
    monitor::State,
    outcome::Outcome,
    store::{
        claims::{Session, SessionInfo},
        history::Retention,
    },
    time::{Span, Timestamp},
};

const TICK: Duration = Duration::from_micros(1);

pub async fn joining_answers_the_clock_the_deadline_and_the_living(f: Fixture) {
    let mut info = SessionInfo::new(SessionId::new(), "alpha", "1.2.3", 4);
    info.held = 7;
    let now = f.now().await;
    let renewal = f.store.renew(&info, LEASE).await.unwrap();
    assert_eq!((renewal.now, renewal.lease_until, renewal.monitors), (now, now + LEASE, 0));
    assert_eq!(renewal.sessions, [Session::new(info, now, now + LEASE)]);
}

pub async fn a_renewal_extends_the_lease_and_updates_what_the_session_says_of_itself(f: Fixture) {
    let mut info = SessionInfo::new(SessionId::new(), "alpha", "1.2.3", 1);
    let joined_at = f.now().await;
    f.store.renew(&info, LEASE).await.unwrap();
    f.advance(LEASE - TICK).await;
    info.held = 12;
    (info.weight, info.share) = (850, 40);
    (info.running, info.concurrency, info.lateness) = (9, 256, Span(Duration::from_micros(1_234_567)));
    info.capacity = 3;
    let renewal = f.store.renew(&info, LEASE).await.unwrap();
    let lease_until = f.now().await + LEASE;
    assert_eq!(renewal.lease_until, lease_until);
    assert_eq!(f.store.sessions().await.unwrap(), [Session::new(info, joined_at, lease_until)]);
}

pub async fn a_renewal_counts_the_active_monitors_whoever_owns_them(f: Fixture) {
    let session = f.join().await;
    for name in ["a", "b", "c", "d"] {
        f.add(name).await;
    }
    let claims = f.claim(session, 3).await;
    f.store.set_state(claims[0].monitor.id, State::Paused).await.unwrap();
    f.store.set_state(claims[1].monitor.id, State::Retired).await.unwrap();
    assert_eq!(f.renew(session).await.unwrap().monitors, 2);
}

pub async fn all_living_sessions_are_listed_by_id(f: Fixture) {
    let mut sessions = [f.join().await, f.join().await, f.join().await, f.join().await];
    f.store.leave(sessions[1]).await.unwrap();
    sessions.swap(1, 3);
    let mut living = sessions[..3].to_vec();
    living.sort();
    let ids = |listed: Vec<Session>| listed.into_iter().map(|session| session.info.id).collect::<Vec<_>>();
    assert_eq!(ids(f.store.sessions().await.unwrap()), living);
    assert_eq!(ids(f.renew(living[0]).await.unwrap().sessions), living);
}

pub async fn a_session_lives_up_to_its_deadline_and_not_at_it(f: Fixture) {
    let session = f.join().await;
    f.advance(LEASE - TICK).await;
    assert_eq!(f.store.sessions().await.unwrap().len(), 1);
    f.advance(TICK).await;
    assert_eq!(f.store.sessions().await.unwrap(), []);
    assert_refused(&f, session).await;
}

pub async fn an_unknown_session_can_do_nothing(f: Fixture) {
    assert_refused_work(&f, SessionId::new()).await;
}

pub async fn a_session_whose_lease_ran_out_never_comes_back(f: Fixture) {
    let session = f.join().await;
    f.advance(LEASE).await;
    assert_refused(&f, session).await;
    remembered_for_an_hour(&f, session).await;
}

pub async fn a_session_that_left_never_comes_back(f: Fixture) {
    let session = f.join().await;
    f.store.leave(session).await.unwrap();
    assert_eq!(f.store.sessions().await.unwrap(), []);
    assert_refused(&f, session).await;
    remembered_for_an_hour(&f, session).await;
}

pub async fn leaving_frees_monitors_and_deliveries_at_once(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    assert_eq!(f.take(session).await.len(), 1);
    f.store.leave(session).await.unwrap();
    let other = f.join().await;
    assert_eq!(f.claim_one(other).await, claim);
    assert_eq!(f.take(other).await.len(), 1);
}

pub async fn leaving_twice_or_unknown_does_nothing(f: Fixture) {
    let (stays, claim) = f.held("shop").await;
    let leaves = f.join().await;
    for session in [leaves, leaves, SessionId::new()] {
        f.store.leave(session).await.unwrap();
    }
    assert_eq!(f.store.lost(stays, &[(claim.monitor.id, claim.monitor.revision)]).await.unwrap(), []);
    assert_eq!(f.store.sessions().await.unwrap().len(), 1);
}

pub async fn one_ended_session_ends_no_other(f: Fixture) {
    let (stays, claim) = f.held("shop").await;
    f.advance(LEASE / 2).await;
    f.renew(stays).await.unwrap();
    let dies = f.join().await;
    f.advance(LEASE - TICK).await;
    f.renew(stays).await.unwrap();
    f.advance(TICK).await;
    assert_refused(&f, dies).await;
    f.run(stays, &claim, Outcome::up("200")).await;
}

/// Prunes and tries to come back, up to the last moment in which an ended session must be known.
async fn remembered_for_an_hour(f: &Fixture, session: SessionId) {
    let everything = Retention::new(Timestamp::MAX, Timestamp::MAX);
    for _ in 0..2 {
        f.advance(Duration::from_secs(1_799)).await;
        f.store.prune(everything, ALL).await.unwrap();
        assert_refused(f, session).await;
    }
}

async fn assert_refused(f: &Fixture, session: SessionId) {
    assert!(matches!(f.renew(session).await, Err(Error::SessionEnded)), "renewed");
    assert_refused_work(f, session).await;
}

/// Whoever isn't alive gets nothing and writes nothing.
async fn assert_refused_work(f: &Fixture, session: SessionId) {
    let (worker, claim) = {
        let worker = f.join().await;
        f.put(probe(&format!("watched in {session} at {}", f.now().await))).await;
        (worker, f.claim_one(worker).await)
    };
    let completion = judge(&claim, Outcome::up("200"), f.now().await);
    f.store.release(worker, &[claim.monitor.id]).await.unwrap();
    let before = f.read(claim.monitor.id).await;
    let claimed = f.store.claim(session, &[Cow::Borrowed(KIND)], ALL).await;
    assert!(matches!(claimed, Err(Error::SessionEnded)), "claimed {claimed:?}");
    let completed = f.store.complete(session, &[completion]).await;
    assert!(matches!(completed, Err(Error::SessionEnded)), "completed {completed:?}");
    let taken = f.store.take(session, CHANNEL, ALL).await;
    assert!(matches!(taken, Err(Error::SessionEnded)), "took {taken:?}");
    let settled = f.store.settle(session, &[]).await;
    assert!(matches!(settled, Err(Error::SessionEnded)), "settled {settled:?}");
    assert_eq!(f.read(claim.monitor.id).await, before);
    f.store.leave(worker).await.unwrap();
    f.store.delete(claim.monitor.id).await.unwrap();
}
