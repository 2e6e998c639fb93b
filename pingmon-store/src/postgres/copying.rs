//! A schema of a PostgreSQL database as one end of a copy: see `crate::copy`.

use std::{io, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt as _};
use pingmon_core::time::Timestamp;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{codes::unusable as silent, connect::Target, migrate, statements::Schema};
use crate::{
    copy::{Column, End, Kind, PAGE_BYTES, PAGE_ROWS, Row, Side, TABLES, Table, Value, admit, unusable},
    error::Result,
};

/// How long the server may take over one page. It gives up a statement a little earlier by itself.
const SILENCE: Duration = Duration::from_secs(65);

pub(crate) struct PgSide {
    name: String,
    schema: Schema,
    conn: PgConnection,
}

impl PgSide {
    /// Connects to a store that has its tables.
    pub(crate) async fn open(url: &str, schema: &str, end: End) -> Result<Self> {
        let (schema, target) = (Schema::parse(schema)?, Target::parse(url)?);
        let mut conn = target.connect().await?.conn;
        migrate::check_known(&mut conn, &schema).await?;
        if end == End::From {
            migrate::check(&mut conn, &schema).await?;
            refuse_waiting(&mut conn, &schema).await?;
        }
        Ok(Self { name: format!("{}, {}", target.name(), schema.fill("schema {schema}")), schema, conn })
    }

    fn sql(&self, template: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.schema.fill(template))
    }

    /// Begins a transaction. An error before its end closes the connection, which rolls it back.
    async fn begin_transaction(&mut self) -> Result<()> {
        in_time(sqlx::raw_sql(BEGIN).execute(&mut self.conn)).await?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        in_time(sqlx::raw_sql("COMMIT").execute(&mut self.conn)).await?;
        Ok(())
    }

    async fn first_occupied(&mut self) -> Result<Option<&'static str>> {
        for table in &TABLES {
            let is_occupied = self.sql(&format!("SELECT EXISTS (SELECT FROM {{schema}}.{})", table.name));
            if in_time(sqlx::query_scalar(is_occupied).persistent(false).fetch_one(&mut self.conn)).await? {
                return Ok(Some(table.name));
            }
        }
        Ok(None)
    }

    async fn marked(&mut self) -> Result<Option<String>> {
        if !migrate::is_half_copied(&mut self.conn, &self.schema).await? {
            return Ok(None);
        }
        let source = self.sql(MARKED_FROM);
        Ok(in_time(sqlx::query_scalar(source).persistent(false).fetch_optional(&mut self.conn)).await?)
    }
}

// Each page is read along the key. Of tables that were just filled the planner knows nothing, and would read and sort all
// that is left for every page: time that grows with the square of the rows.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '60s';
    SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL lock_timeout = '5s'; SET LOCAL jit = off;
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
const WORKER: &str = "SELECT host FROM {schema}.sessions WHERE NOT ended AND lease_until > {schema}.clock() LIMIT 1";
const MARKED_FROM: &str = "SELECT source FROM {schema}.copying";
// The constraint stops engines that are connected since before; its name is what they are told.
const BEGIN_COPY: &str = "CREATE TABLE {schema}.copying (source text NOT NULL);
    ALTER TABLE {schema}.sessions ADD CONSTRAINT a_copy_into_this_store_is_under_way CHECK (false) NOT VALID";
const REMEMBER_SOURCE: &str = "INSERT INTO {schema}.copying (source) VALUES ($1)";
const END_COPY: &str = "ALTER TABLE {schema}.sessions DROP CONSTRAINT a_copy_into_this_store_is_under_way;
    DROP TABLE {schema}.copying";
/// What nobody can read any more and is yet to be removed isn't copied.
const NOT_DELETED: &str = "NOT EXISTS (SELECT FROM {schema}.deleted d WHERE d.monitor = results.monitor)";

#[async_trait]
impl Side for PgSide {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn worker(&mut self) -> Result<Option<String>> {
        let worker = self.sql(WORKER);
        Ok(in_time(sqlx::query_scalar(worker).persistent(false).fetch_optional(&mut self.conn)).await?)
    }

