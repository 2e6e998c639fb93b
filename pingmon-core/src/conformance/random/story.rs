//! A store that goes through the moves of a story, and translates what it says into the model's terms.

use std::collections::BTreeMap;

use super::{
    model::{Answer, CHANNELS, LATE, Model, RETRY, TICK, TOGETHER, missed},
    moves::{End, Move},
    view::{MonitorView, NoticeView, View},
};
use crate::{
    conformance::fixture::{ALL, Fixture, KIND, judge, next, probe},
    error::Error,
    id::{DeliveryId, MonitorId, SessionId},
    incident::{Event, Incident},
    monitor::Definition,
    notification::{Delivery, Notification},
    outcome::{Outcome, Status},
    policy::{FlapDamping, Policy, Threshold},
    store::{
        claims::{Claim, Completion, Gap, Skip},
        incidents::IncidentFilter,
        outbox::{DeliveryFilter, Settled, Settlement},
    },
    time::Timestamp,
};

/// The store under test with the real things behind the numbers.
pub(super) struct Story {
    fixture: Fixture,
    start: Timestamp,
    sessions: Vec<SessionId>,
    monitors: Vec<MonitorId>,
    claims: Vec<(SessionId, Claim, Option<Completion>)>,
    takings: Vec<(SessionId, Delivery)>,
}

impl Story {
    pub(super) async fn new(fixture: Fixture) -> Self {
        let start = fixture.now().await;
        let (sessions, monitors, claims, takings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { fixture, start, sessions, monitors, claims, takings }
    }

    /// Makes one move; `model` has made it already. A session that has ended and a thing that isn't there are answers.
    pub(super) async fn make(&mut self, next: Move, model: &Model) -> Answer {
        self.fixture.advance(TICK).await;
        match self.try_make(next, model).await {
            Ok(answer) => answer,
            Err(Error::SessionEnded) => Answer::SessionEnded,
            Err(Error::NotFound { .. }) => Answer::NotFound,
            Err(error) => panic!("{}", error.chain()),
        }
    }

    async fn try_make(&mut self, next: Move, model: &Model) -> Result<Answer, Error> {
        let f = &self.fixture;
        match next {
            Move::Advance(by) => f.advance(by).await,
            Move::Join => self.sessions.push(f.join().await),
            Move::Renew { session } => drop(f.renew(self.sessions[session]).await?),
            Move::Leave { session } => f.store.leave(self.sessions[session]).await?,
            Move::Release { session, monitor } => {
                f.store.release(self.sessions[session], &[self.monitors[monitor]]).await?;
            }
            Move::SetState { monitor, state } => f.store.set_state(self.monitors[monitor], state).await?,
            Move::Delete { monitor } => f.store.delete(self.monitors[monitor]).await?,
            Move::PutBack { session, channel } => {
                f.store.put_back(self.sessions[session], CHANNELS[channel]).await?;
            }
            Move::Put { name, label } => return self.put(name, label).await,
            Move::Claim { session, limit } => return self.claim(session, limit).await,
            Move::Run { claim, status } => return self.run(claim, status, model).await,
            Move::Skip => return self.skip().await,
            Move::Take { session, channel, limit } => return self.take(session, channel, limit).await,
            Move::Settle { taking, end } => self.settle(taking, end).await?,
        }
        Ok(Answer::Done)
    }

    async fn put(&mut self, name: usize, label: usize) -> Result<Answer, Error> {
        let put = self.fixture.store.put(vec![definition(name, label)]).await?.remove(0);
        if !self.monitors.contains(&put.id) {
            self.monitors.push(put.id);
        }
        Ok(Answer::Put(self.number(put.id), put.change))
    }

    async fn claim(&mut self, session: usize, limit: usize) -> Result<Answer, Error> {
        let session = self.sessions[session];
        let kinds = [KIND.into()];
        let claims = self.fixture.store.claim(session, &kinds, limit).await?;
        let answer = claims.iter().map(|claim| (self.number(claim.monitor.id), self.since(claim.slot))).collect();
        self.claims.extend(claims.into_iter().map(|claim| (session, claim, None)));
        Ok(Answer::Claimed(answer))
    }

    async fn run(&mut self, n: usize, status: Status, model: &Model) -> Result<Answer, Error> {
        let now = self.fixture.now().await;
        let (session, claim, completion) = &mut self.claims[n];
        let completion = completion.get_or_insert_with(|| timed(judge(claim, Outcome::new(status, ""), now))).clone();
        let (session, following) = (*session, next(claim, &completion));
        let verdicts = self.fixture.store.complete(session, &[completion]).await?;
        if model.claims.len() > self.claims.len() {
            self.claims.push((session, following, None));
        }
        Ok(Answer::Verdict(verdicts[0]))
    }

    async fn skip(&self) -> Result<Answer, Error> {
        let now = self.fixture.now().await;
        let overdue = self.fixture.store.overdue(now, ALL).await?;
        let skips = overdue.iter().map(|claim| {
            let gap = missed(claim.slot, now);
            Skip::new(claim, gap, gap.until)
        });
        Ok(Answer::Skipped(self.fixture.store.skip(&skips.collect::<Vec<_>>()).await?))
    }

    async fn take(&mut self, session: usize, channel: usize, limit: usize) -> Result<Answer, Error> {
        let session = self.sessions[session];
        let taken = self.fixture.store.take(session, CHANNELS[channel], limit).await?;
        let answer = taken.iter().map(|delivery| self.notice(delivery, &BTreeMap::new())).collect();
        self.takings.extend(taken.into_iter().map(|delivery| (session, delivery)));
        Ok(Answer::Taken(answer))
    }

    async fn settle(&self, taking: usize, end: End) -> Result<(), Error> {
        let (session, delivery) = &self.takings[taking];
        let error = "503".to_owned();
        let settled = match end {
            End::Sent => Settled::Sent(None),
            End::Retry => Settled::Retry { due_at: self.fixture.now().await + RETRY, error },
            End::Dead => Settled::Dead { error },
        };
        self.fixture.store.settle(*session, &[Settlement::new(delivery, settled)]).await
    }

    /// All that the store shows of the monitors that the model knows.
    pub(super) async fn view(&self, model: &Model) -> View {
        let f = &self.fixture;
        let mut owners = BTreeMap::new();
        for (n, session) in self.sessions.iter().enumerate() {
            for owned in f.store.owned(*session).await.unwrap() {
                assert_eq!(owners.insert(owned, n), None, "two owners");
            }
        }
        let incidents = f.store.incidents(IncidentFilter::all(), ALL).await.unwrap();
        let mut monitors = BTreeMap::new();
        for n in model.there() {
            let id = self.monitors[n];
            let owner = owners.get(&id).copied();
            let of_it = incidents.iter().filter(|incident| incident.monitor == id);
            monitors.insert(n, self.monitor_view(id, owner, of_it).await);
        }
        let free = f.store.overdue(Timestamp::MAX, ALL).await.unwrap();
        let deliveries = f.store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
        let living = f.store.sessions().await.unwrap();
        let mut sessions: Vec<_> = living.iter().map(|session| self.session_number(session.info.id)).collect();
        sessions.sort_unstable();
        let times = deliveries.iter().map(|delivery| (delivery.id(), self.since(delivery.notification.at))).collect();
        let mut notices: Vec<_> = deliveries.iter().rev().map(|delivery| self.notice(delivery, &times)).collect();
        notices.sort_by_key(|notice| (notice.at, CHANNELS.iter().position(|channel| *channel == notice.channel)));
        View { sessions, monitors, free: free.iter().map(|claim| self.number(claim.monitor.id)).collect(), notices }
    }

    async fn monitor_view<'a>(
        &self,
        id: MonitorId,
        owner: Option<usize>,
        incidents: impl DoubleEndedIterator<Item = &'a Incident>,
    ) -> MonitorView {
        let overview = self.fixture.store.monitor(id).await.unwrap();
        let records = self.fixture.records(id).await;
        let records = records.iter().rev().map(|record| (self.since(record.slot), record.outcome.status));
        let gaps = self.fixture.store.gaps(id, None, ALL).await.unwrap();
        let gaps =
            gaps.iter().rev().map(|gap| Gap { from: self.since(gap.from), until: self.since(gap.until), ..*gap });
        let incidents = incidents.rev().map(|incident| (self.since(incident.opened_slot), incident.closed));
        MonitorView {
            state: overview.monitor.state,
            slot: self.since(overview.slot),
            owner,
            records: records.collect(),
            gaps: gaps.collect(),
            incidents: incidents.collect(),
        }
    }

