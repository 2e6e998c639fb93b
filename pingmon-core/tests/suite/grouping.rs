//! Channels on which many incidents are one message, from the runs to what the receiver gets.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use pingmon_core::{
    channel::{Channel, ChannelPolicy},
    engine::Builder,
    error::Error,
    incident::Event,
    notification::{DeliveryState, Digest, Grouping, Notification},
    notifier::Notifier,
    outcome::Outcome,
    store::outbox::DeliveryFilter,
};

use crate::rig::{Engines, Inbox, SECOND, Script, engine, monitor, pass, store};

fn grouping(wait: Duration) -> ChannelPolicy {
    let mut policy = ChannelPolicy::default();
    policy.group = Some(Grouping::by(["team"], wait));
    policy
}

fn channel(inbox: &Arc<Inbox>, policy: ChannelPolicy) -> Channel {
    Channel::new(Arc::clone(inbox) as Arc<dyn Notifier>).policy(policy)
}

/// Adds monitors that are up twice, fail for some runs, and are up from then on.
fn with_monitors(mut builder: Builder, script: &Script, count: usize, fails: impl Fn(usize) -> usize) -> Builder {
    for n in 0..count {
        let name = format!("m{n:02}");
        let ups = (0..2).map(|_| Outcome::up("fine"));
        script.set(&name, ups.chain((0..fails(n)).map(|_| Outcome::down("refused"))));
        builder = builder.monitor(monitor(&name).notify(["many", "one"]).label("team", "shop"));
    }
    builder
}

/// The monitors that messages tell of, each message's apart.
fn told(notices: &[Notification]) -> Vec<BTreeSet<String>> {
    notices.iter().map(|notice| notice.parts().map(|part| part.monitor.name.clone()).collect()).collect()
}

fn unavailable() -> Error {
    Error::Delivery { reason: "the receiver answered 503".to_owned(), retryable: true, retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn fifty_outages_are_one_message_where_they_are_grouped_and_a_repeat_is_the_same_message() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let (many, one) = (Arc::new(Inbox::default()), Inbox::failing([unavailable(), unavailable()]));
    let builder = engine(&store, &script)
        .channel("many", channel(&many, ChannelPolicy::default()))
        .channel("one", channel(&one, grouping(60 * SECOND)));
    let running = engines.start(with_monitors(builder, &script, 50, |_| 12));
    pass(400 * SECOND).await;
    engines.stop(running).await;
    let plain = many.got.lock().unwrap().clone();
    let events = |event| plain.iter().filter(|notice| notice.event == event).count();
    assert_eq!((events(Event::Opened), events(Event::Resolved)), (50, 50));
    let attempts = one.attempts.lock().unwrap().clone();
    let opened: Vec<_> = attempts.iter().filter(|notice| notice.event == Event::Opened).cloned().collect();
    assert_eq!(opened.len(), 3, "it failed twice");
    for attempt in &opened {
        assert_eq!((attempt.id, &attempt.also), (opened[0].id, &opened[0].also));
        assert_eq!(told(std::slice::from_ref(attempt))[0].len(), 50);
    }
    let got = one.got.lock().unwrap().clone();
    assert_eq!(got.iter().map(|notice| notice.event).collect::<Vec<_>>(), [Event::Opened, Event::Resolved]);
    assert_eq!(told(&got)[1].len(), 50, "all who were told of hear that it is over");
    assert!(got[0].headline().starts_with("50 monitors are down: m"), "{}", got[0].headline());
    let pending = store.deliveries(DeliveryFilter::all().state(DeliveryState::Pending), 10).await.unwrap();
    assert_eq!(pending, []);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_before_its_group_goes_is_told_as_a_whole() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let (many, one) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
    let builder = engine(&store, &script)
        .channel("many", channel(&many, ChannelPolicy::default()))
        .channel("one", channel(&one, grouping(60 * SECOND)));
    let running = engines.start(with_monitors(builder, &script, 50, |n| if n == 7 { 3 } else { 30 }));
    pass(250 * SECOND).await;
    engines.stop(running).await;
    let got = one.got.lock().unwrap().clone();
    let opened: Vec<_> = got.iter().filter(|notice| notice.event == Event::Opened).cloned().collect();
    assert_eq!(told(&opened).iter().map(BTreeSet::len).collect::<Vec<_>>(), [49]);
    assert!(!told(&opened)[0].contains("m07"));
    let over: Vec<_> = got.iter().filter(|notice| notice.event == Event::Resolved).cloned().collect();
    assert_eq!(told(&over), [BTreeSet::from(["m07".to_owned()])]);
    assert_eq!(over[0].opening.as_deref(), Some("refused"));
}

#[tokio::test(start_paused = true)]
async fn a_digest_tells_of_everything_at_its_instants() {
    let (store, script, mut engines) = (store(), Script::default(), Engines::default());
    let (many, one) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
    let mut policy = ChannelPolicy::default();
    policy.digest = Some(Digest::every(600 * SECOND).unwrap());
    let builder = engine(&store, &script)
        .channel("many", channel(&many, ChannelPolicy::default()))
        .channel("one", channel(&one, policy));
    // Some are over by then, some aren't.
    let running = engines.start(with_monitors(builder, &script, 20, |n| if n < 5 { 6 } else { 1_000 }));
    pass(590 * SECOND).await;
    assert_eq!(one.got.lock().unwrap().len(), 0);
    pass(15 * SECOND).await;
    engines.stop(running).await;
    let got = one.got.lock().unwrap().clone();
    assert_eq!(told(&got).iter().map(BTreeSet::len).collect::<Vec<_>>(), [20]);
    assert_eq!(got[0].headline(), "20 monitors: 15 are down, 5 have recovered");
}

/// A channel that keeps an alert for each incident.
struct Alerts;

#[async_trait::async_trait]
impl Notifier for Alerts {
    async fn send(&self, _: &Notification) -> pingmon_core::error::Result<()> {
        Ok(())
    }

    fn takes_groups(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn where_each_incident_is_an_alert_of_its_own_nothing_is_grouped() {
    let mut digest = ChannelPolicy::default();
    digest.digest = Some(Digest::every(600 * SECOND).unwrap());
    for (field, policy) in [("group", grouping(SECOND)), ("digest", digest)] {
        let builder = engine(&store(), &Script::default());
        let refused = builder.channel("pager", Channel::new(Arc::new(Alerts)).policy(policy)).build();
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(field) && error.contains("alert for each incident"), "{error}");
    }
}