    async fn begin(&mut self, source: &str) -> Result<()> {
        self.begin_transaction().await?;
        let (marked, worker) = (self.marked().await?, self.worker().await?);
        if admit(source, marked.as_deref(), worker.as_deref(), self.first_occupied().await?)? {
            in_time(sqlx::raw_sql(self.sql(BEGIN_COPY)).execute(&mut self.conn)).await?;
            let remember = self.sql(REMEMBER_SOURCE);
            in_time(sqlx::query(remember).persistent(false).bind(source).execute(&mut self.conn)).await?;
            // Adding the constraint waited for whoever was joining.
            admit(source, None, self.worker().await?.as_deref(), self.first_occupied().await?)?;
        }
        self.commit().await
    }

    async fn end(&mut self) -> Result<()> {
        self.begin_transaction().await?;
        in_time(sqlx::raw_sql(self.sql(END_COPY)).execute(&mut self.conn)).await?;
        self.commit().await
    }

    async fn count(&mut self, table: &'static Table) -> Result<u64> {
        let count = self.sql(&format!("SELECT count(*) FROM {{schema}}.{0} WHERE {1}", table.name, kept(table)));
        self.begin_transaction().await?;
        let rows: i64 = in_time(sqlx::query_scalar(count).persistent(false).fetch_one(&mut self.conn)).await?;
        self.commit().await?;
        Ok(rows.unsigned_abs())
    }

    async fn last(&mut self, table: &'static Table) -> Result<Option<Vec<Value>>> {
        let key = table.key();
        let order = Table::list(key, |column| format!("{} DESC", column.name));
        let last = format!("SELECT {} FROM {{schema}}.{} ORDER BY {order} LIMIT 1", names(key), table.name);
        let last = self.sql(&last);
        let row = in_time(sqlx::query(last).persistent(false).fetch_optional(&mut self.conn)).await?;
        row.map(|row| read(&row, key)).transpose()
    }

    async fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>> {
        let key = names(table.key());
        let bounds: Vec<_> = (1..=after.map_or(0, <[_]>::len)).map(|at| format!("${at}")).collect();
        let follows = if bounds.is_empty() { "true".into() } else { format!("({key}) > ({})", bounds.join(", ")) };
        let page = self.sql(&format!(
            "SELECT {} FROM {{schema}}.{} WHERE {follows} AND {} ORDER BY {key} LIMIT {PAGE_ROWS}",
            Table::list(table.columns, |column| match column.kind {
                Kind::Json => format!("{}::text", column.name),
                _ => column.name.to_owned(),
            }),
            table.name,
            kept(table)
        ));
        self.begin_transaction().await?;
        let query = sqlx::query(page).persistent(false);
        let query = after.into_iter().flatten().cloned().zip(table.key()).fold(query, bind);
        let page = in_time(take(query.fetch(&mut self.conn), table.columns)).await?;
        self.commit().await?;
        Ok(page)
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()> {
        let arrays: Vec<_> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("${}::{}", at + 1, array(column.kind)))
            .collect();
        let insert = self.sql(&format!(
            "INSERT INTO {{schema}}.{} ({}) SELECT * FROM unnest({})",
            table.name,
            names(table.columns),
            arrays.join(", ")
        ));
        self.begin_transaction().await?;
        let insert = sqlx::query(insert).persistent(false);
        let insert = transpose(rows, table.columns).into_iter().zip(table.columns).fold(insert, bind_array);
        in_time(insert.execute(&mut self.conn)).await?;
        self.commit().await
    }

    async fn close(self: Box<Self>) {
        if let Err(error) = self.conn.close().await {
            tracing::warn!(%error, "failed to close the connection to a copied store");
        }
    }
}

const WAITING: &str = "SELECT count(*) FROM {schema}.new_monitors";

