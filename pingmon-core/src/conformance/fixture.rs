//! What the laws stand on: a fresh store, its clock, and the few moves that nearly every law makes. It judges runs with
//! the same pure functions as an engine, but is no engine: it does nothing by itself.

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::Harness;
use crate::{
    error::Result,
    id::{MonitorId, SessionId},
    incident::{self, Incident, Judged},
    monitor::{Definition, Monitor},
    notification::{self, Audience, Delivery, Subject},
    outcome::Outcome,
    policy::{Policy, Threshold},
    schedule::Schedule,
    store::{
        Store,
        catalog::{Change, Overview},
        claims::{Claim, Completion, Gap, GapReason, Renewal, SessionInfo, Verdict},
        history::Record,
        incidents::IncidentFilter,
        outbox::DeliveryFilter,
    },
    time::Timestamp,
};

/// The check kind of the monitors here.
pub const KIND: &str = "probe";
/// The channel they notify.
pub const CHANNEL: &str = "ops";
/// The interval of their slots.
pub const EVERY: Duration = Duration::from_secs(10);
/// How long a session's lease is.
pub const LEASE: Duration = Duration::from_secs(15);
/// More than any law stores.
pub const ALL: usize = 10_000;

/// A store under test with its clock.
pub struct Fixture {
    harness: Box<dyn Harness>,
    /// The store.
    pub store: Arc<dyn Store>,
}

/// All that a store tells of one monitor: equal before and after what changes nothing.
#[derive(Debug, PartialEq)]
pub struct Reading {
    /// The monitor with its present state.
    pub overview: Overview,
    /// Its runs, newest first.
    pub records: Vec<Record>,
    /// Its gaps, newest first.
    pub gaps: Vec<Gap>,
    /// Its incidents, latest first.
    pub incidents: Vec<Incident>,
    /// Its deliveries, latest first.
    pub deliveries: Vec<Delivery>,
}

impl Fixture {
    /// A fixture over a fresh store.
    pub fn new(harness: impl Harness) -> Self {
        let store = harness.store();
        Self { harness: Box::new(harness), store }
    }

    /// Another handle to the same state.
    pub fn second(&self) -> Arc<dyn Store> {
        self.harness.second()
    }

    /// The store's clock.
    pub async fn now(&self) -> Timestamp {
        self.harness.now().await
    }

    /// Moves the store's clock.
    pub async fn advance(&self, by: Duration) {
        self.harness.advance(by).await;
    }

    /// Joins as a new session for [`LEASE`].
    pub async fn join(&self) -> SessionId {
        let session = SessionId::new();
        self.renew(session).await.unwrap();
        session
    }

    /// Renews a session for [`LEASE`].
    pub async fn renew(&self, session: SessionId) -> Result<Renewal> {
        self.store.renew(&SessionInfo::new(session, "host", "1.0.0", 1), LEASE).await
    }

    /// Puts one definition.
    pub async fn put(&self, definition: Definition) -> (MonitorId, Change) {
        let puts = self.store.put(vec![definition]).await.unwrap();
        assert_eq!(puts.len(), 1, "one answer a definition");
        (puts[0].id, puts[0].change)
    }

    /// Adds a monitor as [`probe`] defines it.
    pub async fn add(&self, name: &str) -> MonitorId {
        self.put(probe(name)).await.0
    }

    /// Claims up to `limit` monitors.
    pub async fn claim(&self, session: SessionId, limit: usize) -> Vec<Claim> {
        self.store.claim(session, &[Cow::Borrowed(KIND)], limit).await.unwrap()
    }

    /// Claims the one monitor there is to claim.
    pub async fn claim_one(&self, session: SessionId) -> Claim {
        let mut claims = self.claim(session, ALL).await;
        assert_eq!(claims.len(), 1, "one monitor is free");
        claims.remove(0)
    }

    /// A new session that holds a new monitor of that name, the only free one.
    pub async fn held(&self, name: &str) -> (SessionId, Claim) {
        self.add(name).await;
        let session = self.join().await;
        (session, self.claim_one(session).await)
    }

