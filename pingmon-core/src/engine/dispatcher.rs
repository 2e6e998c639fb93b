//! Carries deliveries from the outbox to their channels: one lane a channel, so that a broken one delays no other.
//! Order and durability are the outbox's; what a notice looks like is the channel's.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    backoff::{self, Backoff},
    guard::panic_text,
    lease::Lease,
    pace::{End, Pace, Room},
};
use crate::{
    channel::{Channel, ChannelPolicy},
    error::{Error, Result},
    incident::Event,
    notification::{Delivery, Link, Notification, Receipt},
    store::outbox::{Settled, Settlement},
    time::Timestamp,
};

/// The channels by name.
pub(super) type Channels = Arc<HashMap<String, Channel>>;

/// Says where a notice leads to on the web.
pub(super) type Linker = dyn Fn(&Notification) -> Vec<Link> + Send + Sync;

/// Most deliveries of one channel under way at once.
const MAX_TAKEN: usize = 16;
/// How long a channel may take for one notice.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The first wait after a failed attempt; doubles with each.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait between attempts, unless the channel asks for more.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How soon a notice is looked at again that is held back: what holds it may end early.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Keeps a lane for each channel until told to stop; follows changes of the channels.
pub(super) async fn dispatch(shared: Arc<Shared>, leases: watch::Receiver<Option<Lease>>, stop: CancellationToken) {
    let mut channels = shared.channels.subscribe();
    let mut lanes = JoinSet::new();
    let mut open: BTreeMap<String, CancellationToken> = BTreeMap::new();
    loop {
        let wanted = Arc::clone(&channels.borrow_and_update());
        open.retain(|name, closed| {
            let keep = wanted.contains_key(name);
            if !keep {
                closed.cancel();
            }
            keep
        });
        for name in wanted.keys().filter(|name| !open.contains_key(*name)).cloned().collect::<Vec<_>>() {
            let closed = stop.child_token();
            open.insert(name.clone(), closed.clone());
            let lane = Lane { shared: Arc::clone(&shared), name, leases: leases.clone() };
            lanes.spawn(lane.run(closed));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = channels.changed() => if changed.is_err() { break },
            Some(_) = lanes.join_next() => {}
        }
    }
    stop.cancelled().await;
    while lanes.join_next().await.is_some() {}
}

/// One channel's deliveries.
struct Lane {
    shared: Arc<Shared>,
    name: String,
    leases: watch::Receiver<Option<Lease>>,
}

impl Lane {
    async fn run(self, closed: CancellationToken) {
        let mut mail = self.shared.mail.subscribe();
        let mut pace = Pace::new(ChannelPolicy::default());
        let mut in_doubt = false;
        while !closed.is_cancelled() {
            if let Some(channel) = self.channel() {
                pace.follow(&channel.policy);
            }
            let room = match pace.room(Instant::now(), MAX_TAKEN) {
                Room::For(room) => room,
                Room::At(at) => {
                    // To leave a channel alone is to have looked after it; and its policy may change meanwhile.
                    self.shared.gauges.looked();
                    let at = at.min(Instant::now() + self.shared.settings.poll);
                    tokio::select! {
                        () = closed.cancelled() => return,
                        () = sleep_until(at) => continue,
                    }
                }
            };
            mail.mark_unchanged();
            let lease = self.leases.borrow().filter(Lease::is_alive);
            let sent = match lease {
                Some(lease) => self.round(lease, room, &mut pace, in_doubt).await.inspect_err(|error| {
                    self.shared.store_failed("take deliveries", error);
                }),
                None => Ok(0),
            };
            in_doubt = sent.is_err();
            if sent.is_ok_and(|sent| sent > 0) {
                continue;
            }
            tokio::select! {
                () = closed.cancelled() => return,
                changed = mail.changed() => if changed.is_err() { return },
                () = sleep(self.shared.settings.poll) => {}
            }
        }
    }

    fn channel(&self) -> Option<Channel> {
        self.shared.channels.borrow().get(&self.name).cloned()
    }

    /// Takes up to `room` deliveries that are due and sends them, all at once; each is settled as soon as it ended. Answers
    /// how many. After a round that failed, something may have been taken without our knowing: it is put back first.
    async fn round(&self, lease: Lease, room: usize, pace: &mut Pace, in_doubt: bool) -> Result<usize> {
        if in_doubt {
            self.shared.store.put_back(lease.session, &self.name).await?;
        }
        let taken = self.shared.store.take(lease.session, &self.name, room).await?;
        self.shared.gauges.looked();
        let count = taken.len();
        let taken = self.hold_back(lease, taken).await;
        pace.begin(taken.len(), Instant::now());
        let mut sending: FuturesUnordered<_> = taken.iter().map(|delivery| self.attempt(delivery)).collect();
        while let Some((settlement, end)) = sending.next().await {
            self.note(pace, end);
            self.settle(lease, settlement).await;
        }
        Ok(count)
    }

