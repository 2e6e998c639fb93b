//! Who is told, and when: routes by label and level, quiet hours.

use std::{sync::Arc, time::Duration};

use pingmon_core::{
    channel::Channel,
    engine::Builder,
    maintenance::Maintenance,
    matcher::Matcher,
    monitor::{Definition, State},
    notification::{DeliveryState, Step, Timing},
    outcome::{Outcome, Status},
    policy::{Policy, Threshold},
    route::Route,
    store::{Store, outbox::DeliveryFilter},
    window::Window,
};

use crate::rig::{EPOCH, Engines, Inbox, SECOND, Script, engine, id_of, monitor, pass, store};

/// Opens at the first failure, and tells `ops`.
fn quick(name: &str) -> Definition {
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    monitor(name).notify(["ops"]).policy(policy).label("team", "shop")
}

/// So many runs of each status, one after the other.
fn runs(parts: &[(usize, Status)]) -> Vec<Outcome> {
    let runs = parts.iter().flat_map(|(count, status)| vec![*status; *count]);
    runs.map(|status| Outcome::new(status, format!("it is {status}"))).collect()
}

/// What the pager is told of: the shop's that is down.
fn pager() -> Route {
    Route::new(Matcher::all().label("team", "sh*"), ["pager"]).level(Status::Down)
}

struct World {
    store: Arc<dyn Store>,
    script: Script,
    ops: Arc<Inbox>,
    pager: Arc<Inbox>,
    engines: Engines,
}

impl World {
    fn new() -> Self {
        let (ops, pager) = (Arc::default(), Arc::default());
        Self { store: store(), script: Script::default(), ops, pager, engines: Engines::default() }
    }

    fn builder(&self) -> Builder {
        let builder = engine(&self.store, &self.script);
        builder.notifier("ops", Arc::clone(&self.ops) as _).notifier("pager", Arc::clone(&self.pager) as _)
    }

    /// When the pending deliveries are due, in seconds from the start.
    async fn due(&self) -> Vec<u64> {
        let pending = self.store.deliveries(DeliveryFilter::all().state(DeliveryState::Pending), 100).await.unwrap();
        pending.iter().map(|delivery| delivery.due_at.since(EPOCH).as_secs()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_of_the_worst_only_hears_of_what_worsens_and_of_its_end() {
    let mut world = World::new();
    world.script.set("worsens", runs(&[(2, Status::Degraded), (3, Status::Down)]));
    world.script.set("slow", runs(&[(5, Status::Degraded)]));
    world.script.set("mill", runs(&[(5, Status::Down)]));
    let builder = world
        .builder()
        .route(pager())
        .monitor(quick("worsens"))
        .monitor(quick("slow"))
        .monitor(quick("mill").label("team", "mill"));
    let running = world.engines.start(builder);
    pass(120 * SECOND).await;
    assert_eq!(world.pager.lines(), ["opened worsens", "resolved worsens"]);
    let mut told = world.ops.lines();
    told.sort();
    let expected = [
        "opened mill",
        "opened slow",
        "opened worsens",
        "resolved mill",
        "resolved slow",
        "resolved worsens",
        "worsened worsens",
    ];
    assert_eq!(told, expected);
    assert_eq!(world.pager.got.lock().unwrap()[0].headline(), "worsens is down: it is down");
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn whom_a_route_told_hears_that_the_monitor_was_paused() {
    let mut world = World::new();
    world.script.set("shop", runs(&[(500, Status::Down)]));
    let running = world.engines.start(world.builder().route(pager()).monitor(quick("shop").notify([""; 0])));
    pass(30 * SECOND).await;
    assert_eq!(world.pager.lines(), ["opened shop"]);
    world.store.set_state(id_of(&world.store, "shop").await, State::Paused).await.unwrap();
    pass(5 * SECOND).await;
    assert_eq!((world.pager.lines(), world.ops.lines()), (vec!["opened shop".into(), "resolved shop".into()], vec![]));
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn routes_hold_for_what_maintenance_held_back_and_are_replaced_while_the_engine_runs() {
    let mut world = World::new();
    world.script.set("shop", runs(&[(500, Status::Down)]));
    world.script.set("cart", runs(&[(10, Status::Up), (500, Status::Down)]));
    let window = Window::once(EPOCH, EPOCH + 40 * SECOND).unwrap();
    let work = Maintenance::new("deploy", window, Matcher::all());
    let builder = world.builder().route(pager()).maintenance(work).monitor(quick("shop")).monitor(quick("cart"));
    let running = world.engines.start(builder);
    pass(35 * SECOND).await;
    assert_eq!(world.pager.lines(), [""; 0]);
    pass(25 * SECOND).await;
    assert_eq!(world.pager.lines(), ["opened shop"]);
    running.handle.replace_routes(Vec::new()).unwrap();
    assert!(running.handle.replace_routes(vec![pager().level(Status::Up)]).is_err());
    pass(120 * SECOND).await;
    assert_eq!((world.pager.lines().len(), world.ops.lines().len()), (1, 2));
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_falls_into_quiet_hours_is_told_when_they_end_unless_it_is_bad_enough() {
    let mut world = World::new();
    world.script.set("short", runs(&[(3, Status::Degraded)]));
    world.script.set("long", runs(&[(500, Status::Degraded)]));
    let quiet = Window::once(EPOCH, EPOCH + 600 * SECOND).unwrap();
    let timing = Timing::default().quiet(quiet).quiet_except(Status::Down);
    let channel = Channel::new(Arc::clone(&world.ops) as _).timing(timing);
    let builder = engine(&world.store, &world.script).channel("ops", channel);
    let running = world.engines.start(builder.monitor(quick("short")).monitor(quick("long")));
    pass(120 * SECOND).await;
    assert_eq!(world.ops.lines(), [""; 0]);
    assert_eq!(world.due().await, [600, 600], "the end of one, the opening of the other");
    pass(490 * SECOND).await;
    let mut told = world.ops.lines();
    told.sort();
    assert_eq!(told, ["opened long", "resolved short"]);
    let got = world.ops.got.lock().unwrap().clone();
    let short = got.iter().find(|notice| notice.monitor.name == "short").unwrap();
    let headline = short.headline();
    assert!(headline.starts_with("short was degraded for ") && headline.ends_with(": it is degraded"), "{headline}");
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_worsens_in_quiet_hours_takes_along_what_waited_and_escalates_in_time() {
    let mut world = World::new();
    world.script.set("shop", runs(&[(3, Status::Degraded), (500, Status::Down)]));
    let quiet = Window::once(EPOCH, EPOCH + 6_000 * SECOND).unwrap();
    let timing = || Timing::default().quiet(quiet.clone()).quiet_except(Status::Down);
    let channel = |inbox: &Arc<Inbox>| Channel::new(Arc::clone(inbox) as _).timing(timing());
    let builder = engine(&world.store, &world.script).channel("ops", channel(&world.ops));
    let shop = quick("shop").escalation([Step::new(Duration::from_secs(100), ["pager"])]);
    let running = world.engines.start(builder.channel("pager", channel(&world.pager)).monitor(shop));
    pass(95 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop", "worsened shop"]);
    assert_eq!(world.pager.lines(), [""; 0]);
    pass(20 * SECOND).await;
    assert_eq!(world.pager.lines(), ["escalated shop"]);
    assert_eq!(world.pager.got.lock().unwrap()[0].incident.level, Status::Down);
    world.engines.stop(running).await;
}
