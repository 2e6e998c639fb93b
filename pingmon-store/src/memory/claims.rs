//! Sessions and what they own.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    id::{MonitorId, SessionId},
    monitor::State,
    store::{
        claims::{Claim, Claims, Completion, Renewal, Session, SessionInfo, Skip, Verdict},
        history::Record,
    },
    time::Timestamp,
};

use super::{MemoryStore, Seat, Tables, Watched};

#[async_trait]
impl Claims for MemoryStore {
    async fn renew(&self, info: &SessionInfo, ttl: Duration) -> Result<Renewal> {
        self.transact(|tables, now| {
            let lease_until = now + ttl;
            let join = || Seat { session: Session::new(info.clone(), now, lease_until), ended_at: None };
            let seat = tables.sessions.entry(info.id).or_insert_with(join);
            if seat.ended_at.is_some() {
                return Err(Error::SessionEnded);
            }
            seat.session.info = info.clone();
            seat.session.lease_until = lease_until;
            let active = tables.watched.values().filter(|watched| watched.monitor.state == State::Active);
            Ok(Renewal::new(now, lease_until, tables.living(), active.count() as u64))
        })
    }

    async fn leave(&self, session: SessionId) -> Result<()> {
        self.transact(|tables, now| tables.end_session(session, now));
        Ok(())
    }

    async fn claim_except(
        &self,
        session: SessionId,
        kinds: &[Cow<'static, str>],
        except: &[MonitorId],
        limit: usize,
    ) -> Result<Vec<Claim>> {
        self.transact(|tables, _| {
            tables.check_alive(session)?;
            let known = |watched: &Watched| kinds.contains(&watched.monitor.definition.kind.as_str().into());
            let suits = |id: &MonitorId| !except.contains(id) && tables.watched.get(id).is_some_and(known);
            let free: Vec<_> = tables.free.iter().map(|(_, id)| *id).filter(suits).take(limit).collect();
            let take = |watched: &mut Watched| {
                watched.owner = Some(session);
                watched.to_claim()
            };
            Ok(free.into_iter().filter_map(|id| tables.change(id, take)).collect())
        })
    }

    async fn complete(&self, session: SessionId, batch: &[Completion]) -> Result<Vec<Verdict>> {
        self.transact(|tables, _| {
            tables.check_alive(session)?;
            Ok(batch.iter().map(|completion| tables.complete(session, completion)).collect())
        })
    }

    async fn kept(&self, monitor: MonitorId) -> Result<Option<Vec<u8>>> {
        Ok(self.transact(|tables, _| tables.watched.get(&monitor)?.kept.as_ref().map(|bytes| bytes.to_vec())))
    }

    async fn release(&self, session: SessionId, monitors: &[MonitorId]) -> Result<()> {
        self.transact(|tables, _| monitors.iter().for_each(|id| tables.release(session, *id)));
        Ok(())
    }

    async fn lost(&self, session: SessionId, monitors: &[(MonitorId, i64)]) -> Result<Vec<MonitorId>> {
        self.transact(|tables, _| {
            let is_held = |id: &MonitorId, revision: i64| {
                tables.watched.get(id).is_some_and(|watched| watched.is_held(session, revision))
            };
            Ok(monitors.iter().filter(|(id, revision)| !is_held(id, *revision)).map(|(id, _)| *id).collect())
        })
    }

    async fn owned(&self, session: SessionId) -> Result<Vec<MonitorId>> {
        self.transact(|tables, _| {
            let owned = tables.watched.iter().filter(|(_, watched)| watched.owner == Some(session));
            Ok(owned.map(|(id, _)| *id).collect())
        })
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        self.transact(|tables, _| {
            let overdue = tables.free.iter().take_while(|(slot, _)| *slot < before).take(limit);
            Ok(overdue.filter_map(|(_, id)| tables.watched.get(id)).map(Watched::to_claim).collect())
        })
    }

    async fn skip(&self, batch: &[Skip]) -> Result<usize> {
        Ok(self.transact(|tables, _| batch.iter().filter(|skip| tables.skip(skip)).count()))
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        Ok(self.transact(|tables, _| tables.living()))
    }
}

impl Tables {
    /// Ends the sessions whose lease ran out.
    pub(super) fn end_sessions(&mut self, now: Timestamp) {
        let over = |seat: &Seat| seat.ended_at.is_none() && seat.session.lease_until <= now;
        let ended: Vec<_> = self.sessions.iter().filter(|(_, seat)| over(seat)).map(|(id, _)| *id).collect();
        for session in ended {
            self.end_session(session, now);
        }
    }

    fn end_session(&mut self, session: SessionId, now: Timestamp) {
        let Some(seat) = self.sessions.get_mut(&session).filter(|seat| seat.ended_at.is_none()) else { return };
        seat.ended_at = Some(now);
        let owned = |watched: &Watched| watched.owner == Some(session);
        let owned: Vec<_> = self.watched.iter().filter(|(_, watched)| owned(watched)).map(|(id, _)| *id).collect();
        for id in owned {
            self.release(session, id);
        }
        self.put_back(session, None);
    }

    /// Refuses a session that isn't known or has ended.
    pub(super) fn check_alive(&self, session: SessionId) -> Result<()> {
        match self.sessions.get(&session) {
            Some(Seat { ended_at: None, .. }) => Ok(()),
            _ => Err(Error::SessionEnded),
        }
    }

    fn living(&self) -> Vec<Session> {
        let living = self.sessions.values().filter(|seat| seat.ended_at.is_none());
        living.map(|seat| seat.session.clone()).collect()
    }

    fn release(&mut self, session: SessionId, id: MonitorId) {
        self.change(id, |watched| watched.owner = watched.owner.filter(|owner| *owner != session));
    }

    fn complete(&mut self, session: SessionId, completion: &Completion) -> Verdict {
        let Some(watched) = self.watched.get_mut(&completion.monitor) else { return Verdict::Lost };
        if !watched.is_held(session, completion.revision) {
            return Verdict::Lost;
        }
        if watched.slot == completion.next_slot {
            return Verdict::Accepted;
        }
        if watched.slot != completion.slot {
            return Verdict::Lost;
        }
        watched.record(completion);
        self.enqueue(completion.deliveries.clone());
        Verdict::Accepted
    }

    fn skip(&mut self, skip: &Skip) -> bool {
        let skipped = self.change(skip.monitor, |watched| {
            let seen = watched.monitor.revision == skip.revision && watched.slot == skip.gap.from;
            if !seen || !watched.is_free() {
                return false;
            }
            watched.gaps.insert(skip.gap.from, skip.gap);
            watched.slot = skip.next_slot;
            true
        });
        skipped.unwrap_or(false)
    }
}

impl Watched {
    fn is_held(&self, session: SessionId, revision: i64) -> bool {
        self.owner == Some(session) && self.monitor.revision == revision
    }

    /// Writes a run and what lies around it. The monitor has an owner, so no index knows its slot.
    fn record(&mut self, completion: &Completion) {
        let record = Record::new(completion.slot, completion.started_at, completion.outcome.clone());
        self.records.entry(completion.slot).or_insert(record);
        if let Some(gap) = completion.gap {
            self.gaps.insert(gap.from, gap);
        }
        if let Some(health) = &completion.health {
            self.health = health.clone();
        }
        if let Some(keep) = &completion.keep {
            self.kept = Some(Arc::clone(keep));
        }
        self.write_incidents(&completion.transitions, &completion.outcome.message);
        self.slot = completion.next_slot;
    }
}
