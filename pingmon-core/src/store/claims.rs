//! Who runs what: sessions, claims, completions. The part that makes "each slot once" true.
//!
//! A *session* is a running engine as the store knows it. A *claim* binds a monitor to a session until one of them ends.
//! A completion is fenced by (owner session, revision): whoever lost the monitor changes nothing.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    id::{MonitorId, SessionId},
    incident::{Health, Transition},
    monitor::Monitor,
    notification::Delivery,
    outcome::Outcome,
    time::{Span, Timestamp},
};

/// What an engine says of itself when it joins and at each renewal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id, random, never used again.
    pub id: SessionId,
    /// Where it runs, for people: host name, pod name.
    pub host: String,
    /// Version of the program it runs in.
    pub version: String,
    /// How much it can do compared with others, when monitors are shared out; at least 1.
    pub capacity: u32,
    /// How much of its capacity counts at present, in thousandths: less than 1000 while it can't keep up.
    pub weight: u32,
    /// How many monitors are its fair share, as it worked out last.
    pub share: u64,
    /// How many monitors it holds.
    pub held: u32,
    /// How many runs are under way.
    pub running: u32,
    /// How many runs may be under way.
    pub concurrency: u32,
    /// How much too late it started a run at worst since the renewal before.
    pub lateness: Span,
}

impl SessionInfo {
    /// What an engine says of itself.
    pub fn new(id: SessionId, host: impl Into<String>, version: impl Into<String>, capacity: u32) -> Self {
        Self {
            id,
            host: host.into(),
            version: version.into(),
            capacity: capacity.max(1),
            weight: 1_000,
            share: 0,
            held: 0,
            running: 0,
            concurrency: 0,
            lateness: Span(Duration::ZERO),
        }
    }
}

/// A session as others see it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// What it said of itself last.
    pub info: SessionInfo,
    /// When it joined.
    pub joined_at: Timestamp,
    /// Until when it counts as alive without renewing.
    pub lease_until: Timestamp,
}

impl Session {
    /// A session as read from a store.
    pub const fn new(info: SessionInfo, joined_at: Timestamp, lease_until: Timestamp) -> Self {
        Self { info, joined_at, lease_until }
    }
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Renewal {
    /// The store's clock when it answered.
    pub now: Timestamp,
    /// Until when the session counts as alive: `now` + ttl.
    pub lease_until: Timestamp,
    /// All living sessions, the asking one included, by id.
    pub sessions: Vec<Session>,
    /// How many monitors are active.
    pub monitors: u64,
}

impl Renewal {
    /// A store's answer.
    pub const fn new(now: Timestamp, lease_until: Timestamp, sessions: Vec<Session>, monitors: u64) -> Self {
        Self { now, lease_until, sessions, monitors }
    }
}

/// A claimed monitor: all that an engine needs to run it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claim {
    /// The monitor, with the revision that fences its completions.
    pub monitor: Monitor,
    /// Its health after its last recorded run.
    pub health: Health,
    /// The pending slot: the one to run next, however late.
    pub slot: Timestamp,
}

impl Claim {
    /// A claim as a store hands it out.
    pub const fn new(monitor: Monitor, health: Health, slot: Timestamp) -> Self {
        Self { monitor, health, slot }
    }
}

/// Why nobody ran some slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// No engine owned the monitor: none was alive, or none knew its kind.
    NoEngine,
    /// The owner had no room to start the runs in time.
    Overload,
    /// The owner couldn't write to the store.
    StoreDown,
    /// The monitor was paused.
    Paused,
}

impl GapReason {
    /// The word for it, in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEngine => "no_engine",
            Self::Overload => "overload",
            Self::StoreDown => "store_down",
            Self::Paused => "paused",
        }
    }
}

/// Slots that nobody ran: those at and after `from` and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The first slot missed.
    pub from: Timestamp,
    /// The instant up to which slots were missed, not included.
    pub until: Timestamp,
    /// How many slots lie in it.
    pub slots: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// Slots missed in `from..until`.
    pub const fn new(from: Timestamp, until: Timestamp, slots: u64, reason: GapReason) -> Self {
        Self { from, until, slots, reason }
    }
}

/// One finished run and all that follows from it: what is stored together or not at all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completion {
    /// The monitor that ran.
    pub monitor: MonitorId,
    /// The revision it was claimed with.
    pub revision: i64,
    /// The slot it ran for.
    pub slot: Timestamp,
    /// When the run started, by the store's clock.
    pub started_at: Timestamp,
    /// What it found.
    pub outcome: Outcome,
    /// The slots missed after this one, if any.
    pub gap: Option<Gap>,
    /// The health after it; none when it is what it was.
    pub health: Option<Health>,
    /// What it changes about incidents, in order.
    pub transitions: Vec<Transition>,
    /// The notices those call for.
    pub deliveries: Vec<Delivery>,
    /// What the monitor keeps from now on; none when that is what it was.
    pub keep: Option<Arc<[u8]>>,
    /// The next slot.
    pub next_slot: Timestamp,
}

