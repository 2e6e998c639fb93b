//! The store behind a real pgbouncer in transaction mode with two server connections: the store laws, and a pooler that
//! pauses or dies.

use std::{
    any::Any,
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    str::FromStr as _,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{conformance::Harness, store::Store, time::Timestamp};
use pingmon_store::postgres::PgStore;
use sqlx::{ConnectOptions as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tempfile::NamedTempFile;
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    cluster::{free_port, program},
    postgres::{PgHarness, Place, Server, keep, server},
    postgres_network::{fails_in_time, renew, succeeds_at_once},
};

/// A running pgbouncer, killed when it is dropped.
struct Pgbouncer {
    port: u16,
    config: NamedTempFile,
    process: Child,
    _server: Arc<Server>,
}

impl Pgbouncer {
    /// In front of the server of this binary.
    async fn start(behind: &Arc<Server>) -> Self {
        let server = PgConnectOptions::from_str(&behind.url).unwrap();
        let port = free_port();
        let login = server.to_url_lossy();
        let config = format!(
            "[databases]
            {database} = host={} port={} user={} password={} dbname={database}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = any
            admin_users = me
            pool_mode = transaction
            default_pool_size = 2
            max_client_conn = 1000",
            server.get_host(),
            server.get_port(),
            server.get_username(),
            login.password().unwrap_or_default(),
            database = database(&server),
        );
        let file = NamedTempFile::with_prefix("pgbouncer-").unwrap();
        fs::write(file.path(), config.replace("            ", "")).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let process = Self::run(&file);
        let pgbouncer = Self { port, config: file, process, _server: Arc::clone(behind) };
        pgbouncer.answers().await;
        pgbouncer
    }

    fn run(config: &NamedTempFile) -> Child {
        program("pgbouncer").arg("-q").arg(config.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn answers(&self) {
        let starting = Instant::now();
        while self.console().await.is_err() {
            assert!(starting.elapsed() < Duration::from_secs(10), "pgbouncer doesn't answer");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Dies without a word.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn restart(&mut self) {
        self.process = Self::run(&self.config);
        self.answers().await;
    }

    async fn console(&self) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::from_str(&format!("postgres://me@127.0.0.1:{}/pgbouncer", self.port))?;
        options.extra_float_digits(None).connect().await
    }

    async fn command(&self, command: &'static str) {
        sqlx::raw_sql(command).execute(&mut self.console().await.unwrap()).await.unwrap();
    }

    /// A place on the server behind it.
    fn url(&self, place: &Place) -> String {
        let database = database(&PgConnectOptions::from_str(place.url()).unwrap());
        format!("postgres://me@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn database(server: &PgConnectOptions) -> String {
    server.get_database().unwrap_or("postgres").to_owned()
}

/// The pgbouncer of the laws: started for the first that asks, stopped after the last.
async fn pgbouncer() -> Arc<Pgbouncer> {
    static RUNNING: Mutex<Weak<Pgbouncer>> = Mutex::const_new(Weak::new());
    let mut running = RUNNING.lock().await;
    if let Some(pgbouncer) = running.upgrade() {
        keep(Arc::clone(&pgbouncer) as Arc<dyn Any>);
        return pgbouncer;
    }
    let started = Arc::new(Pgbouncer::start(&server().await).await);
    *running = Arc::downgrade(&started);
    keep(Arc::clone(&started) as Arc<dyn Any>);
    started
}

/// The store laws by two handles: one is told of the pooler, the other finds out.
struct PooledHarness {
    laws: PgHarness,
    _pgbouncer: Arc<Pgbouncer>,
}

impl PooledHarness {
    async fn fresh() -> Self {
        let pgbouncer = pgbouncer().await;
        let place = Place::new().await;
        place.open().await.close().await;
        let url = pgbouncer.url(&place);
        let store = place.connect_by(&format!("{url}?pooler=transaction")).await;
        let second = place.connect_by(&url).await;
        Self { laws: PgHarness::steered(place, store, second).await, _pgbouncer: pgbouncer }
    }
}

#[async_trait]
impl Harness for PooledHarness {
    fn store(&self) -> Arc<dyn Store> {
        self.laws.store()
    }

    fn second(&self) -> Arc<dyn Store> {
        self.laws.second()
    }

    async fn now(&self) -> Timestamp {
        self.laws.now().await
    }

    async fn advance(&self, by: Duration) {
        self.laws.advance(by).await;
    }
}

pingmon_core::conformance_tests!(PooledHarness::fresh().await);

/// A store behind a pgbouncer of its own.
async fn behind_a_pgbouncer() -> (Pgbouncer, Place, PgStore) {
    let place = Place::new().await;
    place.open().await.close().await;
    let pgbouncer = Pgbouncer::start(&server().await).await;
    let store = place.connect_by(&pgbouncer.url(&place)).await;
    (pgbouncer, place, store)
}

#[tokio::test]
async fn behind_a_pooler_that_nobody_spoke_of_nothing_is_prepared_by_name() {
    let (pgbouncer, place, store) = behind_a_pgbouncer().await;
    let mut work = JoinSet::new();
    let store = Arc::new(store);
    for _ in 0..8 {
        let store = Arc::clone(&store);
        work.spawn(async move { renew(&store).await.unwrap() });
    }
    work.join_all().await;
    // Both of the pooler's servers, because each is busy with a transaction.
    let options = PgConnectOptions::from_str(&pgbouncer.url(&place)).unwrap().extra_float_digits(None);
    let mut servers = [options.connect().await.unwrap(), options.connect().await.unwrap()];
    for server in &mut servers {
        let names = sqlx::raw_sql("BEGIN; SELECT count(*) FROM pg_prepared_statements").fetch_one(server).await;
        assert_eq!(names.unwrap().get::<i64, _>(0), 0);
    }
}

#[tokio::test]
async fn a_pooler_that_pauses_or_dies_fails_calls_in_time_and_is_used_at_once_when_it_is_back() {
    let (mut pgbouncer, _place, store) = behind_a_pgbouncer().await;
    renew(&store).await.unwrap();
    pgbouncer.command("PAUSE").await;
    fails_in_time(renew(&store)).await;
    pgbouncer.command("RESUME").await;
    succeeds_at_once(renew(&store)).await;
    pgbouncer.kill();
    fails_in_time(renew(&store)).await;
    pgbouncer.restart().await;
    succeeds_at_once(renew(&store)).await;
}