    /// Holds back what reminds of a monitor that people want to hear nothing of, or escalates it; answers the rest. What
    /// opened, changed or ended before is still told, and so is what was attempted before (the far end may know of it, and
    /// it must not keep the end of its incident waiting) or goes with others.
    async fn hold_back(&self, lease: Lease, taken: Vec<Delivery>) -> Vec<Delivery> {
        let mut rest = Vec::with_capacity(taken.len());
        for delivery in taken {
            let now = self.shared.clock.now();
            let Notification { event, monitor, also, .. } = &delivery.notification;
            let nags = matches!(event, Event::Reminder | Event::Escalated) && delivery.attempts == 1 && also.is_empty();
            match self.shared.holds.find(monitor, now).filter(|_| nags) {
                Some(hold) => {
                    let due_at = hold.until.min(now + LOOK_AGAIN);
                    self.settle(lease, Settlement::new(&delivery, Settled::Held { due_at })).await;
                }
                None => rest.push(delivery),
            }
        }
        rest
    }

    /// Notes how an attempt ended, and says so when that changes how the channel is used.
    fn note(&self, pace: &mut Pace, end: End) {
        let was_open = pace.is_open();
        pace.end(end, Instant::now());
        match (was_open, pace.is_open()) {
            (false, true) => {
                tracing::warn!(channel = self.name, "the channel keeps failing: it is tried with one notice at a time");
            }
            (true, false) => tracing::info!(channel = self.name, "the channel takes notices again"),
            _ => {}
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> (Settlement, End) {
        let result = match self.shared.clock.now() < delivery.expires_at {
            true => self.send(delivery).await,
            false => Err(refused("it expired before it could be delivered")),
        };
        let end = match &result {
            Err(Error::Delivery { retryable: true, retry_after, .. }) => End::Failed(*retry_after),
            _ => End::Answered,
        };
        let settled = conclude(delivery, result, self.shared.clock.now());
        match &settled {
            Settled::Sent(_) => self.shared.gauges.sent(),
            Settled::Held { .. } => {}
            Settled::Retry { error, due_at } => {
                let (channel, id) = (&self.name, delivery.id());
                tracing::warn!(channel, %id, attempt = delivery.attempts, next = %due_at, error, "notice not delivered yet");
            }
            Settled::Dead { error } => {
                tracing::error!(channel = self.name, id = %delivery.id(), error, "notice given up");
            }
        }
        (Settlement::new(delivery, settled), end)
    }

    async fn send(&self, delivery: &Delivery) -> Result<Option<Receipt>> {
        let Some(Channel { notifier, .. }) = self.channel() else { return Err(retryable("the channel was removed")) };
        let mut notification = delivery.notification.clone();
        // A message about several incidents leads to none of them and answers none: what comes later about one is no word
        // on the others.
        let is_group = !notification.also.is_empty();
        notification.receipt = notification.receipt.filter(|_| !is_group);
        notification.links = if is_group { Vec::new() } else { (self.shared.linker)(&notification) };
        let sending = AssertUnwindSafe(async { notifier.deliver(&notification).await }).catch_unwind();
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(result)) => result.map(|receipt| receipt.filter(|_| !is_group)),
            Ok(Err(panic)) => Err(retryable(&format!("the channel panicked: {}", panic_text(&*panic)))),
            Err(_) => Err(retryable(&format!("no answer within {SEND_TIMEOUT:?}"))),
        }
    }

    /// Records how an attempt ended; tries until the store takes it or the session is over, when another engine will
    /// repeat the notice with the same key.
    async fn settle(&self, lease: Lease, settlement: Settlement) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let batch = [settlement];
        while let Err(error) = self.shared.store.settle(lease.session, &batch).await {
            self.shared.store_failed("settle a delivery", &error);
            let session = self.leases.borrow().map(|lease| lease.session);
            if !error.is_retryable() || session != Some(lease.session) {
                return;
            }
            sleep(backoff.next()).await;
        }
    }
}

/// What an attempt's result means for the delivery.
fn conclude(delivery: &Delivery, result: Result<Option<Receipt>>, now: Timestamp) -> Settled {
    let error = match result {
        Ok(receipt) => return Settled::Sent(receipt),
        Err(error) => error,
    };
    let (retry, asked) = match &error {
        Error::Delivery { retryable, retry_after, .. } => (*retryable, retry_after.unwrap_or_default()),
        _ => (true, Duration::ZERO),
    };
    let due_at = now + backoff::wait(FIRST_RETRY, LAST_RETRY, delivery.attempts).max(asked);
    let error = error.chain();
    match retry {
        true if due_at < delivery.expires_at => Settled::Retry { due_at, error },
        true => Settled::Dead { error: format!("{error} (expired after {} attempts)", delivery.attempts) },
        false => Settled::Dead { error },
    }
}

fn retryable(reason: &str) -> Error {
    Error::Delivery { reason: reason.to_owned(), retryable: true, retry_after: None }
}

fn refused(reason: &str) -> Error {
    Error::Delivery { reason: reason.to_owned(), retryable: false, retry_after: None }
}
