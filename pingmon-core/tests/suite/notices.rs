//! From verdicts to channels: one incident, one notice a channel, whatever fails on the way.

use std::{sync::Arc, time::Duration};

use pingmon_core::{
    error::Error,
    notification::DeliveryState,
    outcome::Outcome,
    store::{incidents::IncidentFilter, outbox::DeliveryFilter},
};

use crate::rig::{Engines, Inbox, SECOND, Script, engine, monitor, pass, store};

fn outage() -> impl Iterator<Item = Outcome> {
    let up = [Outcome::up("fine")];
    up.into_iter().chain((0..4).map(|_| Outcome::down("refused")))
}

fn failure(retryable: bool, retry_after: Option<Duration>) -> Error {
    Error::Delivery { reason: "no".to_owned(), retryable, retry_after }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_one_incident_and_one_opened_and_one_resolved_on_each_channel() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let (ops, dev) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
    script.set("shop", outage());
    let builder = engine(&store, &script)
        .notifier("ops", Arc::clone(&ops) as _)
        .notifier("dev", Arc::clone(&dev) as _)
        .monitor(monitor("shop").notify(["ops", "dev"]))
        .monitor(monitor("quiet").notify(["ops"]));
    let running = engines.start(builder);
    pass(120 * SECOND).await;
    engines.stop(running).await;
    for channel in [&ops, &dev] {
        assert_eq!(channel.lines(), ["opened shop", "resolved shop"]);
    }
    let incidents = store.incidents(IncidentFilter::all(), 10).await.unwrap();
    assert_eq!((incidents.len(), incidents[0].message.as_str()), (1, "refused"));
    assert!(incidents[0].closed_at.is_some());
    assert_eq!(ops.got.lock().unwrap()[0].headline(), "shop is down: refused");
}

#[tokio::test(start_paused = true)]
async fn a_broken_channel_delays_no_other_and_a_repeat_bears_the_same_key() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let broken = Inbox::failing((0..5).map(|_| failure(true, None)));
    let good = Arc::new(Inbox::default());
    script.set("shop", outage());
    let builder = engine(&store, &script)
        .notifier("broken", Arc::clone(&broken) as _)
        .notifier("good", Arc::clone(&good) as _)
        .monitor(monitor("shop").notify(["broken", "good"]));
    let running = engines.start(builder);
    let mut waited = 0;
    while good.got.lock().unwrap().is_empty() {
        pass(Duration::from_millis(100)).await;
        waited += 1;
        assert!(waited < 300, "the good channel heard nothing in 30 s");
    }
    let (opened, sent) = (good.got.lock().unwrap()[0].at, tokio::time::Instant::now());
    pass(240 * SECOND).await;
    engines.stop(running).await;
    assert!(opened.as_micros() > 0 && sent.elapsed() > SECOND);
    assert_eq!(broken.lines(), ["opened shop", "resolved shop"], "in order, whatever failed");
    let attempts = broken.attempts.lock().unwrap();
    assert_eq!(attempts.len(), 7);
    assert!(attempts[..6].iter().all(|attempt| attempt.id == attempts[0].id));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_a_dead_letter_at_once_and_keeps_its_reason() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let channel = Inbox::failing([failure(false, None)]);
    script.set("shop", outage());
    let builder =
        engine(&store, &script).notifier("ops", Arc::clone(&channel) as _).monitor(monitor("shop").notify(["ops"]));
    let running = engines.start(builder);
    pass(120 * SECOND).await;
    engines.stop(running).await;
    let dead = store.deliveries(DeliveryFilter::all().state(DeliveryState::Dead), 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].last_error.as_deref(), Some("failed to deliver the notice: no"));
    assert_eq!(channel.lines(), [""; 0], "who heard nothing of it needn't hear that it is over");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_asks_for_patience_gets_it() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let channel = Inbox::failing([failure(true, Some(100 * SECOND))]);
    script.set("shop", outage());
    let builder =
        engine(&store, &script).notifier("ops", Arc::clone(&channel) as _).monitor(monitor("shop").notify(["ops"]));
    let running = engines.start(builder);
    pass(100 * SECOND).await;
    assert_eq!(channel.attempts.lock().unwrap().len(), 1);
    pass(60 * SECOND).await;
    assert_eq!(channel.lines(), ["opened shop", "resolved shop"]);
    engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn notices_nobody_carries_expire_and_say_so() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    script.set("shop", outage());
    store.put(vec![monitor("shop").notify(["nobody"])]).await.unwrap();
    let running = engines.start(engine(&store, &script).expiry(60 * SECOND));
    pass(200 * SECOND).await;
    engines.stop(running).await;
    let dead = store.deliveries(DeliveryFilter::all().state(DeliveryState::Dead), 10).await.unwrap();
    assert_eq!(dead.len(), 1, "one tells of the whole outage");
    assert!(dead.iter().all(|d| d.last_error.as_deref().is_some_and(|error| error.contains("expired"))), "{dead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_notice_survives_the_death_of_the_engine_that_wrote_it() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let first = Inbox::failing((0..100).map(|_| failure(true, None)));
    let second = Arc::new(Inbox::default());
    script.set("shop", outage());
    let define = || monitor("shop").notify(["ops"]);
    let doomed = engines.start(engine(&store, &script).notifier("ops", Arc::clone(&first) as _).monitor(define()));
    pass(40 * SECOND).await;
    assert!(!first.attempts.lock().unwrap().is_empty());
    engines.kill(doomed).await;
    let heir = engines.start(engine(&store, &script).notifier("ops", Arc::clone(&second) as _));
    pass(90 * SECOND).await;
    engines.stop(heir).await;
    assert_eq!(second.lines(), ["opened shop", "resolved shop"]);
    assert_eq!(second.got.lock().unwrap()[0].id, first.attempts.lock().unwrap()[0].id);
}
