//! A channel that is away for long, or slow by order: what waits for it is told in order and soon after, and nobody else
//! notices.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    channel::{Channel, ChannelPolicy, Rate},
    error::{Error, Result},
    incident::Event,
    monitor::Definition,
    notification::{DeliveryState, Notification, Receipt},
    notifier::Notifier,
    outcome::Outcome,
    store::outbox::DeliveryFilter,
    time::Span,
};
use tokio::time::Instant;

use crate::rig::{EPOCH, Engines, Inbox, SECOND, Script, engine, monitor, pass, store};

/// A receiver that answers 503 for a while, and then takes everything.
struct Away {
    from: Instant,
    until: Instant,
    attempts: Mutex<Vec<Instant>>,
    got: Mutex<Vec<(Instant, Notification)>>,
}

#[async_trait]
impl Notifier for Away {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let now = Instant::now();
        self.attempts.lock().unwrap().push(now);
        if (self.from..self.until).contains(&now) {
            let reason = "the receiver answered 503".to_owned();
            return Err(Error::Delivery { reason, retryable: true, retry_after: None });
        }
        self.got.lock().unwrap().push((now, notification.clone()));
        Ok(())
    }
}

/// A receiver that is there, and how long after its event each notice came.
struct Prompt {
    began: Instant,
    waits: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Notifier for Prompt {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let at = Duration::from_micros(notification.at.as_micros().unsigned_abs());
        let now = Duration::from_micros(EPOCH.as_micros().unsigned_abs()) + self.began.elapsed();
        self.waits.lock().unwrap().push(now.saturating_sub(at));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_outages_during_ten_minutes_of_503_are_told_in_order_within_a_minute_of_its_end() {
    const MONITORS: usize = 200;
    let (began, store, script, mut engines) = (Instant::now(), store(), Script::default(), Engines::default());
    let (from, until) = (began + 60 * SECOND, began + 660 * SECOND);
    let away = Arc::new(Away { from, until, attempts: Mutex::default(), got: Mutex::default() });
    let prompt = Arc::new(Prompt { began, waits: Mutex::default() });
    let mut builder =
        engine(&store, &script).notifier("away", Arc::clone(&away) as _).notifier("prompt", Arc::clone(&prompt) as _);
    for n in 0..MONITORS {
        let name = format!("m{n}");
        // Fails at some time during the ten minutes, for 20 to 200 s.
        let (ups, downs) = (8 + n % 30, 3 + n % 19);
        let fails = (0..ups).map(|_| Outcome::up("fine")).chain((0..downs).map(|_| Outcome::down("refused")));
        script.set(&name, fails);
        builder = builder.monitor(monitor(&name).notify(["away", "prompt"]));
    }
    let running = engines.start(builder);
    pass(until - began).await;
    let (waiting, attempts) = (away.got.lock().unwrap().len(), away.attempts.lock().unwrap().len());
    pass(60 * SECOND).await;
    let got: Vec<_> = away.got.lock().unwrap().clone();
    engines.stop(running).await;

    assert_eq!(waiting, 0, "nothing happened before it was away");
    assert!(attempts < 150, "it was let alone while it was away: {attempts} attempts");
    let mut told: HashMap<&str, Vec<&Notification>> = HashMap::new();
    for (_, notice) in &got {
        told.entry(&notice.monitor.name).or_default().push(notice);
    }
    assert_eq!(told.len(), MONITORS, "nothing is lost");
    for (name, notices) in &told {
        let events: Vec<_> = notices.iter().map(|notice| notice.event).collect();
        let whole = [Event::Resolved];
        assert!(events == [Event::Opened, Event::Resolved] || events == whole, "{name}: {events:?}");
        assert_eq!(events == whole, notices[0].opening.as_deref() == Some("refused"), "{name}");
    }
    let filter = DeliveryFilter::all();
    for state in [DeliveryState::Pending, DeliveryState::Dead] {
        assert_eq!(store.deliveries(filter.state(state), 1_000).await.unwrap(), []);
    }
    let mut waits = prompt.waits.lock().unwrap().clone();
    waits.sort_unstable();
    assert_eq!(waits.len(), 2 * MONITORS);
    let p99 = waits[waits.len() * 99 / 100];
    assert!(p99 < 2 * SECOND, "the other channel waited for {p99:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_spreads_notices_and_loses_none() {
    let (began, store, script, mut engines) = (Instant::now(), store(), Script::default(), Engines::default());
    let away = Arc::new(Away { from: began, until: began, attempts: Mutex::default(), got: Mutex::default() });
    let mut policy = ChannelPolicy::default();
    policy.rate = Some(Rate { count: 5, per: Span(10 * SECOND) });
    let mut builder = engine(&store, &script).channel("ops", Channel::new(Arc::clone(&away) as _).policy(policy));
    for n in 0..20 {
        let name = format!("m{n}");
        script.set(&name, (0..1_000).map(|_| Outcome::down("refused")));
        builder = builder.monitor(monitor(&name).notify(["ops"]));
    }
    let running = engines.start(builder);
    pass(120 * SECOND).await;
    engines.stop(running).await;
    let attempts = away.attempts.lock().unwrap().clone();
    assert_eq!((attempts.len(), away.got.lock().unwrap().len()), (20, 20));
    for window in attempts.windows(6) {
        assert!(window[5] - window[0] >= 10 * SECOND, "six within {:?}", window[5] - window[0]);
    }
}

/// A channel that answers each notice with its own number.
#[derive(Default)]
struct Numbering(Mutex<Vec<Notification>>);

#[async_trait]
impl Notifier for Numbering {
    async fn send(&self, notification: &Notification) -> Result<()> {
        self.deliver(notification).await.map(drop)
    }

    async fn deliver(&self, notification: &Notification) -> Result<Option<Receipt>> {
        let mut got = self.0.lock().unwrap();
        got.push(notification.clone());
        Ok(Receipt::new(format!("message {}", got.len())))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_channel_answers_first_comes_back_with_the_later_notices_of_the_incident() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let channel = Arc::new(Numbering::default());
    script.set("shop", (0..20).map(|_| Outcome::down("refused")));
    let mut shop: Definition = monitor("shop").notify(["ops"]);
    shop.policy.remind_every = Some(Span(60 * SECOND));
    let running = engines.start(engine(&store, &script).notifier("ops", Arc::clone(&channel) as _).monitor(shop));
    pass(300 * SECOND).await;
    engines.stop(running).await;
    let got = channel.0.lock().unwrap().clone();
    let receipts = got.iter().map(|notice| (notice.event, notice.receipt.as_ref().map(Receipt::as_str)));
    let first = Some("message 1");
    let expected = [
        (Event::Opened, None),
        (Event::Reminder, first),
        (Event::Reminder, first),
        (Event::Reminder, first),
        (Event::Resolved, first),
    ];
    assert_eq!(receipts.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_resent_arrives_with_its_key() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let refusal = Error::Delivery { reason: "no such room".to_owned(), retryable: false, retry_after: None };
    let channel = Inbox::failing([refusal]);
    script.set("shop", (0..1_000).map(|_| Outcome::down("refused")));
    let builder = engine(&store, &script).notifier("ops", Arc::clone(&channel) as _);
    let running = engines.start(builder.monitor(monitor("shop").notify(["ops"])));
    pass(60 * SECOND).await;
    let dead = store.deliveries(DeliveryFilter::all().state(DeliveryState::Dead), 10).await.unwrap();
    store.resend(dead[0].id(), 600 * SECOND).await.unwrap();
    pass(5 * SECOND).await;
    engines.stop(running).await;
    let got = channel.got.lock().unwrap().clone();
    assert_eq!(got.iter().map(|notice| notice.id).collect::<Vec<_>>(), [dead[0].id()]);
}
