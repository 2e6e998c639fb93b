//! Transactions on a pool of connections. What is begun is brought to its end: committed, rolled back, or cut off with
//! its connection.
//!
//! Everything is a transaction, reads too, and sets what it needs for itself alone (`SET LOCAL`): that is what works
//! through a pooler, which may hand each transaction to another server connection.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pingmon_core::error::Error;
use sqlx::{
    FromRow, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs, QueryScalar},
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{connect::is_transient, statements::Statements};
use crate::error::Result;

/// How long a whole transaction may take before its connection is given up: more than [`BEGIN_WRITE`] grants any one
/// statement, for a server that answers nothing at all.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a rollback may take.
const ROLLBACK_DEADLINE: Duration = Duration::from_secs(5);

// Batches are joined to the schedule along its key, never by reading it all: the planner would turn to a sequential scan
// too early (at 1,000 of 100,000 rows, for twice the CPU), and rows would be locked in no order. JIT is off because it
// judges by costs, which forbidding a plan distorts.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s'; SET LOCAL jit = off;
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s'; SET LOCAL jit = off";

/// What a transaction is for.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
}

/// The connections and what is said on them.
pub(super) struct Transactions {
    pool: PgPool,
    statements: Statements,
    running: TaskTracker,
}

impl Transactions {
    pub(super) fn new(pool: PgPool, statements: Statements) -> Self {
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
        let mut conn = self.begin(access).await?;
        let (answer, ended) = match timeout(DEADLINE, commit(&mut conn, &self.statements, work)).await {
            Ok(Ok(answer)) => (Ok(answer), true),
            Ok(Err(failure)) => (Err(failure), roll_back(&mut conn).await),
            Err(_) => (Err(silence().into()), false),
        };
        if !ended {
            // Closing it is what makes the server roll back.
            drop(conn.detach());
        }
        answer
    }

    /// A connection in a new transaction. Those in the pool may have died since they were used (the server was started
    /// anew): nothing has been asked of them, so the next one serves, at last a fresh one.
    async fn begin(&self, access: Access) -> sqlx::Result<PoolConnection<Postgres>> {
        let begin = match access {
            Access::Read => BEGIN_READ,
            Access::Write => BEGIN_WRITE,
        };
        let mut old = self.pool.size();
        loop {
            let mut conn = self.pool.acquire().await?;
            let begun =
                timeout(DEADLINE, sqlx::raw_sql(begin).execute(&mut *conn)).await.unwrap_or_else(|_| Err(silence()));
            let Err(error) = begun else { return Ok(conn) };
            drop(conn.detach());
            if old == 0 || !is_transient(&error) {
                return Err(error);
            }
            old -= 1;
        }
    }
}

async fn commit<T, W>(conn: &mut PgConnection, statements: &Statements, work: W) -> Result<T>
where
    W: for<'c> FnOnce(Transaction<'c>) -> BoxFuture<'c, Result<T>>,
{
    let answer = work(Transaction { conn: &mut *conn, statements }).await?;
    sqlx::raw_sql("COMMIT").execute(conn).await?;
    Ok(answer)
}

/// Whether the connection is out of its transaction.
async fn roll_back(conn: &mut PgConnection) -> bool {
    matches!(timeout(ROLLBACK_DEADLINE, sqlx::raw_sql("ROLLBACK").execute(conn)).await, Ok(Ok(_)))
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server didn't answer in 30 s"))
}

/// An open transaction: what a piece of work says to the server.
pub(super) struct Transaction<'c> {
    conn: &'c mut PgConnection,
    statements: &'c Statements,
}

impl Transaction<'_> {
    /// The connection, to run a query on.
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        self.conn
    }

    /// A statement that answers nothing but how many rows it touched.
    pub(super) fn query<'q>(&self, template: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(self.statements.get(template)).persistent(self.statements.named)
    }

    /// A statement that answers rows.
    pub(super) fn rows<'q, R>(&self, template: &'static str) -> QueryAs<'q, Postgres, R, PgArguments>
    where
        R: for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_as(self.statements.get(template)).persistent(self.statements.named)
    }

    /// A statement that answers one column.
    pub(super) fn values<'q, T>(&self, template: &'static str) -> QueryScalar<'q, Postgres, T, PgArguments>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(self.statements.get(template)).persistent(self.statements.named)
    }
}
