//! An SQLite file as one end of a copy: see `crate::copy`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use pingmon_core::time::{Clock as _, SystemClock};
use sqlx::{
    AssertSqlSafe, Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use uuid::Uuid;

use super::{
    connect::{Location, open_error},
    migrate::{self, MARK},
};
use crate::{
    copy::{Column, End, Kind, PAGE_BYTES, PAGE_ROWS, Row, Side, TABLES, Table, Value, admit, unusable},
    error::Result,
};

/// Rows that go in by one statement: of the widest table, a third of the parameters that SQLite takes.
const ROWS: usize = 1_000;

pub(crate) struct SqliteSide {
    name: String,
    conn: SqliteConnection,
}

impl SqliteSide {
    /// Opens the file and brings its tables up to date; one to copy to is made.
    pub(crate) async fn open(url: &str, end: End) -> Result<Self> {
        let location = Location::parse(url)?;
        let Location::File(path) = &location else {
            return Err(unusable("lies in memory: nobody could use it afterwards, or has used it before"));
        };
        let name = format!("sqlite:{}", path.display());
        let opened = if end == End::To { location.create().await } else { location.open_writer().await };
        let mut conn = opened.map_err(|error| open_error(&location, error))?;
        migrate::migrate(&location, &mut conn).await?;
        if end == End::From {
            migrate::refuse_half_copied(&location, &mut conn).await?;
        }
        Ok(Self { name, conn })
    }

    async fn first_occupied(&mut self) -> Result<Option<&'static str>> {
        for table in &TABLES {
            let is_occupied = format!("SELECT EXISTS (SELECT 1 FROM pingmon_{})", table.name);
            if sqlx::query_scalar(AssertSqlSafe(is_occupied)).fetch_one(&mut self.conn).await? {
                return Ok(Some(table.name));
            }
        }
        Ok(None)
    }

    async fn marked(&mut self) -> Result<Option<String>> {
        let is_marked: bool = sqlx::query_scalar(MARK).fetch_one(&mut self.conn).await?;
        match is_marked {
            true => Ok(Some(sqlx::query_scalar(MARKED_FROM).fetch_one(&mut self.conn).await?)),
            false => Ok(None),
        }
    }
}

const WORKER: &str = "SELECT host FROM pingmon_sessions WHERE NOT ended AND lease_until > ? LIMIT 1";
const MARKED_FROM: &str = "SELECT source FROM pingmon_copying";
// The trigger stops engines that have the file open since before.
const BEGIN_COPY: &str = "CREATE TABLE pingmon_copying (source TEXT NOT NULL) STRICT;
    CREATE TRIGGER pingmon_copying_shuts_out BEFORE INSERT ON pingmon_sessions
        BEGIN SELECT RAISE(ABORT, 'a copy into this store is under way'); END";
const REMEMBER_SOURCE: &str = "INSERT INTO pingmon_copying (source) VALUES (?)";
const END_COPY: &str = "DROP TRIGGER pingmon_copying_shuts_out; DROP TABLE pingmon_copying";

#[async_trait]
impl Side for SqliteSide {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn worker(&mut self) -> Result<Option<String>> {
        let now = SystemClock.now().as_micros();
        Ok(sqlx::query_scalar(WORKER).bind(now).fetch_optional(&mut self.conn).await?)
    }

    async fn begin(&mut self, source: &str) -> Result<()> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await?;
        let (marked, worker) = (self.marked().await?, self.worker().await?);
        if admit(source, marked.as_deref(), worker.as_deref(), self.first_occupied().await?)? {
            sqlx::raw_sql(BEGIN_COPY).execute(&mut self.conn).await?;
            sqlx::query(REMEMBER_SOURCE).bind(source).execute(&mut self.conn).await?;
        }
        sqlx::query("COMMIT").execute(&mut self.conn).await?;
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await?;
        sqlx::raw_sql(END_COPY).execute(&mut self.conn).await?;
        sqlx::query("COMMIT").execute(&mut self.conn).await?;
        Ok(())
    }

    async fn count(&mut self, table: &'static Table) -> Result<u64> {
        let count = format!("SELECT count(*) FROM pingmon_{}", table.name);
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut self.conn).await?;
        Ok(rows.unsigned_abs())
    }

    async fn last(&mut self, table: &'static Table) -> Result<Option<Vec<Value>>> {
        let key = table.key();
        let (columns, order) = (names(key), Table::list(key, |column| format!("{} DESC", column.name)));
        let last = format!("SELECT {columns} FROM pingmon_{} ORDER BY {order} LIMIT 1", table.name);
        let row = sqlx::query(AssertSqlSafe(last)).fetch_optional(&mut self.conn).await?;
        row.map(|row| read(&row, key)).transpose()
    }

    async fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>> {
        let key = names(table.key());
        let follows =
            after.map_or(String::new(), |after| format!("WHERE ({key}) > ({})", vec!["?"; after.len()].join(", ")));
        let page = format!(
            "SELECT {} FROM pingmon_{} {follows} ORDER BY {key} LIMIT {PAGE_ROWS}",
            names(table.columns),
            table.name
        );
        let query = after.into_iter().flatten().cloned().fold(sqlx::query(AssertSqlSafe(page)), bind);
        let (mut rows, mut page, mut bytes) = (query.fetch(&mut self.conn), Vec::new(), 0);
        while bytes < PAGE_BYTES
            && let Some(row) = rows.try_next().await?
        {
            let row = read(&row, table.columns)?;
            bytes += row.iter().map(Value::size).sum::<usize>();
            page.push(row);
        }
        Ok(page)
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<()> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await?;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let insert = format!("INSERT INTO pingmon_{} ({}) ", table.name, names(table.columns));
            let mut insert = QueryBuilder::<Sqlite>::new(insert);
            insert.push_values(rows.by_ref().take(ROWS), |mut values, row| {
                for value in row {
                    match value {
                        Value::Null => values.push("NULL"),
                        Value::Id(id) => values.push_bind(id),
                        Value::Number(number) => values.push_bind(number),
                        Value::Text(text) => values.push_bind(text),
                        Value::Bytes(bytes) => values.push_bind(bytes),
                    };
                }
            });
            insert.build().persistent(false).execute(&mut self.conn).await?;
        }
        sqlx::query("COMMIT").execute(&mut self.conn).await?;
        Ok(())
    }

    async fn close(self: Box<Self>) {
        if let Err(error) = self.conn.close().await {
            tracing::warn!(%error, "failed to close the connection to a copied store");
        }
    }
}

fn names(columns: &[Column]) -> String {
    Table::list(columns, |column| column.name.to_owned())
}

fn bind(query: Query<'_, Sqlite, SqliteArguments>, value: Value) -> Query<'_, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Id(id) => query.bind(id),
        Value::Number(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

fn read(row: &SqliteRow, columns: &[Column]) -> Result<Row> {
    let value = |(at, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Id => row.try_get::<Option<Uuid>, _>(at)?.map_or(Value::Null, Value::Id),
            Kind::Number | Kind::Instant | Kind::Flag => {
                row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Number)
            }
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Value::Null, Value::Bytes),
            // PostgreSQL can't hold NUL, and writes this in its place.
            Kind::Text | Kind::Json => row
                .try_get::<Option<String>, _>(at)?
                .map_or(Value::Null, |text| Value::Text(text.replace('\0', "\u{fffd}"))),
        })
    };
    columns.iter().enumerate().map(value).collect()
}
