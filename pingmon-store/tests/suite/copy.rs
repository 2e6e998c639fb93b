//! Everything that a store keeps, moved into another: whole, resumable, verified, and never beside an engine.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use pingmon_core::{
    conformance::{
        SteeredClock,
        fixture::{CHANNEL, KIND, judge, next, probe},
    },
    error::{Error, Result},
    id::{MonitorId, SessionId},
    matcher::Matcher,
    monitor::{Definition, State},
    outcome::{Metric, Outcome, Status},
    silence::{Draft, End},
    store::{
        Store,
        catalog::Catalog as _,
        claims::{Claim, Claims as _, SessionInfo},
        incidents::IncidentFilter,
        outbox::{DeliveryFilter, Settled, Settlement},
        plugins::NewPlugin,
        silences::SilenceFilter,
    },
    time::{Clock as _, Span, SystemClock},
};
use pingmon_store::{
    copy::{Place, Progress, Report, Stage, copy},
    sqlite::SqliteOptions,
};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::Notify;

use crate::{postgres, sqlite};

const LEASE: Duration = Duration::from_secs(60);
const ALL: usize = 10_000;

/// What the tests copy between.
struct Stand {
    sqlite: sqlite::Place,
    postgres: postgres::Place,
}

impl Stand {
    /// A file that has its tables, and a schema that has them.
    async fn new() -> Self {
        let stand = Self { sqlite: sqlite::Place::new(), postgres: postgres::Place::new().await };
        stand.sqlite.open().await.close().await;
        stand.postgres.open().await.close().await;
        stand
    }

    fn sqlite(&self) -> Place {
        Place::new(self.sqlite.url())
    }

    fn postgres(&self) -> Place {
        Place::new(self.postgres.url()).schema(&self.postgres.schema)
    }

    async fn copy(&self) -> Result<Report> {
        copy(&self.sqlite(), &self.postgres(), &mut |_| {}).await
    }

    async fn cut_off(&self, enough: impl Fn(Progress) -> bool + Send + Sync) {
        cut_off(&self.sqlite(), &self.postgres(), enough).await;
    }

    /// Adds a monitor with results over the last 100 days, more than two pages of them.
    async fn add_history(&self, results: u32) {
        let store = self.sqlite.open().await;
        let put = store.put(vec![probe("long")]).await.unwrap();
        store.close().await;
        let mut conn = self.sqlite.connect().await;
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
            INSERT INTO pingmon_results (monitor, slot, started_at, status, latency, message, detail)
            SELECT ?1, ?3 - i * (100 * 86400000000 / ?2), ?3, 'up', i, 'ä ' || i,
                CASE i % 3 WHEN 0 THEN '{\"evidence\": {\"n\":' || i || '}}' END FROM n";
        let now = SystemClock.now().as_micros();
        sqlx::query(sql).bind(*put[0].id.as_uuid()).bind(results).bind(now).execute(&mut conn).await.unwrap();
    }
}