impl Completion {
    /// A run without consequences: no gap, health as it was, nothing announced.
    pub fn new(claim: &Claim, started_at: Timestamp, outcome: Outcome, next_slot: Timestamp) -> Self {
        Self {
            monitor: claim.monitor.id,
            revision: claim.monitor.revision,
            slot: claim.slot,
            started_at,
            outcome,
            gap: None,
            health: None,
            transitions: Vec::new(),
            deliveries: Vec::new(),
            keep: None,
            next_slot,
        }
    }
}

/// What became of one completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored.
    Accepted,
    /// The monitor isn't the session's any more, or has a new revision: nothing of it was stored.
    Lost,
}

/// Slots of an unowned monitor to be recorded as missed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Skip {
    /// The monitor.
    pub monitor: MonitorId,
    /// The revision it was seen with.
    pub revision: i64,
    /// The gap; begins at the pending slot it was seen with.
    pub gap: Gap,
    /// The next slot.
    pub next_slot: Timestamp,
}

impl Skip {
    /// Records `gap` on the monitor of `claim` and moves it on to `next_slot`.
    pub const fn new(claim: &Claim, gap: Gap, next_slot: Timestamp) -> Self {
        Self { monitor: claim.monitor.id, revision: claim.monitor.revision, gap, next_slot }
    }
}

/// Sessions and what they own. All instants are the store's own clock's.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Joins as a new session, or extends a living one to `ttl` from now; updates what the session says of itself.
    ///
    /// # Errors
    /// `SessionEnded` when a session of this id was known and its lease ran out or it left; store errors.
    async fn renew(&self, info: &SessionInfo, ttl: Duration) -> Result<Renewal>;

    /// Ends a session: all it owns is free at once, its taken deliveries too. Ending an unknown one does nothing.
    ///
    /// # Errors
    /// Store errors.
    async fn leave(&self, session: SessionId) -> Result<()>;

    /// Takes up to `limit` active monitors of the given kinds that nobody living owns, earliest slot first.
    ///
    /// # Errors
    /// `SessionEnded`; store errors.
    async fn claim(&self, session: SessionId, kinds: &[Cow<'static, str>], limit: usize) -> Result<Vec<Claim>> {
        self.claim_except(session, kinds, &[], limit).await
    }

    /// The same, leaving to others what stands in `except`.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    async fn claim_except(
        &self,
        session: SessionId,
        kinds: &[Cow<'static, str>],
        except: &[MonitorId],
        limit: usize,
    ) -> Result<Vec<Claim>>;

    /// Stores finished runs in one transaction; answers in the order of `batch`. A row is accepted when the session
    /// owns the monitor with that revision and the pending slot is the completion's; or is already its `next_slot`, which
    /// means that this very completion was stored before and its answer was lost (nothing is written again).
    ///
    /// # Errors
    /// `SessionEnded`, nothing stored; store errors, nothing stored.
    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>>;

    /// What a monitor keeps: what the last accepted run had to keep. It stays through edits and pauses, and goes when the
    /// monitor is retired. None when there is nothing, or no such monitor.
    ///
    /// # Errors
    /// Store errors.
    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>>;

    /// Gives up monitors; those that the session doesn't own are passed over. Others can have them at once.
    ///
    /// # Errors
    /// Store errors.
    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()>;

    /// Which of `monitors` the session owns no more, or owns with another revision than the one given: how an engine
    /// learns of edits between runs.
    ///
    /// # Errors
    /// Store errors.
    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>>;

    /// The monitors the session owns, none once it has ended: how an engine finds what a claim gave it whose answer was
    /// lost.
    ///
    /// # Errors
    /// Store errors.
    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>>;

    /// Up to `limit` active monitors that nobody living owns and whose pending slot is before `before`, earliest first.
    /// They are not claimed.
    ///
    /// # Errors
    /// Store errors.
    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>>;

    /// Records missed slots of monitors that still nobody living owns, with the same revision and pending slot; passes
    /// over the others. Answers how many were recorded.
    ///
    /// # Errors
    /// Store errors.
    async fn skip(&self, batch: &[Skip]) -> Result<usize>;

    /// All living sessions, by id.
    ///
    /// # Errors
    /// Store errors.
    async fn sessions(&self) -> Result<Vec<Session>>;
}
