//! Laws of definitions: adding, editing, reconciling, listing. States and deletion are in `edits`.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use serde_json::json;

use super::fixture::{ALL, EVERY, Fixture, judge, probe};
use crate::{
    error::Error,
    id::MonitorId,
    incident::Health,
    monitor::{Definition, FIRST_RUN_SPACING, MAX_NAME, Origin, State, first_slot, slot_after_edit},
    notification::Affected,
    outcome::Outcome,
    policy::{FlapDamping, Policy, Threshold},
    schedule::Schedule,
    store::{
        catalog::{Change, Put},
        claims::Verdict,
    },
    time::Span,
};

fn from(origin: &str, name: &str) -> Definition {
    probe(name).origin(Origin::new(origin))
}

pub async fn a_new_monitor_is_active_unjudged_and_due_at_once(f: Fixture) {
    let (id, change) = f.put(probe("shop")).await;
    assert_eq!(change, Change::Added);
    let overview = f.store.monitor(id).await.unwrap();
    assert_eq!((overview.monitor.id, overview.monitor.state), (id, State::Active));
    assert_eq!((overview.health, overview.slot), (Health::default(), f.now().await));
}

pub async fn monitors_added_in_one_call_are_due_two_milliseconds_apart(f: Fixture) {
    f.add("there before").await;
    f.advance(Duration::from_secs(1)).await;
    let names: Vec<_> = (0..5).map(|n| format!("shop {n}")).collect();
    let puts = f.store.put(names.iter().map(|name| probe(name)).collect()).await.unwrap();
    let now = f.now().await;
    for (position, put) in (0..).zip(&puts) {
        let slot = f.store.monitor(put.id).await.unwrap().slot;
        assert_eq!(slot, now + FIRST_RUN_SPACING * position, "number {position}");
    }
}

pub async fn a_new_cron_monitor_waits_for_its_first_instant(f: Fixture) {
    let schedule = Schedule::cron("30 4 * * *", "Europe/Berlin").unwrap();
    let (id, _) = f.put(probe("nightly").schedule(schedule.clone())).await;
    let overview = f.store.monitor(id).await.unwrap();
    assert_eq!(overview.slot, first_slot(&schedule, 0, f.now().await));
    assert!(overview.slot > f.now().await);
    assert_eq!(overview.monitor.definition.schedule, schedule);
}

pub async fn a_definition_reads_back_as_it_was(f: Fixture) {
    let policy = Policy {
        open_after: Threshold::For(Duration::from_secs(300)),
        degraded_after: Some(Threshold::Never),
        retry_every: Some(Span(Duration::from_secs(5))),
        remind_every: Some(Span(Duration::from_secs(3_600))),
        flap: FlapDamping { changes: 3, ..FlapDamping::default() },
        ..Policy::default()
    };
    let definition = Definition::new("grüße \u{1f980} 'a' \"b\" \\ %", "http")
        .every(Duration::from_millis(1_500))
        .timeout(Duration::from_millis(750))
        .config(json!({ "url": "https://shop.example/ä", "big": 9_007_199_254_740_993_i64, "none": null }))
        .policy(policy)
        .notify(["z", "a", "z z"])
        .label("team", "shop")
        .label("größe", "klein")
        .origin(Origin::new(Origin::FILE));
    let (id, _) = f.put(definition.clone()).await;
    assert_eq!(f.store.monitor(id).await.unwrap().monitor.definition, definition);
}

pub async fn answers_come_in_the_order_of_the_definitions(f: Fixture) {
    let (z, a) = (f.add("z").await, f.add("a").await);
    let edited = probe("a").label("team", "shop");
    let puts = f.store.put(vec![probe("z"), probe("m"), edited, probe("b")]).await.unwrap();
    let (m, b) = (puts[1].id, puts[3].id);
    let expected = [
        Put::new(z, "z".into(), Change::Unchanged),
        Put::new(m, "m".into(), Change::Added),
        Put::new(a, "a".into(), Change::Changed),
        Put::new(b, "b".into(), Change::Added),
    ];
    assert_eq!(puts, expected);
}