/// Copies until `enough`, and stops in the middle.
async fn cut_off(from: &Place, to: &Place, enough: impl Fn(Progress) -> bool + Send + Sync) {
    let stop = Notify::new();
    let mut watch = |progress| {
        if enough(progress) {
            stop.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = stop.notified() => {}
        done = copy(from, to, &mut watch) => panic!("it wasn't cut off: {done:?}"),
    }
}

fn session() -> SessionInfo {
    SessionInfo::new(SessionId::new(), "anna", "1.0.0", 1)
}

fn rich(status: Status) -> Outcome {
    let mut outcome = Outcome::new(status, "")
        .latency(Duration::from_micros(12_345))
        .phase("dns", Duration::from_micros(345))
        .metric(Metric::new("size", 0.1 + 0.2, "bytes").label("part", "body"))
        .evidence("z before a", "ü")
        .evidence("a", 1.0e-7)
        .evidence("nested", serde_json::json!({ "b": [1, null, "\u{2028}"], "a": {} }));
    outcome.fail(status, "status", "2xx", "500");
    outcome.message = "naïve 日本語 \u{1f600} \"quoted\" \\ back".to_owned();
    outcome
}

/// Fills a store with something of everything: incidents open and closed, deliveries pending, sent and dead, gaps,
/// monitors paused, retired, never run.
async fn fill(store: &dyn Store, clock: &SteeredClock) {
    let names = ["web", "ünïcödé 日本", "paused", "retired", "with \u{1f600}"];
    let puts = store.put(names.map(probe).to_vec()).await.unwrap();
    let info = session();
    store.renew(&info, LEASE).await.unwrap();
    let mut claims = store.claim(info.id, &[Cow::Borrowed(KIND)], ALL).await.unwrap();
    for status in [Status::Up, Status::Down, Status::Up, Status::Unknown, Status::Down] {
        clock.advance(Duration::from_secs(if status == Status::Up { 45 } else { 10 }));
        store.renew(&info, LEASE).await.unwrap();
        let mut runs: Vec<_> = claims.iter().map(|claim| judge(claim, rich(status), clock.now())).collect();
        runs.iter_mut().for_each(|run| run.keep = Some((0..=255).cycle().take(40_000).collect()));
        store.complete(info.id, &runs).await.unwrap();
        claims = claims.iter().zip(&runs).map(|(claim, run): (&Claim, _)| next(claim, run)).collect();
    }
    let taken = store.take(info.id, CHANNEL, 3).await.unwrap();
    let ends = [
        Settled::Sent(None),
        Settled::Dead { error: "gone \0 away".into() },
        Settled::Retry { due_at: clock.now() + LEASE, error: "später".into() },
    ];
    let settlements: Vec<_> = taken.iter().zip(ends).map(|(taken, end)| Settlement::new(taken, end)).collect();
    store.settle(info.id, &settlements).await.unwrap();
    // Taken and not settled: free on arrival.
    store.take(info.id, CHANNEL, 1).await.unwrap();
    store.set_state(puts[2].id, State::Paused).await.unwrap();
    store.set_state(puts[3].id, State::Retired).await.unwrap();
    store.put(vec![Definition::new("never run", "another")]).await.unwrap();
    for (name, digit, size) in [("queue", "1", 20_000_000), ("ünï", "2", 1), ("queue too", "1", 20_000_000)] {
        let bytes = (0..=250).cycle().take(size).collect();
        let plugin = NewPlugin::new(name, digit.repeat(64), bytes).signature(Some(name.to_owned()));
        store.put_plugin(plugin).await.unwrap();
    }
    let draft = Draft::new(Matcher::all().monitors(["web"]).label("größe", "日本"), End::After(Span(LEASE)), "anna");
    store.silence(draft.comment("neue Platten").maintenance()).await.unwrap();
    store.leave(info.id).await.unwrap();
}

/// All that a store tells, a line a thing.
async fn everything(store: &dyn Store) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |what: &dyn fmt::Debug| told.push(format!("{what:?}").replace("\\0", "\u{fffd}"));
    for overview in store.monitors(None, ALL).await.unwrap() {
        let id: MonitorId = overview.monitor.id;
        tell(&overview);
        store.records(id, None, ALL).await.unwrap().iter().for_each(|record| tell(record));
        store.gaps(id, None, ALL).await.unwrap().iter().for_each(|gap| tell(gap));
        tell(&store.kept(id).await.unwrap().map(Sha256::digest));
    }
    for plugin in store.plugins().await.unwrap() {
        tell(&plugin);
        tell(&Sha256::digest(store.plugin_bytes(&plugin.sha256).await.unwrap()));
    }
    store.incidents(IncidentFilter::all(), ALL).await.unwrap().iter().for_each(|incident| tell(incident));
    store.deliveries(DeliveryFilter::all(), ALL).await.unwrap().iter().for_each(|delivery| tell(delivery));
    store.silences(SilenceFilter::all(), ALL).await.unwrap().iter().for_each(|silence| tell(silence));
    told.sort();
    told
}

fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

fn rows(report: &Report) -> Vec<(&'static str, u64)> {
    report.tables.iter().map(|table| (table.table, table.rows)).collect()
}

#[tokio::test]
async fn everything_survives_the_way_to_postgresql_and_back() {
    let stand = Stand::new().await;
    let clock = SteeredClock::at(SystemClock.now());
    let store = SqliteOptions::new().clock(Arc::new(clock.clone())).open(&stand.sqlite.url()).await.unwrap();
    fill(&store, &clock).await;
    let before = everything(&store).await;
    store.close().await;
    for something in
        ["日本", "Dead", "Sent", "Pending", "Overload", "closed: None", "closed: Some(Paused)", "z before a", "naïve"]
    {
        assert!(before.iter().any(|line| line.contains(something)), "{something}");
    }

    let there = stand.copy().await.unwrap();
    assert!(there.tables.iter().all(|table| table.rows > 0 && table.copied == table.rows), "{there:?}");
    let store = stand.postgres.open().await;
    assert_same(&everything(&store).await, &before);
    store.close().await;

    let home = sqlite::Place::new();
    let back = copy(&stand.postgres(), &Place::new(home.url()), &mut |_| {}).await.unwrap();
    assert_eq!(back, there, "the same rows and hashes");
    let store = home.open().await;
    assert_same(&everything(&store).await, &before);

    // Nothing is owned, and an engine can have it all at once.
    let info = session();
    store.renew(&info, LEASE).await.unwrap();
    let claims = store_claims(&store, info.id).await;
    assert_eq!(claims, 3, "what is active and of the kind");
}

