//! The store laws over a real PostgreSQL, and the server that the other modules try it on: the one that `DATABASE_URL`
//! names, else a cluster of our own. Each test has a schema of its own.

use std::{
    any::Any,
    cell::RefCell,
    env,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use pgtemp::{PgTempDB, PgTempDBBuilder};
use pingmon_core::{
    conformance::{Harness, SteeredClock},
    error::Result,
    store::Store,
    time::{Clock as _, Timestamp},
};
use pingmon_store::postgres::{PgOptions, PgStore};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep};

use crate::cluster::programs;

/// A running server.
pub(crate) struct Server {
    /// Where it is, as its superuser.
    pub(crate) url: String,
    cluster: Option<PgTempDB>,
}

/// The server of this binary: started for the first that asks, stopped after the last.
pub(crate) async fn server() -> Arc<Server> {
    static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let server = {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Server::start());
            *running = Arc::downgrade(&started);
            started
        })
    };
    let starting = Instant::now();
    while let Err(error) = PgConnection::connect(&server.url).await {
        assert!(starting.elapsed() < Duration::from_secs(30), "PostgreSQL doesn't answer: {error}");
        sleep(Duration::from_millis(20)).await;
    }
    keep(Arc::clone(&server) as Arc<dyn Any>);
    server
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "whoever runs the tests may say where")]
    fn start() -> Self {
        if let Ok(url) = env::var("DATABASE_URL") {
            return Self { url, cluster: None };
        }
        let builder = PgTempDBBuilder::new().with_config_param("max_connections", "200");
        let builder = builder.with_config_param("fsync", "off");
        // The server's own log: into the pipe that it was given nobody looks, and once it is full the server stands still.
        let builder = builder.with_config_param("logging_collector", "on");
        let cluster = match programs() {
            Some(directory) => builder.with_bin_path(directory).start(),
            None => builder.start(),
        };
        Self { url: cluster.connection_uri(), cluster: Some(cluster) }
    }

    fn is_ours(&self) -> bool {
        self.cluster.is_some()
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Arc<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps something for as long as the test that runs on this thread, so that it isn't started anew for each of its parts.
pub(crate) fn keep(shared: Arc<dyn Any>) {
    KEPT.with_borrow_mut(|kept| {
        if !kept.iter().any(|known| Arc::ptr_eq(known, &shared)) {
            kept.push(shared);
        }
    });
}

/// A place for one store: a schema that nobody else uses, on a server that lives as long.
pub(crate) struct Place {
    server: Arc<Server>,
    pub(crate) schema: String,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let schema = format!("pingmon_{:016x}", fastrand::u64(..));
        Self { server: server().await, schema }
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// The same place by the server's socket, where there is one.
    pub(crate) fn local_url(&self) -> String {
        let Some(cluster) = &self.server.cluster else { return self.url().to_owned() };
        let directory = cluster.data_dir().display().to_string().replace('/', "%2F");
        self.url().replace("@localhost:", &format!("@{directory}:"))
    }

    pub(crate) fn port(&self) -> u16 {
        PgConnectOptions::from_str(self.url()).unwrap().get_port()
    }

    /// The same place by another port of this machine.
    pub(crate) fn url_by(&self, port: u16) -> String {
        self.url().replacen(&format!(":{}/", self.port()), &format!(":{port}/"), 1)
    }

    /// The same place for another role, whose password is its name.
    pub(crate) fn url_as(&self, role: &str) -> String {
        let (_, server) = self.url().split_once('@').unwrap();
        format!("postgres://{role}:{role}@{server}")
    }

    pub(crate) async fn open(&self) -> PgStore {
        let store = self.connect_by(self.url()).await;
        store.migrate().await.unwrap();
        store
    }

    /// The store by another way to the server.
    pub(crate) async fn connect_by(&self, url: &str) -> PgStore {
        PgOptions::new().schema(&self.schema).connections(4).connect(url).await.unwrap()
    }

    /// Opens it with what has to be there already.
    pub(crate) async fn try_open(&self) -> Result<PgStore> {
        let store = PgOptions::new().schema(&self.schema).connect(self.url()).await?;
        store.now().await.map(|_| store)
    }

    /// A connection beside the store's, to look behind its back.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.unwrap()
    }

    /// Runs statements in which `{schema}` stands for the schema, behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sql.replace("{schema}", &self.schema);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await).await.unwrap();
    }

    /// How many transactions wait for a lock on the schema's tables.
    pub(crate) async fn locks_awaited(&self) -> i64 {
        let locks = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
            WHERE relnamespace = $1::text::regnamespace AND NOT granted",
        );
        locks.bind(&self.schema).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// How many transactions connections of that application name have open.
    pub(crate) async fn transactions_of(&self, application: &str) -> i64 {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND xact_start IS NOT NULL";
        sqlx::query_scalar(open).bind(application).fetch_one(&mut self.connect().await).await.unwrap()
    }
}

impl Drop for Place {
    /// Leaves nothing behind on a server that isn't ours.
    fn drop(&mut self) {
        if self.server.is_ours() {
            return;
        }
        let (url, drop) = (self.server.url.clone(), format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = PgConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut conn).await.unwrap();
            });
        });
        let _ = dropping.join();
    }
}

pub(crate) struct PgHarness {
    store: Arc<PgStore>,
    second: Arc<PgStore>,
    place: Place,
    /// Where the clock of the store looks.
    hand: tokio::sync::Mutex<PgConnection>,
}

impl PgHarness {
    async fn fresh() -> Self {
        let place = Place::new().await;
        let store = place.open().await;
        let second = place.connect_by(place.url()).await;
        Self::steered(place, store, second).await
    }

    /// A store whose clock shows what a table says: every statement of the store asks `clock()` of its schema.
    pub(crate) async fn steered(place: Place, store: PgStore, second: PgStore) -> Self {
        let start = SteeredClock::default().now();
        let steer = format!(
            "CREATE UNLOGGED TABLE {{schema}}.steered AS SELECT timestamptz '{start}' AS at;
            CREATE OR REPLACE FUNCTION {{schema}}.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
                AS 'SELECT at FROM {{schema}}.steered'"
        );
        place.execute(&steer).await;
        let hand = tokio::sync::Mutex::new(place.connect().await);
        Self { store: Arc::new(store), second: Arc::new(second), place, hand }
    }

    fn sql(&self, sql: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(sql.replace("{schema}", &self.place.schema))
    }
}

#[async_trait]
impl Harness for PgHarness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn second(&self) -> Arc<dyn Store> {
        Arc::clone(&self.second) as Arc<dyn Store>
    }

    async fn now(&self) -> Timestamp {
        let now = sqlx::query_scalar::<_, DateTime<Utc>>(self.sql("SELECT {schema}.clock()"));
        now.fetch_one(&mut *self.hand.lock().await).await.unwrap().into()
    }

    async fn advance(&self, by: Duration) {
        let advance = sqlx::query(self.sql("UPDATE {schema}.steered SET at = at + $1"));
        advance.bind(by).execute(&mut *self.hand.lock().await).await.unwrap();
    }
}

pingmon_core::conformance_tests!(PgHarness::fresh().await);