pub async fn a_definition_out_of_its_limits_is_refused_and_nothing_is_stored(f: Fixture) {
    let id = f.add("shop").await;
    let before = f.read(id).await;
    let long = "x".repeat(MAX_NAME + 1);
    for bad in [probe(""), probe(&long), probe("nul\0"), probe("often").every(Duration::ZERO)] {
        let edit = probe("shop").label("team", "shop");
        let answer = f.store.put(vec![probe("new"), edit, bad]).await;
        assert!(matches!(answer, Err(Error::Config { .. })), "{answer:?}");
        assert_eq!(f.read(id).await, before);
        assert_eq!(f.store.monitors(None, ALL).await.unwrap().len(), 1);
    }
}

pub async fn a_name_that_occurs_twice_is_refused_and_nothing_is_stored(f: Fixture) {
    let origin = Origin::new(Origin::CODE);
    let twice = || vec![probe("a"), probe("b"), probe("a").label("team", "shop")];
    for answer in [f.store.put(twice()).await, f.store.reconcile(&origin, twice()).await] {
        let Err(Error::Config { field, reason }) = answer else { panic!("{answer:?}") };
        assert!(field.contains("name") && reason.contains("\"a\""), "{field}: {reason}");
    }
    assert_eq!(f.store.monitors(None, ALL).await.unwrap(), []);
}

pub async fn the_same_definition_again_changes_nothing(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let claim = f.run(session, &claim, Outcome::down("500")).await;
    f.advance(Duration::from_secs(3)).await;
    let before = f.read(claim.monitor.id).await;
    assert_eq!(f.put(probe("shop")).await, (claim.monitor.id, Change::Unchanged));
    assert_eq!(f.read(claim.monitor.id).await, before);
    f.run(session, &claim, Outcome::up("200")).await;
}

pub async fn an_edit_makes_a_new_revision_and_frees_the_monitor(f: Fixture) {
    let (session, old) = f.held("shop").await;
    let old = f.run(session, &old, Outcome::down("500")).await;
    let edited = probe("shop").config(json!({ "url": "https://shop.example" }));
    assert_eq!(f.put(edited.clone()).await, (old.monitor.id, Change::Changed));
    let other = f.join().await;
    let new = f.claim_one(other).await;
    assert!(new.monitor.revision > old.monitor.revision);
    assert_eq!((new.monitor.definition, new.monitor.state), (edited, State::Active));
    assert_eq!((new.health, new.slot), (old.health, old.slot), "what is known of it stays");
}

pub async fn an_edited_schedule_moves_the_slot_no_further_away(f: Fixture) {
    let every = |seconds| Schedule::every(Duration::from_secs(seconds)).unwrap();
    let (overdue, ahead) = (f.add("overdue").await, f.add("ahead").await);
    let session = f.join().await;
    let claims = f.claim(session, ALL).await;
    let claim = claims.iter().find(|claim| claim.monitor.id == ahead).unwrap();
    f.run(session, claim, Outcome::up("200")).await;
    f.advance(Duration::from_secs(1)).await;
    let mut schedule = every(10);
    for new in [every(3), every(3_600), Schedule::cron("* * * * *", "UTC").unwrap(), every(5)] {
        for (id, name) in [(overdue, "overdue"), (ahead, "ahead")] {
            let pending = f.store.monitor(id).await.unwrap().slot;
            let expected = slot_after_edit(&schedule, &new, pending, id, f.now().await);
            f.put(probe(name).schedule(new.clone()).timeout(Duration::from_secs(1))).await;
            assert_eq!(f.store.monitor(id).await.unwrap().slot, expected, "{name}: {schedule} to {new}");
        }
        schedule = new;
    }
}

pub async fn an_edited_paused_monitor_stays_paused(f: Fixture) {
    let id = f.add("shop").await;
    f.store.set_state(id, State::Paused).await.unwrap();
    let before = f.store.monitor(id).await.unwrap().monitor;
    f.put(probe("shop").label("team", "shop")).await;
    let after = f.store.monitor(id).await.unwrap().monitor;
    assert_eq!(after.state, State::Paused);
    assert!(after.revision > before.revision);
    assert_eq!(after.definition.labels.len(), 1);
}

