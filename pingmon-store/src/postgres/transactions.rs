//! Transactions on a pool of connections. What is begun is brought to its end: committed, rolled back, or cut off with
//! its connection; and every call ends within 5 s, whatever becomes of the server or the way to it.
//!
//! Everything is a transaction, reads too, and sets what it needs for itself alone (`SET LOCAL`): that is what works
//! through a pooler, which may hand each transaction to another server connection.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use pingmon_core::error::Error;
use sqlx::{
    FromRow, PgConnection, Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs, QueryScalar},
};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    codes::{is_fatal, is_transient, unusable},
    connect::read_only,
    pool::{Loan, Pool, Room},
    statements::Statements,
};
use crate::error::{Failure, Result};

/// How long a call may take up to its last answer: with what follows a failure, 5 s in all. Less than a third of the
/// lease that engines have unless set otherwise, so that a renewal that fails can be made again.
pub(super) const CALL: Duration = Duration::from_millis(4500);
/// How long an administrative call may take in all: 100,000 definitions at once on a small server.
const ADMINISTRATION: Duration = Duration::from_secs(300);
/// How long the server may leave one statement unanswered, in such a call too. `statement_timeout` is shorter: a server
/// that is busy says so, and keeps its connection.
const SILENCE: Duration = Duration::from_millis(4500);
/// How long `BEGIN` may go unanswered. It waits for no lock, so that silence means a dead connection, and a new one has
/// time enough left. A pooler lets it wait for a free server.
const BEGIN_SILENCE: Duration = Duration::from_millis(1500);
/// How long a rollback may take.
const ROLLBACK: Duration = Duration::from_millis(400);

// Shows at once if the server takes no writes any more: a primary that was demoted answers reads for as long as it is
// asked, and its default may not be overruled. What an engine left open (it was stopped, its network was cut) is rolled
// back by the server after `idle_in_transaction_session_timeout`, and holds nobody up for longer. JIT is off because it
// judges by costs, which forbidding a plan distorts.
macro_rules! begin {
    ($statement:literal, $idle:literal, $rest:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;
            SELECT pg_catalog.current_setting('transaction_read_only') = 'on';
            SET LOCAL statement_timeout = '",
            $statement,
            "'; SET LOCAL idle_in_transaction_session_timeout = '",
            $idle,
            "'; SET LOCAL jit = off; ",
            $rest
        )
    };
}
// Batches are joined to the schedule along its key, never by reading it all: the planner would turn to a sequential scan
// too early (at 1,000 of 100,000 rows, for twice the CPU), and rows would be locked in no order.
macro_rules! begin_write {
    ($statement:literal, $idle:literal) => {
        begin!(
            $statement,
            $idle,
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        )
    };
}
const BEGIN_READ: &str = begin!("3s", "3s", "SET TRANSACTION READ ONLY");
const BEGIN_WRITE: &str = begin_write!("3s", "3s");
const BEGIN_ADMINISTRATION: &str = begin_write!("4s", "10s");

/// What a transaction is for.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
    /// Writing much at once, in many statements.
    Administer,
}

impl Access {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => BEGIN_READ,
            Self::Write => BEGIN_WRITE,
            Self::Administer => BEGIN_ADMINISTRATION,
        }
    }

    const fn limit(self) -> Duration {
        match self {
            Self::Read | Self::Write => CALL,
            Self::Administer => ADMINISTRATION,
        }
    }
}

/// The connections and what is said on them.
pub(super) struct Transactions {
    pool: Pool,
    statements: Statements,
    running: TaskTracker,
}

impl Transactions {
    pub(super) fn new(pool: Pool, statements: Statements) -> Self {
        Self { pool, statements, running: TaskTracker::new() }
    }

    /// Does `work` in one transaction, all or nothing, in a task of its own: even if the caller stops waiting for it.
    pub(super) async fn transact<T, W>(
        self: &Arc<Self>,
        action: &'static str,
        access: Access,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let this = Arc::clone(self);
        let task = self.running.spawn(async move { this.run(access, work).await });
        match task.await {
            Ok(answer) => answer.map_err(|failure| failure.into_error(action, is_transient)),
            Err(lost) => Err(Error::Store { action, retryable: false, source: Box::new(lost) }),
        }
    }

    /// Waits for what is running and closes the connections; later calls fail.
    pub(super) async fn close(&self) {
        self.running.close();
        self.running.wait().await;
        self.pool.close().await;
    }

