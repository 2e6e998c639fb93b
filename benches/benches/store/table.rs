//! The table of completed runs: the PostgreSQL store beside the same work in plain SQL, in turns; the original's form;
//! SQLite.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use comfy_table::{Table, presets};
use pingmon_core::store::Store;
use pingmon_store::{postgres::PgStore, sqlite::SqliteStore};
use sqlx::PgConnection;
use tokio::task::JoinSet;

use crate::{
    raw,
    server::{Server, Taken},
    work::{MONITORS, Worker, define},
};

const SESSIONS: [usize; 3] = [1, 2, 4];
const BATCHES: [usize; 3] = [50, 200, 1_000];
/// How often each form has its turn.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(2);
/// Runs of which the schedule is to bear the marks.
const SOAK: usize = 1_000_000;
/// graphile-worker 0.18 with its local queue and batched completion, 2 processes, on this kind of machine: quoted from
/// measurements made apart, not run here.
const GRAPHILE_WORKER: f64 = 24_100.0;

/// What completes a batch.
enum Form {
    Store(Arc<dyn Store>),
    Raw(PgConnection),
    Original(PgConnection),
}

impl Form {
    async fn complete(&mut self, worker: &mut Worker, size: usize) {
        match self {
            Self::Store(store) => worker.complete(store, size).await,
            Self::Raw(conn) => raw::complete(conn, worker, size).await,
            Self::Original(conn) => raw::run_original(conn).await,
        }
    }
}

type Team = Vec<(Form, Worker)>;

/// Lets a team work until a deadline; answers how many runs it completed.
async fn work(team: &mut Team, size: usize, done: impl Fn(usize) -> bool + Copy + Send + 'static) -> usize {
    let mut working = JoinSet::new();
    for (mut form, mut worker) in team.drain(..) {
        working.spawn(async move {
            let mut runs = 0;
            while !done(runs) {
                form.complete(&mut worker, size).await;
                runs += size;
            }
            (form, worker, runs)
        });
    }
    let mut total = 0;
    for (form, worker, runs) in working.join_all().await {
        team.push((form, worker));
        total += runs;
    }
    total
}

async fn turn(server: &Server, team: &mut Team, size: usize) -> Taken {
    let before = server.reading().await;
    let until = Instant::now() + TURN;
    let runs = work(team, size, move |_| Instant::now() >= until).await;
    Taken::between(runs, before, server.reading().await)
}

/// Sums of all turns, and the median rate.
#[derive(Default)]
struct Turns {
    taken: Taken,
    rates: Vec<f64>,
}

impl Turns {
    fn add(&mut self, taken: Taken) {
        self.taken = self.taken.plus(taken);
        self.rates.push(taken.rate());
    }

    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn cells(&self) -> [String; 4] {
        let (taken, rate) = (self.taken, self.rate());
        [
            format!("{rate:.0}"),
            format!("{:.0}", taken.wal()),
            format!("{:.1}", taken.server()),
            format!("{:.1}", taken.own()),
        ]
    }
}

/// All turns of a team that has nobody to take turns with.
async fn turns(server: &Server, team: &mut Team, size: usize) -> Turns {
    let mut turns = Turns::default();
    for _ in 0..TURNS {
        turns.add(turn(server, team, size).await);
    }
    turns
}

/// Sessions that share the monitors, each with its own connections.
async fn team(server: &Server, sessions: usize, form: impl AsyncFn() -> Form) -> Team {
    server.execute("UPDATE pingmon.schedule SET owner = NULL; VACUUM ANALYZE pingmon.schedule").await;
    let mut team = Vec::new();
    for _ in 0..sessions {
        let store = PgStore::connect(&server.url()).await.unwrap();
        let worker = Worker::join(&store, MONITORS / sessions).await;
        team.push((form().await, worker));
    }
    team
}

async fn store(url: &str) -> Form {
    Form::Store(Arc::new(PgStore::connect(url).await.unwrap()))
}

/// The store by TCP, where it writes results in another way.
async fn by_tcp(server: &Server, table: &mut Table) {
    const SESSIONS: usize = 2;
    let mut ours = team(server, SESSIONS, async || store(&server.tcp_url()).await).await;
    for size in BATCHES {
        let turns = turns(server, &mut ours, size).await;
        let case = format!("PostgreSQL by TCP, {SESSIONS} sessions, batches of {size}");
        table.add_row([&[case][..], &turns.cells()[..]].concat());
    }
}