pub async fn the_name_of_a_retired_monitor_is_free_and_its_history_is_kept(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    f.run(session, &claim, Outcome::up("200")).await;
    f.store.set_state(claim.monitor.id, State::Retired).await.unwrap();
    let (id, change) = f.put(probe("shop")).await;
    assert_eq!(change, Change::Added);
    assert_ne!(id, claim.monitor.id);
    assert_eq!(f.records(id).await, []);
    let old = f.read(claim.monitor.id).await;
    assert_eq!((old.overview.monitor.state, old.records.len()), (State::Retired, 1));
}

pub async fn reconciling_retires_what_its_origin_names_no_more_and_nothing_else(f: Fixture) {
    let file = Origin::new("file");
    let mine = vec![from("file", "a"), from("file", "b"), from("file", "c")];
    let first = f.store.reconcile(&file, mine).await.unwrap();
    assert!(first.iter().all(|put| put.change == Change::Added));
    let other = f.put(from("code", "z")).await.0;
    let edited = from("file", "b").label("team", "shop");
    let puts = f.store.reconcile(&file, vec![from("file", "d"), edited]).await.unwrap();
    let added = puts[0].id;
    assert_eq!(puts[0], Put::new(added, "d".into(), Change::Added));
    assert_eq!(puts[1], Put::new(first[1].id, "b".into(), Change::Changed));
    let mut retired = puts[2..].to_vec();
    retired.sort_by(|a, b| a.name.cmp(&b.name));
    let gone = |n: usize, name: &str| Put::new(first[n].id, name.into(), Change::Retired);
    assert_eq!(retired, [gone(0, "a"), gone(2, "c")]);
    let state = async |id: MonitorId| f.store.monitor(id).await.unwrap().monitor.state;
    assert_eq!((state(first[0].id).await, state(first[2].id).await), (State::Retired, State::Retired));
    assert_eq!((state(first[1].id).await, state(other).await), (State::Active, State::Active));
    let again = f.store.reconcile(&file, vec![from("file", "d"), from("file", "b").label("team", "shop")]).await;
    assert!(again.unwrap().iter().all(|put| put.change == Change::Unchanged));
}

pub async fn reconciling_takes_over_a_name_of_another_origin(f: Fixture) {
    let id = f.put(from("code", "shop")).await.0;
    let file = Origin::new("file");
    let puts = f.store.reconcile(&file, vec![from("file", "shop")]).await.unwrap();
    assert_eq!(puts, [Put::new(id, "shop".into(), Change::Changed)]);
    assert_eq!(f.store.monitor(id).await.unwrap().monitor.definition.origin, file);
    assert_eq!(f.store.reconcile(&Origin::new("code"), Vec::new()).await.unwrap(), [], "it is the file's now");
    let puts = f.store.reconcile(&file, Vec::new()).await.unwrap();
    assert_eq!(puts, [Put::new(id, "shop".into(), Change::Retired)]);
}

pub async fn reconciling_with_one_bad_definition_changes_nothing(f: Fixture) {
    let file = Origin::new("file");
    let id = f.put(from("file", "shop")).await.0;
    let before = f.read(id).await;
    let bad = from("file", "bad").every(Duration::ZERO);
    assert!(matches!(f.store.reconcile(&file, vec![from("file", "new"), bad]).await, Err(Error::Config { .. })));
    assert_eq!(f.read(id).await, before);
    assert_eq!(f.store.monitors(None, ALL).await.unwrap().len(), 1);
}

pub async fn monitors_are_paged_by_name_in_the_order_of_its_bytes(f: Fixture) {
    let mut names = ["b", "a", "B", "é", "a b", "Z", "ab", "\u{1f980}", "z"];
    f.store.put(names.iter().map(|name| probe(name)).collect()).await.unwrap();
    let retired = f.add("az").await;
    f.store.set_state(retired, State::Retired).await.unwrap();
    let paused = f.store.monitors(None, 1).await.unwrap()[0].monitor.id;
    f.store.set_state(paused, State::Paused).await.unwrap();
    names.sort_unstable();
    let mut listed: Vec<String> = Vec::new();
    for expected in names.chunks(2) {
        let page = f.store.monitors(listed.last().map(String::as_str), 2).await.unwrap();
        listed = page.into_iter().map(|overview| overview.monitor.definition.name).collect();
        assert_eq!(listed, expected);
    }
    assert_eq!(f.store.monitors(listed.last().map(String::as_str), 2).await.unwrap(), []);
    assert_eq!(f.store.monitors(None, 0).await.unwrap(), []);
}