    async fn run<T, W>(&self, access: Access, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T>>,
    {
        let started = Instant::now();
        let deadline = started + CALL;
        let room = timeout_at(deadline, self.pool.room()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        let Ok(begun) = timeout_at(deadline, self.begin(room, access)).await else {
            self.pool.doubt();
            return Err(silence().into());
        };
        let mut loan = begun?;
        let committed = self.commit(&mut loan, started + access.limit(), work).await;
        let failed = match &committed {
            Ok(_) => false,
            Err(Failure::Database(error)) if is_fatal(error) => true,
            Err(_) => !roll_back(loan.conn()).await,
        };
        if failed {
            // Closing it is what makes the server roll back.
            drop(loan);
            self.pool.doubt();
        } else {
            self.pool.give_back(loan);
        }
        committed
    }

    /// A connection in a new transaction. One that was kept may have died since, or its server become a standby: nothing
    /// has been asked of it, so that a new one serves as well.
    async fn begin<'p>(&self, room: Room<'p>, access: Access) -> Result<Loan<'p>> {
        let mut loan = self.pool.lend(room).await?;
        match begin(&mut loan, access).await {
            Err(error) if loan.is_old && is_fatal(&error) => {
                self.pool.doubt();
                loan = self.pool.open(loan.into_room()).await?;
                begin(&mut loan, access).await?;
            }
            begun => begun?,
        }
        Ok(loan)
    }

    /// Does the work and commits it, while the server answers and time is left.
    async fn commit<T, W>(&self, loan: &mut Loan<'_>, deadline: Instant, work: W) -> Result<T>
    where
        W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T>>,
    {
        let asked = Asked::now();
        let named = !loan.pooled();
        let committed = async {
            let conn = loan.conn();
            let tx = Transaction { conn: &mut *conn, statements: &self.statements, named, asked: &asked };
            let answer = work(tx).await?;
            asked.again();
            sqlx::raw_sql("COMMIT").execute(conn).await?;
            Ok(answer)
        };
        tokio::select! {
            committed = committed => committed,
            () = asked.unanswered(SILENCE) => Err(silence().into()),
            () = sleep_until(deadline) => Err(silence().into()),
        }
    }
}

async fn begin(loan: &mut Loan<'_>, access: Access) -> sqlx::Result<()> {
    let patience = if loan.pooled() { CALL } else { BEGIN_SILENCE };
    let begin = sqlx::raw_sql(access.begin()).fetch_one(loan.conn());
    let row = timeout(patience, begin).await.unwrap_or_else(|_| Err(silence()))?;
    if row.try_get(0)? { Err(read_only()) } else { Ok(()) }
}

/// Whether the connection is out of its transaction.
async fn roll_back(conn: &mut PgConnection) -> bool {
    matches!(timeout(ROLLBACK, sqlx::raw_sql("ROLLBACK").execute(conn)).await, Ok(Ok(_)))
}

pub(super) fn silence() -> sqlx::Error {
    unusable(io::ErrorKind::TimedOut, "the server didn't answer in time")
}

/// When the server was asked something last.
struct Asked(Mutex<Instant>);

impl Asked {
    fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends once nothing was asked for so long, because the answer before is awaited still.
    async fn unanswered(&self, limit: Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// An open transaction: what a piece of work says to the server.
pub(super) struct Transaction<'c> {
    conn: &'c mut PgConnection,
    statements: &'c Statements,
    /// Whether the server is to keep statements by name.
    named: bool,
    asked: &'c Asked,
}

impl Transaction<'_> {
    /// The connection, to run a query on.
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        self.asked.again();
        self.conn
    }

    /// Sends rows by a `COPY … FROM STDIN`.
    pub(super) async fn copy(&mut self, template: &'static str, rows: Vec<u8>) -> sqlx::Result<()> {
        let statement = self.statements.get(template);
        let mut copy = self.conn().copy_in_raw(statement.as_str()).await?;
        copy.send(rows).await?;
        copy.finish().await?;
        Ok(())
    }

    /// A statement that answers nothing but how many rows it touched.
    pub(super) fn query<'q>(&self, template: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(self.statements.get(template)).persistent(self.named)
    }

    /// A statement that answers rows.
    pub(super) fn rows<'q, R>(&self, template: &'static str) -> QueryAs<'q, Postgres, R, PgArguments>
    where
        R: for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_as(self.statements.get(template)).persistent(self.named)
    }

    /// A statement that answers one column.
    pub(super) fn values<'q, T>(&self, template: &'static str) -> QueryScalar<'q, Postgres, T, PgArguments>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(self.statements.get(template)).persistent(self.named)
    }
}