/// The store and plain SQL in turns, with the same sessions and monitors.
async fn side_by_side(server: &Server, sessions: usize, table: &mut Table) {
    let mut ours = team(server, sessions, async || store(&server.url()).await).await;
    let mut conns = Vec::new();
    for _ in 0..sessions {
        conns.push(Form::Raw(server.connect().await));
    }
    for size in BATCHES {
        let (mut stored, mut said) = (Turns::default(), Turns::default());
        for _ in 0..TURNS {
            stored.add(turn(server, &mut ours, size).await);
            swap(&mut ours, &mut conns);
            said.add(turn(server, &mut ours, size).await);
            swap(&mut ours, &mut conns);
        }
        let ratio = format!("{:.2}", stored.rate() / said.rate());
        let case = format!("PostgreSQL, {sessions} sessions, batches of {size}");
        let peer = format!("{:.1}", stored.rate() / GRAPHILE_WORKER);
        table.add_row([&[case][..], &stored.cells()[..], &said.cells()[..], &[ratio, peer][..]].concat());
        println!("{}", table.lines().last().unwrap_or_default());
    }
}

/// The same sessions by other means.
fn swap(team: &mut Team, forms: &mut [Form]) {
    team.iter_mut().zip(forms).for_each(|((form, _), other)| std::mem::swap(form, other));
}

/// What a million runs do to the schedule.
async fn soak(server: &Server) -> String {
    const UPDATES: &str = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'pingmon.schedule'::regclass";
    const IN_PAGE: &str = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'pingmon.schedule'::regclass";
    const SIZE: &str = "SELECT pg_total_relation_size('pingmon.schedule')";
    let mut two = team(server, 2, async || store(&server.url()).await).await;
    server.execute("VACUUM FULL pingmon.schedule; ANALYZE pingmon.schedule").await;
    let counted = async || (server.number(UPDATES).await, server.number(IN_PAGE).await, server.number(SIZE).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (updates, in_page, size) = counted().await;
    let runs = work(&mut two, 500, |runs| runs >= SOAK / 2).await;
    drop(two);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (updates_after, in_page_after, size_after) = counted().await;
    format!(
        "{runs} runs: {:.3} of the schedule's updates in page (HOT); it and its indexes had {:.1} MB before and {:.1} MB after",
        (in_page_after - in_page) as f64 / (updates_after - updates) as f64,
        size as f64 / 1e6,
        size_after as f64 / 1e6
    )
}

async fn original(server: &Server, table: &mut Table) {
    server.execute(raw::ORIGINAL).await;
    for sessions in SESSIONS {
        let mut held = team(server, sessions, async || Form::Original(server.connect().await)).await;
        let turns = turns(server, &mut held, 1).await;
        let case = format!("one row at a time, transaction held open, {sessions} connections");
        table.add_row([&[case][..], &["-"; 4].map(str::to_owned)[..], &turns.cells()[..]].concat());
    }
}

async fn sqlite(server: &Server, table: &mut Table) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("bench.db").display());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&url).await.unwrap());
    define(&*store).await;
    let worker = Worker::join(&*store, MONITORS).await;
    let mut team = vec![(Form::Store(store), worker)];
    for size in BATCHES {
        let turns = turns(server, &mut team, size).await;
        let [rate, _, _, own] = turns.cells();
        table.add_row([format!("SQLite, batches of {size}"), rate, "-".to_owned(), "-".to_owned(), own]);
    }
}

/// Measures everything and prints the table.
pub(crate) async fn print() {
    let server = Server::start().await;
    define(&PgStore::open(&server.url()).await.unwrap()).await;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "completed runs",
        "store: runs/s",
        "WAL B",
        "PostgreSQL us",
        "own us",
        "plain SQL: runs/s",
        "WAL B",
        "PostgreSQL us",
        "own us",
        "store / plain",
        "store / graphile-worker (quoted)",
    ]);
    for sessions in SESSIONS {
        side_by_side(&server, sessions, &mut table).await;
    }
    by_tcp(&server, &mut table).await;
    original(&server, &mut table).await;
    sqlite(&server, &mut table).await;
    println!("{table}");
    println!("{}", soak(&server).await);
}