    /// A delivery; `times` says when each that may lead it happened.
    fn notice(&self, delivery: &Delivery, times: &BTreeMap<DeliveryId, Timestamp>) -> NoticeView {
        let notification = &delivery.notification;
        let also = notification.also.iter();
        let also = also.map(|other| (self.number(other.monitor.id), other.event, self.since(other.at))).collect();
        NoticeView {
            at: self.since(notification.at),
            monitor: self.number(notification.monitor.id),
            channel: CHANNELS.into_iter().find(|channel| *channel == notification.channel).unwrap(),
            event: notification.event,
            state: delivery.state,
            attempts: delivery.attempts,
            leader: delivery.leader.map(|leader| times[&leader]),
            also,
        }
    }

    fn since(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.as_micros() - self.start.as_micros())
    }

    fn number(&self, id: MonitorId) -> usize {
        self.monitors.iter().position(|monitor| *monitor == id).unwrap()
    }

    fn session_number(&self, id: SessionId) -> usize {
        self.sessions.iter().position(|session| *session == id).unwrap()
    }
}

/// A completion whose ends are told late on the channel that is, and all in one message on the one that waits for others.
fn timed(mut completion: Completion) -> Completion {
    for delivery in &mut completion.deliveries {
        let Notification { channel, event, .. } = &delivery.notification;
        if channel == TOGETHER.0 {
            delivery.due_at = delivery.due_at + TOGETHER.1;
            delivery.group = Some("all".to_owned());
        } else if channel == LATE.0 && *event == Event::Resolved {
            delivery.due_at = delivery.due_at + LATE.1;
        }
    }
    completion
}

/// The monitor of that name: opens at once, never held back by flapping.
fn definition(name: usize, label: usize) -> Definition {
    let flap = FlapDamping { changes: 0, ..FlapDamping::default() };
    let (open_after, unknown_after) = (Threshold::Count(1), Threshold::Never);
    let policy = Policy { open_after, unknown_after, flap, ..Policy::default() };
    probe(&format!("monitor {name}")).policy(policy).notify(CHANNELS).label("edit", label.to_string())
}