/// Refuses to leave monitors behind that no engine has taken in yet: other stores have no place for them.
async fn refuse_waiting(conn: &mut PgConnection, schema: &Schema) -> Result<()> {
    let waiting = sqlx::query_scalar(AssertSqlSafe(schema.fill(WAITING))).persistent(false);
    match in_time(waiting.fetch_one(conn)).await? {
        0_i64 => Ok(()),
        waiting => Err(unusable(format!(
            "has {waiting} waiting in new_monitors that no engine has taken in: start one, mend what it says, or delete them"
        ))),
    }
}

/// Waits for the server as long as it may take.
async fn in_time<T, E: From<sqlx::Error>>(answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let silence = || silent(io::ErrorKind::TimedOut, "the server didn't answer in time");
    timeout(SILENCE, answer).await.unwrap_or_else(|_| Err(silence().into()))
}

/// Which rows of a table are copied.
fn kept(table: &Table) -> &'static str {
    if table.name == "results" { NOT_DELETED } else { "true" }
}

fn names(columns: &[Column]) -> String {
    Table::list(columns, |column| column.name.to_owned())
}

/// The type of many values of a column, cast to what its table takes.
const fn array(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "uuid[]",
        Kind::Number => "bigint[]",
        Kind::Instant => "timestamptz[]",
        Kind::Flag => "boolean[]",
        Kind::Text => "text[]",
        Kind::Json => "text[]::json[]",
        Kind::Bytes => "bytea[]",
    }
}

/// Rows as columns.
fn transpose(rows: Vec<Row>, columns: &[Column]) -> Vec<Vec<Value>> {
    let mut transposed: Vec<_> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        transposed.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    transposed
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

fn bind<'q>(query: PgQuery<'q>, (value, column): (Value, &Column)) -> PgQuery<'q> {
    match column.kind {
        Kind::Id => query.bind(value.id()),
        Kind::Number => query.bind(value.number()),
        Kind::Instant => query.bind(value.number().map(instant)),
        Kind::Flag => query.bind(value.number().map(|number| number != 0)),
        Kind::Text | Kind::Json => query.bind(value.text()),
        Kind::Bytes => query.bind(value.bytes()),
    }
}

fn bind_array<'q>(query: PgQuery<'q>, (values, column): (Vec<Value>, &Column)) -> PgQuery<'q> {
    let values = values.into_iter();
    match column.kind {
        Kind::Id => query.bind(values.map(Value::id).collect::<Vec<_>>()),
        Kind::Number => query.bind(values.map(Value::number).collect::<Vec<_>>()),
        Kind::Instant => query.bind(values.map(|value| value.number().map(instant)).collect::<Vec<_>>()),
        Kind::Flag => query.bind(values.map(|value| value.number().map(|number| number != 0)).collect::<Vec<_>>()),
        Kind::Text | Kind::Json => query.bind(values.map(Value::text).collect::<Vec<_>>()),
        Kind::Bytes => query.bind(values.map(Value::bytes).collect::<Vec<_>>()),
    }
}

fn instant(micros: i64) -> DateTime<Utc> {
    Timestamp::from_micros(micros).to_datetime()
}

/// The rows of one page, which ends where it is large enough.
async fn take(mut rows: impl Stream<Item = sqlx::Result<PgRow>> + Unpin, columns: &[Column]) -> Result<Vec<Row>> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    while bytes < PAGE_BYTES
        && let Some(row) = rows.try_next().await?
    {
        let row = read(&row, columns)?;
        bytes += row.iter().map(Value::size).sum::<usize>();
        page.push(row);
    }
    Ok(page)
}

fn read(row: &PgRow, columns: &[Column]) -> Result<Row> {
    let value = |(at, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Id => row.try_get::<Option<Uuid>, _>(at)?.map_or(Value::Null, Value::Id),
            Kind::Number => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Number),
            Kind::Instant => row
                .try_get::<Option<DateTime<Utc>>, _>(at)?
                .map_or(Value::Null, |at| Value::Number(Timestamp::from(at).as_micros())),
            Kind::Flag => row.try_get::<Option<bool>, _>(at)?.map_or(Value::Null, |flag| Value::Number(flag.into())),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Value::Null, Value::Bytes),
            Kind::Text | Kind::Json => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
        })
    };
    columns.iter().enumerate().map(value).collect()
}