async fn store_claims(store: &dyn Store, session: SessionId) -> usize {
    store.claim(session, &[Cow::Borrowed(KIND)], ALL).await.unwrap().len()
}

#[tokio::test]
async fn a_copy_that_is_cut_off_again_and_again_goes_on_where_it_was() {
    let stand = Stand::new().await;
    stand.add_history(12_000).await;
    let early = stand.postgres.try_open().await.unwrap();
    stand.cut_off(|progress| progress.table == "results" && progress.done >= 5_000).await;

    // Meanwhile the store is no store.
    let refused = early.renew(&session(), LEASE).await.unwrap_err().chain();
    assert!(refused.contains("a_copy_into_this_store_is_under_way"), "{refused}");
    let refused = stand.postgres.try_open().await.unwrap_err().to_string();
    assert!(refused.contains("a copy was begun that isn't finished"), "{refused}");
    let elsewhere = sqlite::Place::new();
    let refused = copy(&stand.postgres(), &Place::new(elsewhere.url()), &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.starts_with("invalid from: names a store into which a copy was begun"), "{refused}");
    elsewhere.open().await.close().await;
    let refused = copy(&Place::new(elsewhere.url()), &stand.postgres(), &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.starts_with("invalid to: a copy from sqlite:"), "{refused}");

    stand.cut_off(|progress| progress.table == "results" && progress.done >= 10_000).await;
    stand.cut_off(|progress| progress.stage == Stage::Verifying).await;
    let report = stand.copy().await.unwrap();
    assert!(report.tables.iter().all(|table| table.copied == 0), "all came over before: {report:?}");
    assert_eq!(rows(&report)[..3], [("monitors", 1), ("schedule", 1), ("results", 12_000)]);

    let whole = sqlite::Place::new();
    let again = copy(&stand.postgres(), &Place::new(whole.url()), &mut |_| {}).await.unwrap();
    let hashes = |report: &Report| report.tables.iter().map(|table| table.sha256.clone()).collect::<Vec<_>>();
    assert_eq!(hashes(&again), hashes(&report), "as if it had come over in one go");
    early.renew(&session(), LEASE).await.unwrap();
}

#[tokio::test]
async fn a_file_that_holds_half_of_a_copy_is_refused() {
    let stand = Stand::new().await;
    let half = sqlite::Place::new();
    let early = half.open().await;
    cut_off(&stand.sqlite(), &Place::new(half.url()), |_| true).await;
    let refused = early.renew(&session(), LEASE).await.unwrap_err().chain();
    assert!(refused.contains("a copy into this store is under way"), "{refused}");
    let refused = SqliteOptions::new().open(&half.url()).await.unwrap_err().to_string();
    assert!(refused.contains("run the same `pingmon store copy` again"), "{refused}");
    copy(&stand.sqlite(), &Place::new(half.url()), &mut |_| {}).await.unwrap();
    early.renew(&session(), LEASE).await.unwrap();
}

