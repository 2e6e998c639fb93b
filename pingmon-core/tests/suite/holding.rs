//! What is recorded and not announced: maintenance, and what depends on something that is down.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use pingmon_core::{
    maintenance::{EVIDENCE, Maintenance},
    matcher::Matcher,
    monitor::Definition,
    notification::Step,
    outcome::Outcome,
    policy::{Policy, Threshold},
    silence::{Draft, End},
    store::{Store, incidents::IncidentFilter},
    time::{Span, Timestamp},
    window::Window,
};

use crate::rig::{Engines, Inbox, Running, SECOND, Script, engine, id_of, monitor, pass, records, store};

/// Opens at the first failure.
fn quick(name: &str) -> Definition {
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(1);
    monitor(name).notify(["ops"]).policy(policy)
}

fn down(runs: usize) -> impl Iterator<Item = Outcome> {
    (0..runs).map(|_| Outcome::down("refused"))
}

struct World {
    store: Arc<dyn Store>,
    script: Script,
    ops: Arc<Inbox>,
    engines: Engines,
}

impl World {
    fn new() -> Self {
        Self { store: store(), script: Script::default(), ops: Arc::default(), engines: Engines::default() }
    }

    async fn start(&mut self, definitions: Vec<Definition>, maintenance: Option<Maintenance>) -> Running {
        self.store.put(definitions).await.unwrap();
        let builder = engine(&self.store, &self.script).notifier("ops", Arc::clone(&self.ops) as _);
        self.engines.start(maintenance.into_iter().fold(builder, |builder, work| builder.maintenance(work)))
    }

    async fn open_incidents(&self) -> usize {
        let all = self.store.incidents(IncidentFilter::all(), 10_000).await.unwrap();
        all.iter().filter(|incident| incident.closed_at.is_none()).count()
    }
}