pub async fn monitors_are_found_by_name_unless_they_are_retired(f: Fixture) {
    let ids = [f.add("b").await, f.add("a").await, f.add("c").await];
    f.store.set_state(ids[2], State::Retired).await.unwrap();
    f.store.set_state(ids[1], State::Paused).await.unwrap();
    let names = ["a", "b", "c", "d", "a"].map(str::to_owned);
    let found = f.store.named(&names).await.unwrap();
    let found: Vec<_> = found.iter().map(|overview| overview.monitor.id).collect();
    assert_eq!(found, [ids[1], ids[0]]);
    assert_eq!(f.store.named(&[]).await.unwrap(), []);
}

pub async fn a_hastened_monitor_is_due_at_once_with_a_new_revision_and_without_an_owner(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let ran = f.run(session, &claim, Outcome::up("200")).await;
    f.advance(Duration::from_secs(1)).await;
    f.store.hasten(&[claim.monitor.id]).await.unwrap();
    let hastened = f.store.monitor(claim.monitor.id).await.unwrap();
    assert_eq!((hastened.slot, hastened.health), (f.now().await, ran.health.clone()));
    assert!(hastened.monitor.revision > ran.monitor.revision);
    let late = f.complete(session, &judge(&ran, Outcome::up("200"), f.now().await)).await;
    assert_eq!(late, Verdict::Lost, "the run under way is refused");
    let other = f.join().await;
    assert_eq!(f.claim_one(other).await.slot, hastened.slot);
}

pub async fn hastening_what_is_due_paused_or_unknown_changes_nothing(f: Fixture) {
    let (due, paused) = (f.add("due").await, f.add("paused").await);
    f.store.set_state(paused, State::Paused).await.unwrap();
    f.advance(EVERY).await;
    let before = [f.read(due).await, f.read(paused).await];
    f.store.hasten(&[due, paused, MonitorId::new()]).await.unwrap();
    assert_eq!([f.read(due).await, f.read(paused).await], before);
}

pub async fn what_depends_on_a_monitor_is_found_straight_and_through_others(f: Fixture) {
    let depending = |name: &str, on: &[&str]| probe(name).depends_on(on.iter().copied());
    let definitions = vec![
        probe("net"),
        depending("db", &["net"]),
        depending("shop", &["db", "mail"]),
        depending("admin", &["shop", "net"]),
        depending("net 2", &["other"]),
        // In a circle with the first.
        depending("mail", &["admin"]),
        depending("paused", &["net"]),
    ];
    f.store.put(definitions).await.unwrap();
    let paused = f.store.named(&["paused".to_owned()]).await.unwrap().remove(0).monitor.id;
    f.store.set_state(paused, State::Paused).await.unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (on, limit, count, expected) in [
        ("net", ALL, 4, &["admin", "db", "mail", "shop"][..]),
        ("net", 2, 4, &["admin", "db"]),
        ("mail", ALL, 2, &["admin", "shop"]),
        ("nobody", ALL, 0, &[]),
    ] {
        assert_eq!(f.store.dependents(on, limit).await.unwrap(), Affected::new(count, names(expected)), "{on}");
    }
    f.store.put(vec![probe("db")]).await.unwrap();
    assert_eq!(f.store.dependents("net", ALL).await.unwrap().names, names(&["admin", "mail", "shop"]));
}

pub async fn an_overview_shows_health_and_slot_as_the_last_run_left_them(f: Fixture) {
    let (session, claim) = f.held("shop").await;
    let after = f.run(session, &claim, Outcome::down("500")).await;
    let listed = f.store.monitors(None, ALL).await.unwrap();
    assert_eq!(listed, [f.store.monitor(claim.monitor.id).await.unwrap()]);
    assert_eq!((&listed[0].monitor, &listed[0].health), (&after.monitor, &after.health));
    assert_eq!(listed[0].slot, claim.slot + EVERY);
}