#[tokio::test]
async fn a_living_engine_at_either_end_refuses_and_its_end_lets_the_copy_go() {
    let stand = Stand::new().await;
    let (source, target) = (stand.sqlite.open().await, stand.postgres.open().await);
    for (store, end) in [(&source as &dyn Store, "from"), (&target, "to")] {
        let info = session();
        store.renew(&info, LEASE).await.unwrap();
        let refused = stand.copy().await.unwrap_err();
        let Error::Config { field, reason } = refused else { panic!("{refused}") };
        assert_eq!(field, end);
        assert!(reason.contains("an engine works on it (host \"anna\")"), "{reason}");
        store.leave(info.id).await.unwrap();
    }
    stand.copy().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_joins_the_source_meanwhile_keeps_the_target_closed() {
    let stand = Stand::new().await;
    stand.cut_off(|progress| progress.stage == Stage::Verifying).await;
    let source = stand.sqlite.open().await;
    let info = session();
    source.renew(&info, LEASE).await.unwrap();
    assert!(stand.copy().await.unwrap_err().to_string().starts_with("invalid from: an engine works on it"));
    assert!(stand.postgres.try_open().await.is_err());
    source.leave(info.id).await.unwrap();
    stand.copy().await.unwrap();
}

#[tokio::test]
async fn a_row_that_was_tampered_with_is_found() {
    let stand = Stand::new().await;
    stand.add_history(100).await;
    stand.cut_off(|progress| progress.stage == Stage::Verifying).await;
    stand.postgres.execute("UPDATE {schema}.results SET latency = latency + 1 WHERE latency = 50").await;
    let found = stand.copy().await.unwrap_err().chain();
    assert!(found.contains("failed to verify the copy: the table results differs: 100 rows, SHA-256"), "{found}");
    let refused = stand.postgres.try_open().await.unwrap_err().to_string();
    assert!(refused.contains("a copy was begun that isn't finished"), "{refused}");
}

#[tokio::test]
async fn a_target_with_rows_of_its_own_is_refused_and_stays_as_it_was() {
    let stand = Stand::new().await;
    let target = stand.postgres.open().await;
    let before = (target.put(vec![probe("mine")]).await.unwrap(), everything(&target).await).1;
    let refused = stand.copy().await.unwrap_err().to_string();
    assert!(refused.starts_with("invalid to: has rows of its own in the table monitors"), "{refused}");
    assert_same(&everything(&target).await, &before);
    target.renew(&session(), LEASE).await.unwrap();
}

#[tokio::test]
async fn places_that_are_no_stores_are_refused_by_their_end() {
    let stand = Stand::new().await;
    let (sqlite, missing) = (stand.sqlite(), Place::new("sqlite:/nowhere/x.db"));
    for (from, to, reason) in [
        (&missing, &sqlite, "invalid from: "),
        (&sqlite, &missing, "invalid to: "),
        (&sqlite, &sqlite, "invalid to: is the same store"),
        (&Place::new("mysql://me:secret@x/y"), &sqlite, "invalid from: names no store"),
        (&Place::new("sqlite::memory:"), &sqlite, "invalid from: lies in memory"),
        (
            &sqlite,
            &Place::new(stand.postgres.url()).schema("not_migrated"),
            "invalid to: names a store that has no tables",
        ),
    ] {
        let refused = copy(from, to, &mut |_| {}).await.unwrap_err().to_string();
        assert!(refused.starts_with(reason) && !refused.contains("secret"), "{refused}");
    }
    assert!(!format!("{:?}", Place::new("postgres://me:secret@x/y")).contains("secret"));
}

#[tokio::test]
async fn what_is_left_of_a_deleted_monitor_is_not_copied() {
    let stand = Stand::new().await;
    stand.add_history(50).await;
    stand.copy().await.unwrap();
    let store = stand.postgres.open().await;
    let id = store.monitors(None, 1).await.unwrap()[0].monitor.id;
    store.delete(id).await.unwrap();
    let elsewhere = sqlite::Place::new();
    let report = copy(&stand.postgres(), &Place::new(elsewhere.url()), &mut |_| {}).await.unwrap();
    assert!(report.tables.iter().all(|table| table.rows == 0), "{report:?}");
}

#[tokio::test]
async fn monitors_that_no_engine_has_taken_in_are_not_left_behind() {
    let stand = Stand::new().await;
    stand.postgres.execute("INSERT INTO {schema}.new_monitors (name, kind) VALUES ('written', 'probe')").await;
    let refused = copy(&stand.postgres(), &stand.sqlite(), &mut |_| {}).await.unwrap_err().to_string();
    assert!(refused.starts_with("invalid from: has 1 waiting in new_monitors"), "{refused}");
}

/// The columns of the copied tables that each store has, but for those that are worked out from others.
#[tokio::test]
async fn both_stores_have_the_same_columns_in_the_tables_that_are_copied() {
    let stand = Stand::new().await;
    let (mut file, mut server) = (stand.sqlite.connect().await, stand.postgres.connect().await);
    for table in [
        "monitors",
        "schedule",
        "results",
        "gaps",
        "incidents",
        "deliveries",
        "kept",
        "plugins",
        "plugin_parts",
        "silences",
    ] {
        let of_file = format!("SELECT name FROM pragma_table_info('pingmon_{table}') ORDER BY name");
        let of_file: Vec<String> = sqlx::query_scalar(AssertSqlSafe(of_file)).fetch_all(&mut file).await.unwrap();
        let of_server = sqlx::query(
            "SELECT column_name::text FROM information_schema.columns
            WHERE table_schema = $1 AND table_name = $2 AND is_generated = 'NEVER' ORDER BY column_name COLLATE \"C\"",
        );
        let of_server = of_server.bind(&stand.postgres.schema).bind(table).fetch_all(&mut server).await.unwrap();
        let of_server: Vec<String> = of_server.iter().map(|row| row.get(0)).collect();
        assert_eq!(of_file, of_server, "{table}");
    }
}