    /// Completes one run.
    pub async fn complete(&self, session: SessionId, completion: &Completion) -> Verdict {
        let verdicts = self.store.complete(session, std::slice::from_ref(completion)).await.unwrap();
        assert_eq!(verdicts.len(), 1, "one verdict a completion");
        verdicts[0]
    }

    /// Runs a claimed monitor now with that outcome, and answers the claim for its next slot.
    pub async fn run(&self, session: SessionId, claim: &Claim, outcome: Outcome) -> Claim {
        let completion = judge(claim, outcome, self.now().await);
        assert_eq!(self.complete(session, &completion).await, Verdict::Accepted);
        next(claim, &completion)
    }

    /// Advances to the claim's slot, then runs it with that outcome.
    pub async fn run_at_slot(&self, session: SessionId, claim: &Claim, outcome: Outcome) -> Claim {
        self.advance(claim.slot.since(self.now().await)).await;
        self.renew(session).await.unwrap();
        self.run(session, claim, outcome).await
    }

    /// All that the store tells of a monitor.
    pub async fn read(&self, id: MonitorId) -> Reading {
        Reading {
            overview: self.store.monitor(id).await.unwrap(),
            records: self.records(id).await,
            gaps: self.store.gaps(id, None, ALL).await.unwrap(),
            incidents: self.incidents(id).await,
            deliveries: self.deliveries(id).await,
        }
    }

    /// Its runs, newest first.
    pub async fn records(&self, id: MonitorId) -> Vec<Record> {
        self.store.records(id, None, ALL).await.unwrap()
    }

    /// Its incidents, latest first.
    pub async fn incidents(&self, id: MonitorId) -> Vec<Incident> {
        self.store.incidents(IncidentFilter::all().of(id), ALL).await.unwrap()
    }

    /// Its deliveries, latest first.
    pub async fn deliveries(&self, id: MonitorId) -> Vec<Delivery> {
        self.store.deliveries(DeliveryFilter::all().of(id), ALL).await.unwrap()
    }

    /// Takes what can be sent on [`CHANNEL`].
    pub async fn take(&self, session: SessionId) -> Vec<Delivery> {
        self.store.take(session, CHANNEL, ALL).await.unwrap()
    }
}

/// A monitor every [`EVERY`] that opens an incident at the first failure and closes it at the first success.
pub fn probe(name: &str) -> Definition {
    let policy = Policy { open_after: Threshold::Count(1), unknown_after: Threshold::Count(1), ..Policy::default() };
    Definition::new(name, KIND).every(EVERY).policy(policy).notify([CHANNEL])
}

/// What an engine would store of a run that ended at `at`: slots that passed meanwhile become a gap.
pub fn judge(claim: &Claim, outcome: Outcome, at: Timestamp) -> Completion {
    let Monitor { id, definition, .. } = &claim.monitor;
    let run = Judged { monitor: *id, slot: claim.slot, status: outcome.status, at };
    let (health, transitions) = incident::advance(&claim.health, run, &definition.policy);
    let subject = Subject::of(&claim.monitor);
    let expiry = notification::DEFAULT_EXPIRY;
    let deliveries = Audience::of(definition).notices(&subject, &[], &transitions, Some(&outcome), expiry);
    let (gap, next_slot) = following(&definition.schedule, claim.slot, at);
    let health = (health != claim.health).then_some(health);
    Completion { gap, health, transitions, deliveries, ..Completion::new(claim, at, outcome, next_slot) }
}

/// The first slot after both `slot` and `at`, and the gap of those between.
pub fn following(schedule: &Schedule, slot: Timestamp, at: Timestamp) -> (Option<Gap>, Timestamp) {
    let Schedule::Every(every) = schedule else { panic!("the laws' monitors run at intervals") };
    let first = slot + every.0;
    let missed = u64::from(at >= first) + (at.since(first).as_micros() / every.0.as_micros()) as u64;
    let next = first + every.0 * u32::try_from(missed).unwrap();
    ((missed > 0).then(|| Gap::new(first, next, missed, GapReason::Overload)), next)
}

/// What the session knows of the monitor after that completion.
pub fn next(claim: &Claim, completion: &Completion) -> Claim {
    let health = completion.health.clone().unwrap_or_else(|| claim.health.clone());
    Claim::new(claim.monitor.clone(), health, completion.next_slot)
}