#[tokio::test(start_paused = true)]
async fn during_maintenance_runs_go_on_and_only_what_outlasts_it_is_announced() {
    let mut world = World::new();
    let start = Timestamp::from_micros(1_800_000_000_000_000);
    let window = Window::once(start, start + 60 * SECOND).unwrap();
    world.script.set("short", down(2));
    world.script.set("long", down(50));
    world.script.set("other", down(50));
    let work = Maintenance::new("deploy", window, Matcher::all().monitors(["short", "long"]));
    let running = world.start(vec![quick("short"), quick("long"), quick("other")], Some(work)).await;
    pass(50 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened other"]);
    assert_eq!(world.open_incidents().await, 2, "what opens is recorded all the same");
    assert!(world.script.runs_of("long") >= 5);
    let health = world.store.monitor(id_of(&world.store, "long").await).await.unwrap().health;
    assert_eq!(health.held_because.as_deref(), Some("maintenance \"deploy\""));
    pass(30 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened other", "opened long"]);
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn maintenances_can_be_replaced_while_the_engine_runs() {
    let mut world = World::new();
    world.script.set("shop", down(50));
    let always = Window::weekly(&[], "00:00", "00:00", "UTC").unwrap();
    let running = world.start(vec![quick("shop")], Some(Maintenance::new("for good", always, Matcher::all()))).await;
    pass(60 * SECOND).await;
    assert!(world.ops.lines().is_empty());
    running.handle.replace_maintenances(Vec::new()).unwrap();
    pass(20 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop"]);
    world.engines.stop(running).await;
}

fn minutes(name: &str, minutes: u32) -> Draft {
    Draft::new(Matcher::all().monitors([name]), End::After(Span(SECOND * 60 * minutes)), "anna").comment("known")
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_followed_by_all_engines_within_a_poll_and_what_is_open_at_its_early_end_is_announced() {
    let mut world = World::new();
    world.script.set("shop", std::iter::once(Outcome::up("fine")).chain(down(500)));
    world.script.set("work", std::iter::once(Outcome::up("fine")).chain(down(500)));
    let one = world.start(vec![quick("shop"), quick("work"), quick("other")], None).await;
    let two = world.start(Vec::new(), None).await;
    let silence = world.store.silence(minutes("shop", 60)).await.unwrap();
    world.store.silence(minutes("work", 60).maintenance()).await.unwrap();
    pass(60 * SECOND).await;
    assert!(world.ops.lines().is_empty(), "{:?}", world.ops.lines());
    assert_eq!(world.open_incidents().await, 2, "what opens is recorded all the same");
    let because =
        async |name: &str| world.store.monitor(id_of(&world.store, name).await).await.unwrap().health.held_because;
    assert_eq!(because("shop").await.as_deref(), Some("silence by anna: known"));
    assert_eq!(because("work").await.as_deref(), Some("maintenance by anna: known"));
    let last = async |name: &str| records(&world.store, name).await.pop().unwrap().outcome.evidence;
    assert_eq!(last("work").await[EVIDENCE], "by anna: known");
    assert!(!last("shop").await.contains_key(EVIDENCE), "who is only silenced is down all the same");
    world.store.end_silence(silence.id).await.unwrap();
    pass(12 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop"]);
    world.engines.stop(one).await;
    world.engines.stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_outlives_the_engines_and_is_over_when_it_says() {
    let mut world = World::new();
    world.script.set("shop", std::iter::once(Outcome::up("fine")).chain(down(500)));
    world.store.silence(minutes("shop", 2)).await.unwrap();
    let first = world.start(vec![quick("shop")], None).await;
    pass(30 * SECOND).await;
    world.engines.stop(first).await;
    let second = world.start(Vec::new(), None).await;
    pass(80 * SECOND).await;
    assert!(world.ops.lines().is_empty());
    pass(22 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop"]);
    world.engines.stop(second).await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_stops_reminders_and_escalation_of_what_is_open_and_its_end_lets_them_go() {
    let mut world = World::new();
    let oncall: Arc<Inbox> = Arc::default();
    world.script.set("shop", std::iter::once(Outcome::up("fine")).chain(down(500)));
    let mut policy = quick("shop").policy;
    policy.remind_every = Some(Span(60 * SECOND));
    let shop = quick("shop").policy(policy).escalation([Step::new(120 * SECOND, ["oncall"])]);
    world.store.put(vec![shop]).await.unwrap();
    let builder = engine(&world.store, &world.script).notifier("ops", Arc::clone(&world.ops) as _);
    let builder = builder.expiry(300 * SECOND);
    let running = world.engines.start(builder.notifier("oncall", Arc::clone(&oncall) as _));
    pass(40 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop"]);
    let silence = world.store.silence(minutes("shop", 31 * 24 * 60)).await.unwrap();
    // Longer than a delivery is tried for.
    pass(15 * 60 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop"]);
    assert!(oncall.lines().is_empty());
    world.store.end_silence(silence.id).await.unwrap();
    pass(75 * SECOND).await;
    assert_eq!(world.ops.lines()[..2], ["opened shop", "reminder shop"]);
    assert_eq!(oncall.lines(), ["escalated shop"]);
    assert_eq!(oncall.attempts.lock().unwrap().len(), 1);
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn what_ends_during_a_silence_is_told_to_those_who_heard_of_it_and_nobody_is_called() {
    let mut world = World::new();
    let oncall: Arc<Inbox> = Arc::default();
    world.script.set("shop", std::iter::once(Outcome::up("fine")).chain(down(20)));
    let shop = quick("shop").escalation([Step::new(60 * SECOND, ["oncall"])]);
    world.store.put(vec![shop]).await.unwrap();
    let builder = engine(&world.store, &world.script).notifier("ops", Arc::clone(&world.ops) as _);
    let running = world.engines.start(builder.notifier("oncall", Arc::clone(&oncall) as _));
    pass(40 * SECOND).await;
    world.store.silence(minutes("shop", 5)).await.unwrap();
    pass(600 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened shop", "resolved shop"]);
    assert!(oncall.lines().is_empty());
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn behind_a_dead_parent_two_thousand_monitors_are_one_message_that_names_them() {
    let mut world = World::new();
    let mut definitions = vec![quick("gateway").every(60 * SECOND)];
    world.script.set("gateway", std::iter::once(Outcome::up("fine")).chain(down(500)));
    for n in 0..2_000 {
        let name = format!("child {n:04}");
        world.script.set(&name, std::iter::once(Outcome::up("fine")).chain(down(500)));
        definitions.push(quick(&name).depends_on(["gateway"]));
    }
    let running = world.start(definitions, None).await;
    pass(120 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened gateway"]);
    assert_eq!(world.open_incidents().await, 2_001, "all are recorded");
    let notice = world.ops.got.lock().unwrap()[0].clone();
    assert_eq!(notice.affected.count, 2_000);
    let names: BTreeSet<_> = notice.affected.names.iter().collect();
    assert!(names.len() == 100 && names.iter().all(|name| name.starts_with("child ")));
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_parent_is_looked_at_again_before_a_child_is_announced() {
    let mut world = World::new();
    // The parent is due every hour only: that it is down would be known long after.
    world.script.set("gateway", std::iter::once(Outcome::up("fine")).chain(down(500)));
    world.script.set("child", std::iter::once(Outcome::up("fine")).chain(down(500)));
    let definitions = vec![quick("gateway").every(3_600 * SECOND), quick("child").depends_on(["gateway"])];
    let running = world.start(definitions, None).await;
    pass(45 * SECOND).await;
    assert_eq!(world.ops.lines(), ["opened gateway"]);
    assert_eq!(world.script.runs_of("gateway"), 2);
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_parent_is_well_is_announced_within_seconds() {
    let mut world = World::new();
    world.script.set("child", std::iter::once(Outcome::up("fine")).chain(down(500)));
    let definitions = vec![quick("gateway").every(3_600 * SECOND), quick("child").depends_on(["gateway"])];
    let running = world.start(definitions, None).await;
    let mut waited = Duration::ZERO;
    while world.script.runs_of("child") < 2 {
        pass(SECOND / 10).await;
    }
    while world.ops.lines().is_empty() {
        pass(SECOND / 10).await;
        waited += SECOND / 10;
        assert!(waited < 5 * SECOND, "{waited:?}");
    }
    assert_eq!(world.ops.lines(), ["opened child"]);
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_stays_down_when_its_parent_recovers_is_announced_then() {
    let mut world = World::new();
    world.script.set("gateway", std::iter::once(Outcome::up("fine")).chain(down(6)));
    world.script.set("stays", std::iter::once(Outcome::up("fine")).chain(down(500)));
    world.script.set("recovers", std::iter::once(Outcome::up("fine")).chain(down(5)));
    let child = |name| quick(name).depends_on(["gateway"]);
    let running = world.start(vec![quick("gateway"), child("stays"), child("recovers")], None).await;
    pass(180 * SECOND).await;
    let mut lines = world.ops.lines();
    assert_eq!(lines.remove(0), "opened gateway");
    lines.sort();
    assert_eq!(lines, ["opened stays", "resolved gateway"]);
    world.engines.stop(running).await;
}

#[tokio::test(start_paused = true)]
async fn monitors_that_depend_on_each_other_are_announced_all_the_same() {
    let mut world = World::new();
    for (name, on) in [("hen", "egg"), ("egg", "hen")] {
        world.script.set(name, std::iter::once(Outcome::up("fine")).chain(down(500)));
        world.store.put(vec![quick(name).depends_on([on])]).await.unwrap();
    }
    let running = world.start(Vec::new(), None).await;
    pass(180 * SECOND).await;
    let lines = world.ops.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("opened "));
    world.engines.stop(running).await;
}
