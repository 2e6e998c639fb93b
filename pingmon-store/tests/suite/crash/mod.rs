//! `kill -9` at each point between a verdict and the acknowledgement of its delivery: no notice is lost, and a repeat bears
//! the same key.
//!
//! The process that is killed is this test binary, run anew as [`a_process_that_is_killed`]: an engine over a store and a
//! channel that end it. Then an engine in the test's own process takes over. `make chaos` plays each point 20 times.

mod mined;
mod receiver;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use pingmon_core::{
    check,
    conformance::fixture::{ALL, CHANNEL, KIND, probe},
    engine::{Builder, Engine},
    incident::Event,
    notification::DeliveryState,
    outcome::Outcome,
    store::{Store, outbox::DeliveryFilter},
};
use pingmon_store::{postgres::PgOptions, sqlite::SqliteStore};
use serde::{Deserialize, Serialize};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use self::{
    mined::{Mine, Mined, MinedPost, Point},
    receiver::{Post, Receiver},
};
use crate::{postgres, sqlite};

/// The variable that tells a process to be killed where and at what.
const ORDER: &str = "PINGMON_TEST_KILL";
/// How many are played at the same time.
const ABREAST: usize = 8;
/// How long a process may take to come to its end, and a notice to arrive after that.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a process is to do that is killed.
#[derive(Serialize, Deserialize)]
struct Order {
    /// Where its store lies.
    url: String,
    schema: String,
    receiver: SocketAddr,
    point: Point,
    event: Event,
}

/// Where a store lies.
enum Place {
    Sqlite(sqlite::Place),
    Postgres(postgres::Place),
}

impl Place {
    fn url(&self) -> (String, String) {
        match self {
            Self::Sqlite(place) => (place.url(), String::new()),
            Self::Postgres(place) => (place.url().to_owned(), place.schema.clone()),
        }
    }

    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(place) => Arc::new(place.open().await),
            Self::Postgres(place) => Arc::new(place.open().await),
        }
    }
}

/// An engine whose lease is as short as can be.
fn engine(store: Arc<dyn Store>) -> Builder {
    Engine::builder(store).lease(Duration::from_secs(1)).poll(Duration::from_millis(100))
}

#[test]
#[ignore = "is run by the other tests, as a process of its own"]
#[allow(clippy::disallowed_methods, reason = "another process says what to do")]
fn a_process_that_is_killed() {
    let Some(order) = env::var_os(ORDER) else { return };
    let order: Order = serde_json::from_str(order.to_str().unwrap()).unwrap();
    // One thread: while it waits for its end, nothing else goes on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = match order.schema.as_str() {
            "" => Arc::new(SqliteStore::open(&order.url).await.unwrap()),
            schema => Arc::new(PgOptions::new().schema(schema).connections(4).connect(&order.url).await.unwrap()),
        };
        let mine = Mine::at(order.point, order.event);
        let runs = AtomicUsize::new(0);
        let fails_once = check::from_fn(KIND, move |_| {
            let outcome = if runs.fetch_add(1, SeqCst) == 0 { Outcome::down("500") } else { Outcome::up("200") };
            std::future::ready(Ok(outcome))
        });
        let channel = Arc::new(MinedPost { post: Post(order.receiver), mine: Arc::clone(&mine) });
        let engine = engine(Mined::over(store, mine)).kind(fails_once.cooperative()).notifier(CHANNEL, channel);
        engine.build().unwrap().run(sleep(PATIENCE)).await.unwrap();
    });
}

/// What came of one kill: how often each of the two notices arrived.
struct Played {
    point: Point,
    arrivals: usize,
}

/// Kills a process at a point of the way of one of the two notices of an outage, and lets another take over.
async fn play(place: Place, point: Point, event: Event) -> Played {
    let (store, receiver) = (place.open().await, Receiver::open().await);
    store.put(vec![probe("shop").every(Duration::from_secs(1))]).await.unwrap();
    let (url, schema) = place.url();
    let order = Order { url, schema, receiver: receiver.address, point, event };
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "crash::a_process_that_is_killed", "--ignored"]).kill_on_drop(true);
    child.env(ORDER, serde_json::to_string(&order).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = timeout(PATIENCE, child.status()).await.unwrap().unwrap();
    assert_eq!(ended.signal(), Some(9), "{point:?} of {event} is never reached: {ended}");

    take_over(&store, &receiver).await.unwrap_or_else(|lost| panic!("killed {point:?} of {event}: {lost}"));
    let mut arrivals = 0;
    for told in ["opened", "resolved"] {
        let keys = receiver.keys(told);
        arrivals += keys.len();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 1, "{point:?} of {event}: one key of {told}: {keys:?}");
    }
    Played { point, arrivals }
}

/// Runs an engine until both notices of the outage have arrived and nothing is on its way; says what is lost, if not.
async fn take_over(store: &Arc<dyn Store>, receiver: &Receiver) -> Result<(), String> {
    let (told, has_come) = (receiver.watch(), receiver.watch());
    let until_told = check::from_fn(KIND, move |_| {
        std::future::ready(Ok(if has_come("opened") { Outcome::up("200") } else { Outcome::down("500") }))
    });
    let engine = engine(Arc::clone(store)).kind(until_told.cooperative());
    let engine = engine.notifier(CHANNEL, Arc::new(Post(receiver.address))).build().unwrap();
    let done = async {
        while !(told("opened") && told("resolved") && rests(store).await) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut in_time = false;
    engine.run(async { in_time = timeout(PATIENCE, done).await.is_ok() }).await.unwrap();
    let deliveries = store.deliveries(DeliveryFilter::all(), ALL).await.unwrap();
    let all_sent = deliveries.iter().all(|delivery| delivery.state == DeliveryState::Sent);
    if in_time && all_sent && deliveries.len() == 2 { Ok(()) } else { Err(format!("{deliveries:#?}")) }
}

/// Whether nothing is on its way.
async fn rests(store: &Arc<dyn Store>) -> bool {
    store.deliveries(DeliveryFilter::all().state(DeliveryState::Pending), 1).await.unwrap().is_empty()
}

/// Plays every point that often with each notice, on both stores; answers how many notices arrived twice, by point.
async fn play_all(times: usize) -> BTreeMap<Point, usize> {
    let kills = (0..times).flat_map(|_| [Event::Opened, Event::Resolved]);
    let kills = kills.flat_map(|event| Point::ALL.map(|point| (point, event)));
    let played = stream::iter(kills).map(async |(point, event)| {
        let places = [Place::Sqlite(sqlite::Place::new()), Place::Postgres(postgres::Place::new().await)];
        let [file, server] = places.map(|place| play(place, point, event));
        <[Played; 2]>::from(tokio::join!(file, server))
    });
    let played: Vec<[Played; 2]> = played.buffer_unordered(ABREAST / 2).collect().await;
    let mut repeats = BTreeMap::new();
    for Played { point, arrivals } in played.into_iter().flatten() {
        *repeats.entry(point).or_default() += arrivals - 2;
    }
    repeats
}

/// Only between the far end's answer and its record is a notice repeated: that is where the kills were.
fn expected(kills: usize) -> BTreeMap<Point, usize> {
    let repeats = |point| matches!(point, Point::AfterSend | Point::BeforeSettle);
    Point::ALL.into_iter().map(|point| (point, if repeats(point) { kills } else { 0 })).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_on_the_way_of_a_notice_loses_none_and_repeats_bear_the_same_key() {
    assert_eq!(play_all(1).await, expected(4));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make chaos` runs it"]
async fn each_point_twenty_times() {
    let repeats = play_all(5).await;
    println!("20 kills at each point, 0 notices lost, repeats with the same key: {repeats:?}");
    assert_eq!(repeats, expected(20));
}
